"""Verbs and control sources of plug-ins, in the reference host, with a daemon that paints one colour."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from importlib.metadata import EntryPoint
from pathlib import Path
from types import SimpleNamespace

import pytest

import underpaint
from tests.support.recording import RecordingHost
from underpaint.errors import InvalidRequest, PlaceGone
from underpaint.hookspecs import HOSTS_GROUP, Verb, hookimpl
from underpaint.host import (
    AttachedRegion,
    Capability,
    Margins,
    ResultKind,
    Session,
    Settings,
    Task,
    TaskState,
)
from underpaint.host.extensions import Extensions, load_extensions, values_for
from underpaint.testing.fake_daemon import FakeDaemon
from underpaint.testing.reference import PaintLayer, Selection
from underpaint.testing.reference.merge import own_pixels
from underpaint.types import MASK_FORMAT, Bounds, DataType
from underpaint.wire.paths import extensions_dir


def wear(session: Session, values: Mapping[str, float | str]) -> Task:
    return session.fill(f"worn {values['prompt']}", Settings(strength=0.5))


class Wear:
    @hookimpl
    def underpaint_verbs(self) -> list[Verb]:
        return [
            Verb(
                name="wear",
                title="Wear down",
                start=wear,
                texts=("prompt",),
                needs=frozenset({Capability.SELECTION.value}),
            )
        ]

    @hookimpl
    def underpaint_register_hosts(self) -> dict[str, object]:
        return {"paper": RecordingHost}


class Foreign:
    """As from another copy of underpaint: the same attributes, another class."""

    @hookimpl
    def underpaint_verbs(self) -> list[object]:
        verb = SimpleNamespace(
            name="foreign", title="Foreign", start=wear, numbers=(), texts=("prompt",), needs=frozenset()
        )
        return [verb]


class HalfAVerb:
    @hookimpl
    def underpaint_verbs(self) -> list[object]:
        return [SimpleNamespace(name="half", title="Half")]


class Raises:
    @hookimpl
    def underpaint_control_sources(self) -> list[object]:
        raise ZeroDivisionError("in the hook")


wear_plugin, foreign, half, raises = Wear(), Foreign(), HalfAVerb(), Raises()
ENTRIES = [
    EntryPoint("wear", f"{__name__}:wear_plugin", HOSTS_GROUP),
    EntryPoint("absent", "no_such_module_at_all", HOSTS_GROUP),
    EntryPoint("half", f"{__name__}:half", HOSTS_GROUP),
    EntryPoint("raises", f"{__name__}:raises", HOSTS_GROUP),
    EntryPoint("foreign", f"{__name__}:foreign", HOSTS_GROUP),
]


def extensions(*names: str, **lists: tuple[str, ...]) -> Extensions:
    return Extensions(
        lambda group: [one for one in ENTRIES if one.group == group and one.name in names], **lists
    )


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[RecordingHost]:
    with tempfile.TemporaryDirectory(prefix="up-") as folder, FakeDaemon(Path(folder)) as daemon:
        monkeypatch.setenv("UNDERPAINT_RUNTIME_DIR", str(daemon.folder))
        host = RecordingHost()
        host.new("wall", 128, 96)
        yield host


@pytest.fixture
def session(host: RecordingHost) -> Iterator[Session]:
    session = Session(host, lambda: underpaint.connect(start=False), client="paper-test")
    yield session
    session.close()


def test_a_variation_paints_the_picture_again_with_another_seed_each_time(
    host: RecordingHost, session: Session
) -> None:
    verb = extensions().verbs["variation"]
    seeds = []
    for _ in range(2):
        task = verb.start(session, values_for(verb, prompt="moss", strength=0.3))
        host.finish(task)
        assert task.state is TaskState.PLACED, task.error
        assert task.update is not None
        request = task.update.resolved
        assert request["prompt"] == "moss"
        assert request["image_to_image"]["strength"] == 0.3  # type: ignore[index]
        seeds.append(request["seed"])
    assert seeds[0] != seeds[1]
    assert len(host.documents["wall"].undo_steps) == 2


def test_an_edit_sends_what_is_visible_with_the_instruction(host: RecordingHost, session: Session) -> None:
    verb = extensions().verbs["edit"]
    task = verb.start(session, values_for(verb, prompt="make it night"))
    host.finish(task)
    assert task.state is TaskState.PLACED, task.error
    assert task.update is not None and task.update.resolved["prompt"] == "make it night"
    assert set(task.update.resolved["edit_image"]) == {"image"}  # type: ignore[arg-type]
    assert len(host.documents["wall"].layers) == 2


@pytest.mark.parametrize(
    ("name", "prompt", "sent"),
    [
        ("refine", "moss", {"strength": 0.35, "fill_mode": "keep"}),
        ("remove", "", {"fill_mode": "continue"}),
    ],
)
def test_a_selection_is_refined_or_removed(
    host: RecordingHost, session: Session, name: str, prompt: str, sent: dict[str, object]
) -> None:
    host.documents["wall"].select(Selection.rectangle(Bounds(40, 30, 40, 30)))
    verb = extensions().verbs[name]
    task = verb.start(session, values_for(verb, **({"prompt": prompt} if prompt else {})))
    host.finish(task)
    assert task.state is TaskState.PLACED, task.error
    assert task.update is not None
    request, inpaint = task.update.resolved, task.update.resolved["inpaint"]
    assert isinstance(inpaint, dict)
    assert {key: inpaint[key] for key in sent} == sent
    assert request["prompt"] == prompt
    assert (request["guidance_scale"] == 1.0) == (name == "remove")


def test_removing_heeds_what_is_to_be_avoided(host: RecordingHost, session: Session) -> None:
    host.documents["wall"].select(Selection.rectangle(Bounds(40, 30, 40, 30)))
    session.settings = Settings(negative_prompt="people", guidance_scale=6.0)
    task = extensions().verbs["remove"].start(session, {})
    host.finish(task)
    assert task.update is not None
    assert task.update.resolved["guidance_scale"] == 6.0


@pytest.mark.parametrize(("name", "regions"), [("refine", 1), ("variation", 1), ("remove", 0)])
def test_a_verb_has_the_regions_of_the_panel_unless_it_has_no_words(
    host: RecordingHost, session: Session, name: str, regions: int
) -> None:
    host.documents["wall"].select(Selection.rectangle(Bounds(40, 30, 40, 30)))
    source = extensions().control_sources["selection"]
    session.settings = Settings(regions=(AttachedRegion(source=source, prompt="ivy"),))
    verb = extensions().verbs[name]
    task = verb.start(session, values_for(verb))
    host.finish(task)
    assert task.update is not None, task.error
    assert len(task.update.resolved.get("regions", [])) == regions  # type: ignore[arg-type]


def test_a_picture_is_expanded_by_a_layer_that_hangs_over_the_canvas(
    host: RecordingHost, session: Session
) -> None:
    paper = host.documents["wall"]
    verb = extensions().verbs["expand"]
    task = verb.start(session, values_for(verb, prompt="moss", left=40.0, bottom=24.0))
    host.finish(task)
    assert task.state is TaskState.PLACED, task.error
    layer = paper.layers[0]
    assert isinstance(layer, PaintLayer)
    assert layer.bounds.contains(Bounds(-40, 0, 40, 120)) and layer.bounds.contains(Bounds(-40, 96, 168, 24))
    assert (paper.canvas.width, paper.canvas.height) == (128, 96)
    alpha = layer.samples[..., 3]
    x, y = -layer.x, -layer.y
    assert alpha[y + 96 :, :].min() == 255 and alpha[:, :x].min() == 255, "nothing shows through beyond it"
    assert alpha[y + 8, x + 120] == 0, "far from what is new, the picture shows"
    paper.undo()
    assert len(paper.layers) == 1


def test_where_there_are_no_layers_an_expansion_says_that_it_is_one(
    host: RecordingHost, session: Session
) -> None:
    host.capabilities = host.capabilities - {Capability.LAYERS}
    verb = extensions().verbs["expand"]
    assert verb in extensions().verbs_for(host)
    host.finish(verb.start(session, values_for(verb, right=40.0)))
    (result,) = host.results
    assert (result.kind, result.document_id) == (ResultKind.EXPANDED, "wall")
    assert result.image.bounds.right == 128 + 40


def test_a_picture_that_shall_not_grow_is_refused(host: RecordingHost, session: Session) -> None:
    verb = extensions().verbs["expand"]
    with pytest.raises(InvalidRequest, match="how far the picture shall grow"):
        verb.start(session, values_for(verb, prompt="moss"))
    with pytest.raises(InvalidRequest, match="left must be 0 to 8192"):
        Margins(left=9000)


def test_a_verb_from_an_entry_point_works_like_the_hosts_own(host: RecordingHost, session: Session) -> None:
    host.documents["wall"].select(Selection.rectangle(Bounds(40, 30, 40, 30)))
    for name in ("wear", "foreign"):
        verb = extensions("wear", "foreign").verbs[name]
        task = verb.start(session, values_for(verb, prompt="bricks"))
        host.finish(task)
        assert task.update is not None and task.update.resolved["prompt"] == "worn bricks"
    assert len(host.documents["wall"].layers) == 3


def test_a_broken_plugin_takes_no_other_with_it() -> None:
    found = extensions("wear", "absent", "half", "raises")
    assert set(found.verbs) == {
        "edit",
        "expand",
        "pbr-maps",
        "refine",
        "remove",
        "upscale",
        "variation",
        "wear",
    }
    assert set(found.control_sources) == {"merged", "layer", "selection"}
    assert found.hosts == {"paper": RecordingHost}
    problems = {info.name: info.problem for info in found.infos()}
    assert problems["standard"] == problems["wear"] == ""
    assert "ModuleNotFoundError" in problems["absent"]
    assert "has no start, numbers, texts, needs" in problems["half"]
    assert "ZeroDivisionError: in the hook" in problems["raises"]


def test_blocked_ones_are_not_imported() -> None:
    found = extensions("wear", "absent", block=("absent", "standard"))
    assert set(found.verbs) == {"wear"}
    assert [(info.name, info.blocked) for info in found.infos()] == [
        ("absent", True),
        ("standard", True),
        ("wear", False),
    ]
    environ = {"UNDERPAINT_PLUGINS_ALLOW": "nothing, at-all"}
    assert load_extensions(environ).verbs == {}
    assert set(load_extensions({}).verbs) >= {"edit", "pbr-maps", "upscale", "variation"}


WHEEL = """
from underpaint.hookspecs import Verb, hookimpl

