"""models import: from this machine by links, from a hub pinned, verified, asked for, and resumed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants
from typer.testing import CliRunner

from tests.support import weight_files as files
from tests.support.hub import COMMIT, Hub, serving
from tests.support.weight_files import write_weights
from underpaint.cli import hub as hub_client
from underpaint.cli.app import app
from underpaint.cli.hub_files import HubFile, choose
from underpaint.daemon.roots import kept
from underpaint.errors import InvalidRequest

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where models go in this test."""
    monkeypatch.setenv("UNDERPAINT_MODELS_DIR", str(tmp_path / "models"))
    monkeypatch.setenv("UNDERPAINT_MODEL_ROOTS_FILE", str(tmp_path / "roots.json"))
    return tmp_path / "models"


@pytest.fixture
def run(places: Path) -> Run:
    def bring(*arguments: object) -> tuple[int, str]:
        done = CliRunner().invoke(app, ["models", "import", *map(str, arguments)])
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return done.exit_code, " ".join(done.output.split())

    return bring


def weight_bytes(tmp_path: Path, shapes: files.Shapes, spread: int = 0) -> bytes:
    """A weight file that is small: its tensors are cut to `spread` columns of nothing."""
    small = {name: tuple(min(edge, 16) for edge in shape) for name, shape in shapes.items()}
    path = write_weights(tmp_path / "made.safetensors", {**small, "filler": (spread,)} if spread else small)
    content = path.read_bytes()
    path.unlink()
    return content


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    vae = weight_bytes(tmp_path, files.VAE, 200_000)
    kinds = {name: ["diffusers", "x"] for name in ("unet", "vae", "safety_checker")}
    says = {"_class_name": "StableDiffusionPipeline", **kinds, "image_encoder": [None, None]}
    index = json.dumps(says).encode()
    pipeline = {
        "README.md": b"text",
        "model_index.json": index,
        "unet/config.json": b"{}",
        "unet/diffusion_pytorch_model.safetensors": vae,
        "unet/diffusion_pytorch_model.fp16.safetensors": vae[:-2] + b"ab",
        "unet/diffusion_pytorch_model.bin": b"pickle",
        "vae/config.json": b"{ }",
        "vae/diffusion_pytorch_model.fp16.safetensors": vae,
        "safety_checker/model.safetensors": vae,
        "vae_1_0/diffusion_pytorch_model.safetensors": vae,
        "unet/deeper/diffusion_pytorch_model.safetensors": vae,
        "v1-5-pruned.ckpt": b"pickle",
    }
    pickled = {name: content for name, content in pipeline.items() if not name.endswith(".safetensors")}
    repositories = {
        "people/pipeline": pipeline,
        "people/pickled": pickled,
        "people/one": {"README.md": b"", "ae.safetensors": vae},
        "people/depth": {
            **{name: b"{}" for name in ("config.json", "preprocessor_config.json", "notes.json")},
            **{"model.safetensors": vae, "pytorch_model.bin": b"pickle", "onnx/model.safetensors": vae},
        },
        "people/many": {"a.safetensors": vae, "b.safetensors": vae, "c.ckpt": b"pickle"},
    }
    with serving(repositories) as served:
        monkeypatch.setenv("HF_ENDPOINT", served.address)
        # Tests of the engine tell the library to be offline, in this very process.
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        yield served


def test_a_file_of_this_machine_is_linked_and_its_folder_becomes_a_root(
    run: Run, places: Path, tmp_path: Path
) -> None:
    file = write_weights(tmp_path / "photo.safetensors", files.SD15)
    (tmp_path / "photo.underpaint.json").write_text('{"title": "Photo"}')
    code, said = run(file)
    assert code == 0 and "photo.safetensors is there" in said
    assert (places / "photo.safetensors").samefile(file)
    assert (places / "photo.underpaint.json").read_text() == '{"title": "Photo"}'
    assert kept.read(tmp_path / "roots.json") == (places,)
    code, said = run(file)
    assert code == 2 and "is there already" in said
    other = write_weights(tmp_path / "other.safetensors", files.LORA)
    assert run(other, "--copy")[0] == 0
    assert (places / "other.safetensors").read_bytes() == other.read_bytes()
    assert not (places / "other.safetensors").samefile(other)