@hookimpl
def underpaint_verbs():
    return [Verb(name="age", title="Age", start=lambda session, values: None, texts=("prompt",))]
"""


@pytest.mark.parametrize("form", ["wheel", "folder"])
def test_what_lies_in_the_extensions_folder_is_found_without_pip(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNDERPAINT_CONFIG_DIR", str(tmp_path))
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "age_it", raising=False)
    assert "age" not in load_extensions({}).verbs, "the folder need not be there"
    files = {
        "age_it.py": WHEEL,
        "age_it-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: age-it\nVersion: 1.0\n",
        "age_it-1.0.dist-info/entry_points.txt": "[underpaint.hosts]\nage = age_it\n",
    }
    folder = extensions_dir()
    folder.mkdir(parents=True)
    if form == "wheel":
        with zipfile.ZipFile(folder / "age_it-1.0-py3-none-any.whl", "w") as archive:
            for name, text in files.items():
                archive.writestr(name, text)
    else:
        for name, text in files.items():
            (folder / "age" / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / "age" / name).write_text(text, "utf-8")
    (folder / "notes.txt").write_text("not a plug-in", "utf-8")
    for _ in range(2):
        found = load_extensions({})
        assert found.verbs["age"].title == "Age"
        (info,) = [info for info in found.infos() if info.name == "age"]
        assert (info.problem, info.distribution) == ("", "age-it 1.0")
    assert sum(place.startswith(str(folder)) for place in sys.path) == 1
    assert "age" not in load_extensions({"UNDERPAINT_PLUGINS_BLOCK": "age"}).verbs
    monkeypatch.delitem(sys.modules, "age_it", raising=False)


def test_a_host_is_offered_what_it_can_do(host: RecordingHost) -> None:
    found = extensions("wear")
    assert [verb.title for verb in found.verbs_for(host)] == [
        "Edit by Instruction",
        "Expand Picture",
        "Material Maps",
        "Refine Selection",
        "Remove Selection",
        "Upscale",
        "Variation",
        "Wear down",
    ]
    assert [one.title for one in found.control_sources_for(host)] == ["Layer", "Selection", "Visible picture"]
    host.capabilities = frozenset()
    assert [verb.name for verb in found.verbs_for(host)] == [
        "edit",
        "expand",
        "pbr-maps",
        "upscale",
        "variation",
    ]
    assert [one.name for one in found.control_sources_for(host)] == ["merged"]


def test_control_sources_read_what_they_say(host: RecordingHost) -> None:
    sources = extensions().control_sources
    part = Bounds(5, 6, 20, 10)
    paper = host.documents["wall"]
    merged = sources["merged"].read(host, "wall", part, "")
    assert merged.bounds == part
    choices = sources["layer"].choices
    assert choices is not None
    assert choices(host, "wall") == {"ground": "ground"}
    ground = sources["layer"].read(host, "wall", part, "ground")
    assert bytes(ground.data) == own_pixels(paper.layers[0], part, DataType.U8).tobytes()
    with pytest.raises(PlaceGone):
        sources["layer"].read(host, "wall", part, "gone")
    with pytest.raises(PlaceGone, match="selected any more"):
        sources["selection"].read(host, "wall", part, "")
    paper.select(Selection.rectangle(Bounds(0, 0, 10, 10)))
    selection = sources["selection"].read(host, "wall", part, "")
    assert (selection.format, selection.bounds) == (MASK_FORMAT, part)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"strenght": 0.5}, "strenght is none of prompt, strength"),
        ({"strength": 1.5}, "strength must be 0.05 to 1, got 1.5"),
        ({"strength": float("nan")}, "got nan"),
        ({"strength": "high"}, "got 'high'"),
        ({"prompt": 3.0}, "prompt is a text"),
    ],
)
def test_values_that_do_not_fit_are_named(given: dict[str, float | str], said: str) -> None:
    verb = extensions().verbs["variation"]
    with pytest.raises(InvalidRequest, match="Variation: ") as raised:
        values_for(verb, **given)
    assert said in raised.value.message
    assert [violation.field for violation in raised.value.violations] == list(given)


def test_importing_the_module_loads_no_plugin_and_nothing_heavy() -> None:
    code = (
        "import sys, importlib.metadata as metadata\n"
        "def refuse(*a, **k): raise AssertionError('looked for entry points')\n"
        "metadata.entry_points = refuse\n"
        "import underpaint.host.extensions\n"
        "print(sorted({'grpc', 'grpclib', 'numpy', 'torch', 'cv2'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