def test_a_folder_of_this_machine_comes_whole_without_pickles_and_hidden_files(
    run: Run, places: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "mine"
    for name in ("model_index.json", "unet/config.json", ".cache/x.json", "unet/old.bin", "notes.exe"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("{}")
    weights = write_weights(folder / "unet" / "diffusion_pytorch_model.safetensors", files.VAE)
    assert run(folder)[0] == 0
    came = sorted(path.relative_to(places) for path in places.rglob("*") if path.is_file())
    assert [str(path) for path in came] == [
        "mine/model_index.json",
        "mine/unet/config.json",
        "mine/unet/diffusion_pytorch_model.safetensors",
    ]
    assert (places / "mine" / "unet" / weights.name).samefile(weights)


@pytest.mark.parametrize(
    ("name", "make", "words"),
    [
        ("a.ckpt", lambda path: path.write_bytes(b""), "underpaint models convert"),
        ("a.safetensors", lambda path: path.write_bytes(b"\x10"), "download stopped early"),
        ("a.safetensors", lambda path: write_weights(path, {"x": (2, 2)}), "what it is cannot be told"),
        (
            "a.safetensors",
            lambda path: write_weights(path, {**files.SD15, "scaled_fp8": (2,)}),
            "scaled fp8, by its tensor 'scaled_fp8'",
        ),
        ("a.zip", lambda path: path.write_bytes(b""), "is no weight file"),
        ("a", lambda path: path.mkdir(), "underpaint models roots add"),
    ],
)
def test_what_could_not_be_used_is_refused_and_nothing_comes(
    run: Run, places: Path, tmp_path: Path, name: str, make: Callable[[Path], Any], words: str
) -> None:
    make(tmp_path / name)
    code, said = run(tmp_path / name)
    assert code in (1, 2) and words in said
    assert not places.exists() and not (tmp_path / "roots.json").exists()


def test_a_folder_whose_weights_are_pickles_is_refused_with_the_way_out(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mine" / "unet").mkdir(parents=True)
    (tmp_path / "mine" / "model_index.json").write_text("{}")
    (tmp_path / "mine" / "unet" / "pytorch_model.bin").write_bytes(b"")
    code, said = run(tmp_path / "mine")
    assert code == 1 and "underpaint models convert" in said and "pytorch_model.bin" in said


def test_a_pipeline_comes_from_the_hub_pinned_and_verified_without_what_is_not_needed(
    run: Run, places: Path, hub: Hub, tmp_path: Path
) -> None:
    code, said = run("people/pipeline", "--yes", "--json")
    assert code == 0
    facts = json.loads(said)
    folder = places / "people" / "pipeline"
    assert (facts["revision"], facts["license"], facts["path"]) == (COMMIT, "openrail", str(folder))
    wanted = [
        "model_index.json",
        "unet/config.json",
        "unet/diffusion_pytorch_model.safetensors",
        "vae/config.json",
        "vae/diffusion_pytorch_model.fp16.safetensors",
    ]
    assert sorted(facts["files"]) == sorted(facts["sha256"]) == wanted
    for name in wanted:
        content = hub.repositories["people/pipeline"][name]
        assert (folder / name).read_bytes() == content
        assert facts["sha256"][name] == hashlib.sha256(content).hexdigest()
    record = json.loads((folder / hub_client.RECORD).read_text())
    assert record == {"repository": "people/pipeline", "revision": COMMIT, "sha256": facts["sha256"]}
    assert kept.read(tmp_path / "roots.json") == (places,)
    fetched = {path for method, path, _ in hub.asked if method == "GET" and "/resolve/" in path}
    assert fetched == {f"/people/pipeline/resolve/{COMMIT}/{name}" for name in wanted}


def test_a_network_of_transformers_comes_with_its_configuration_from_the_hub_and_from_a_folder(
    run: Run, places: Path, hub: Hub, tmp_path: Path
) -> None:
    wanted = {"config.json", "preprocessor_config.json", "model.safetensors"}
    code, said = run("people/depth", "--yes", "--json")
    assert code == 0 and set(json.loads(said)["files"]) == wanted
    came = places / "people" / "depth"
    assert {path.name for path in came.iterdir()} == {*wanted, hub_client.RECORD}

    folder = tmp_path / "mine"
    folder.mkdir()
    for name in wanted:
        (folder / name).write_bytes((came / name).read_bytes())
    assert run(folder)[0] == 0
    assert {path.name for path in (places / "mine").iterdir()} == wanted
    (folder / "model.safetensors").write_bytes(b"\x10")
    assert "download stopped early" in run(folder)[1]


def test_nothing_comes_before_somebody_agreed(run: Run, places: Path, hub: Hub) -> None:
    code, said = run("people/one", "--dry-run")
    assert code == 0 and COMMIT in said and "ae.safetensors" in said and "openrail" in said
    code, said = run("people/one")
    assert code == 2 and "--yes" in said
    assert not places.exists()
    assert not any("/resolve/" in path for _, path, _ in hub.asked)


def test_a_download_that_was_broken_off_goes_on_where_it_ended(
    places: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 1 << 16)
    plan = hub_client.plan("people/one")
    folder = places / "people" / "one"
    came = 0

    def hang_up(count: int) -> None:
        nonlocal came
        came += count
        if came > 100_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        hub_client.download(plan, folder, hang_up)
    assert not (folder / "ae.safetensors").exists()
    seen: list[int] = []
    digests = hub_client.download(plan, folder, seen.append)
    ranges = [asked for method, _, asked in hub.asked if method == "GET" and asked]
    assert len(ranges) == 1 and int(ranges[0].removeprefix("bytes=").rstrip("-")) >= 65536
    assert sum(seen) == plan.size
    content = hub.repositories["people/one"]["ae.safetensors"]
    assert (folder / "ae.safetensors").read_bytes() == content
    assert digests["ae.safetensors"] == plan.files[0].sha256


@pytest.mark.parametrize("spoiled", ["unet/config.json", "unet/diffusion_pytorch_model.safetensors"])
def test_a_file_with_other_bytes_than_the_hub_says_is_removed(
    run: Run, places: Path, hub: Hub, spoiled: str
) -> None:
    hub.spoiled.add(spoiled)
    code, said = run("people/pipeline", "--yes")
    assert code == 1 and "other bytes than the hub says" in said and spoiled in said
    folder = places / "people" / "pipeline"
    assert not (folder / spoiled).exists() and not (folder / hub_client.RECORD).exists()
    hub.spoiled.clear()
    assert run("people/pipeline", "--yes")[0] == 0
    assert (folder / spoiled).read_bytes() == hub.repositories["people/pipeline"][spoiled]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("people/pickled",), "pickles, which are not imported"),
        (("people/many",), "Choose with --file NAME; its weight files: a.safetensors, b.safetensors"),
        (("people/many", "--file", "c.ckpt"), "'c.ckpt' are pickles, which are not imported"),
        (("people/many", "--file", "d.safetensors"), "no file 'd.safetensors'"),
        (("people/nobody",), "The hub knows no model 'people/nobody'"),
        (("people/one", "--revision", "v9"), "no such revision"),
        (("people/gated",), "asks for a login"),
        (("neither file nor name",), "it is no OWNER/NAME"),
    ],
)
def test_what_cannot_come_is_told(run: Run, places: Path, hub: Hub, arguments: Any, words: str) -> None:
    hub.repositories["people/gated"] = {}
    hub.gated.add("people/gated")
    code, said = run(*arguments, "--yes")
    assert code in (1, 2) and words in said
    assert not places.exists()


@pytest.mark.parametrize(
    "name", ["../out.safetensors", "/tmp/out.safetensors", "a/../../b.safetensors", ".x"]
)
def test_a_name_that_leads_elsewhere_is_not_a_file_of_the_repository(name: str) -> None:
    found = [HubFile(name, 1, "0" * 64), HubFile("good dir/it-1.0_fp8.safetensors", 1, "0" * 64)]
    assert [file.name for file in choose(found)] == ["good dir/it-1.0_fp8.safetensors"]
    with pytest.raises(InvalidRequest, match="has no file"):
        choose(found, [name])


def test_one_file_of_many_comes_by_its_name(run: Run, places: Path, hub: Hub) -> None:
    code, _ = run("people/many", "--file", "b.safetensors", "--yes", "--revision", COMMIT)
    assert code == 0
    came = [path.name for path in (places / "people" / "many").iterdir() if not path.name.startswith(".")]
    assert sorted(came) == ["b.safetensors", hub_client.RECORD]


def test_a_hub_that_does_not_answer_is_told(
    run: Run, places: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    code, said = run("people/one", "--yes")
    assert code == 1 and "The hub could not be asked" in said
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    code, said = run("people/one", "--yes")
    assert code == 1 and "The hub could not be asked" in said
