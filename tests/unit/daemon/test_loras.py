"""LoRAs on disk, and LoRAs on their way through a real daemon with a scripted worker."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.support.weight_files import write_weights
from tests.unit.daemon.harness import Caller, Home, connect, mask_layout, write_model
from underpaint.daemon.loras import LoraIndex, fits, to_lora_info
from underpaint.daemon.models import ModelIndex
from underpaint.daemon.plugins import Plugins
from underpaint.errors import InvalidRequest, ModelNotFound, ModelUnusable
from underpaint.types import LoraInfo
from underpaint.v1 import job_service_pb2 as pb
from underpaint.v1 import model_service_pb2

TEXT_WIDTH = 1280
"""What the U-Net of `write_model` reads."""
LAYER = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k"


def write_lora(path: Path, width: int = TEXT_WIDTH, **metadata: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    shapes = {f"{LAYER}.lora_down.weight": (8, width), f"{LAYER}.lora_up.weight": (320, 8)}
    return write_weights(path, shapes, metadata=metadata)


def index_of(root: Path) -> tuple[ModelIndex, LoraIndex]:
    models = ModelIndex([root], load_plugins=partial(Plugins, installed_models=False))
    return models, LoraIndex(models)


async def test_loras_are_listed_with_what_their_headers_say_and_paint_nothing_themselves(
    tmp_path: Path,
) -> None:
    write_model(tmp_path, "tiny")
    said = {"modelspec.title": "Ink wash", "modelspec.trigger_phrase": "inkwash", "modelspec.license": "CC0"}
    path = write_lora(tmp_path / "styles" / "ink.safetensors", **said)
    write_lora(tmp_path / "other.safetensors", 768)
    (tmp_path / "broken.safetensors").write_bytes(b"\x10" + b"\0" * 30)
    models, loras = index_of(tmp_path)
    other, ink = await loras.all()
    tiny = await models.find("tiny")
    assert (fits(ink, tiny), fits(other, tiny)) == (True, False)
    assert to_lora_info(ink, [tiny]) == LoraInfo(
        name="styles/ink",
        title="Ink wash",
        family="sdxl-refiner",
        path=str(path),
        models=("tiny",),
        trigger="inkwash",
        size_bytes=path.stat().st_size,
        license="CC0",
    )
    with pytest.raises(ModelUnusable, match="of the kind lora, which paints nothing by itself"):
        await models.find("lora:styles/ink")


async def test_a_name_is_a_path_its_last_part_alone_or_absolute(tmp_path: Path) -> None:
    root = tmp_path / "root"
    for name in ("styles/ink", "styles/wash", "old/wash"):
        write_lora(root / f"{name}.safetensors")
    elsewhere = write_lora(tmp_path / "elsewhere" / "far.safetensors")
    _, loras = index_of(root)
    for name in ("styles/ink", "ink", "lora:styles/ink", "ink.safetensors"):
        assert (await loras.find(name)).name == "styles/ink"
    assert (await loras.find(str(elsewhere))).path == elsewhere
    for name, said in (
        ("inc", "Near ones: ink"),
        ("wash", "Several have this file name.*old/wash, styles/wash"),
        ("quite else", "There are: old/wash, styles/ink, styles/wash"),
        ("../elsewhere/far", "There is no LoRA"),
        (str(tmp_path / "nobody.safetensors"), "No such file"),
    ):
        with pytest.raises(ModelNotFound, match=said):
            await loras.find(name)


async def test_what_is_no_lora_is_refused_when_it_is_named(tmp_path: Path) -> None:
    vae = write_weights(tmp_path / "soft.safetensors", {"decoder.conv_in.weight": (512, 4, 3, 3)})
    (tmp_path / "old.pt").write_bytes(b"\x80\x02")
    _, loras = index_of(tmp_path)
    with pytest.raises(ModelUnusable, match="is no LoRA"):
        await loras.find(str(vae))
    with pytest.raises(ModelUnusable, match="files are pickles"):
        await loras.find(str(tmp_path / "old.pt"))


async def test_a_lora_that_does_not_tell_its_base_is_taken_at_its_familys_word(tmp_path: Path) -> None:
    write_model(tmp_path, "tiny")
    layer = "lora_te_text_model_encoder_layers_0_mlp_fc1"
    for name, width in (("text15", 768), ("text2", 1024)):
        shapes = {f"{layer}.lora_down.weight": (8, width), f"{layer}.lora_up.weight": (3072, 8)}
        write_weights(tmp_path / f"{name}.safetensors", shapes)
    models, loras = index_of(tmp_path)
    tiny = await models.find("tiny")
    assert [(one.name, fits(one, tiny)) for one in await loras.all()] == [("text15", True), ("text2", False)]


@pytest.fixture(scope="module")
def loras_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    home = Home(tmp_path_factory.mktemp("home"))
    write_model(home.models, "tiny")
    write_lora(home.models / "styles" / "ink.safetensors")
    write_lora(home.models / "wash.safetensors")
    write_lora(home.models / "foreign.safetensors", 768)
    with home.daemon():
        yield home


@pytest.fixture
async def caller(loras_home: Home) -> AsyncIterator[Caller]:
    caller = connect(loras_home)
    yield caller
    await caller.channel.close()


def spec(prompt: str = "", *loras: pb.Lora, **fields: object) -> pb.JobSpec:
    return pb.JobSpec(prompt=prompt, loras=loras, text_to_image=pb.TextToImage(), **fields)


def told(job: pb.Job) -> list[tuple[str, float, float]]:
    return [(one.name, one.strength, one.text_encoder_strength) for one in job.resolved.loras]


async def test_loras_of_the_list_and_of_the_prompt_are_completed_and_reach_the_worker(
    caller: Caller, loras_home: Home
) -> None:
    asked = spec("a wall <lora:ink:0.8>, old", pb.Lora(name="wash", strength=0.5, text_encoder_strength=0.0))
    job = await caller.submit(spec=asked)
    assert job.resolved.prompt == "a wall, old"
    assert told(job) == [("wash", 0.5, 0.0), ("styles/ink", 0.8, 0.8)]
    done = await caller.finish(job.name)
    assert done.state == pb.JOB_STATE_SUCCEEDED, done.error
    folder = loras_home.models
    assert list(done.notes)[1:] == [
        f"lora wash at {folder / 'wash.safetensors'}",
        f"lora styles/ink at {folder / 'styles' / 'ink.safetensors'}",
    ]
    # What was resolved means the same when it is asked for again.
    again = await caller.submit(spec=done.resolved)
    assert (again.resolved.prompt, told(again)) == (job.resolved.prompt, told(job))


async def with_region(caller: Caller, given: pb.JobSpec, region: pb.Region) -> pb.JobSpec:
    region.mask.blob = await caller.upload(mask_layout(64, 64), b"\xff" * (64 * 64))
    given.regions.append(region)
    return given


async def test_loras_in_a_regions_prompt_are_the_regions_own(caller: Caller, loras_home: Home) -> None:
    region = pb.Region(
        prompt="moss <lora:ink:0.8>, wet <lora:wash>", loras=[pb.Lora(name="ink", strength=-0.5)]
    )
    asked = await with_region(caller, spec("a wall <lora:wash:0.2>"), region)
    job = await caller.submit(spec=asked)
    (found,) = job.resolved.regions
    assert (job.resolved.prompt, found.prompt) == ("a wall", "moss, wet")
    assert told(job) == [("wash", 0.2, 0.2)]
    theirs = [(one.name, one.strength, one.text_encoder_strength) for one in found.loras]
    assert theirs == [
        ("styles/ink", pytest.approx(0.3), pytest.approx(0.3)),
        ("wash", 1.0, 1.0),
    ]
    done = await caller.finish(job.name)
    assert done.state == pb.JOB_STATE_SUCCEEDED, done.error
    folder = loras_home.models
    # Each file once: the picture's first, then what its region alone wears.
    assert [note for note in done.notes if note.startswith("lora ")] == [
        f"lora wash at {folder / 'wash.safetensors'}",
        f"lora styles/ink at {folder / 'styles' / 'ink.safetensors'}",
    ]


async def test_a_regions_wildcard_chooses_its_loras_by_its_own_place(caller: Caller) -> None:
    chosen = set()
    for seed in range(8):
        prompt = "{<lora:ink:1> a|<lora:wash:1> b} wall"
        asked = await with_region(caller, spec(prompt, seed=seed), pb.Region(prompt=prompt))
        job = await caller.submit(spec=asked)
        (found,) = job.resolved.regions
        assert (found.prompt, found.loras[0].name) in (("a wall", "styles/ink"), ("b wall", "wash"))
        chosen.add(found.prompt == job.resolved.prompt)
    assert chosen == {False, True}


@pytest.mark.parametrize(
    ("region", "field", "said"),
    [
        (pb.Region(prompt="<lora:foreign:1>"), "spec.regions[0].prompt", "does not fit the model 'tiny'"),
        (pb.Region(loras=[pb.Lora(name="foreign")]), "spec.regions[0].loras[0].name", "width 768, not for"),
        (pb.Region(prompt="<lora:ink:40>"), "spec.regions[0].prompt", "-10 to 10"),
        (pb.Region(negative_prompt="<lora:ink>"), "spec.regions[0].negative_prompt", "name it in prompt"),
        (pb.Region(prompt="<lora:ink:1>" * 17), "spec.regions[0].prompt", "may hold 16 LoRAs"),
    ],
)
async def test_what_is_wrong_with_a_regions_lora_is_named(
    caller: Caller, region: pb.Region, field: str, said: str
) -> None:
    given = pb.Region.FromString(region.SerializeToString())
    with pytest.raises(InvalidRequest, match=said) as caught:
        await caller.submit(spec=await with_region(caller, spec(), given))
    assert [fault.field for fault in caught.value.violations] == [field]


async def test_one_named_twice_counts_with_the_sum(caller: Caller) -> None:
    job = await caller.submit(spec=spec("<lora:ink:0.5> x", pb.Lora(name="styles/ink", strength=0.25)))
    assert told(job) == [("styles/ink", 0.75, 0.75)]


async def test_a_wildcard_may_choose_among_loras(caller: Caller) -> None:
    chosen = set()
    for seed in range(12):
        job = await caller.submit(spec=spec("{<lora:ink:1> a|<lora:wash:1> b} wall", seed=seed))
        assert job.resolved.prompt in ("a wall", "b wall")
        chosen.add((job.resolved.prompt[0], told(job)[0][0]))
        assert len(told(job)) == 1
    assert chosen == {("a", "styles/ink"), ("b", "wash")}


@pytest.mark.parametrize(
    ("asked", "field", "said"),
    [
        (
            spec("<lora:foreign:1>"),
            "spec.prompt",
            "does not fit the model 'tiny'.*these fit: styles/ink, wash",
        ),
        (spec("", pb.Lora(name="wash"), pb.Lora(name="foreign")), "spec.loras[1].name", "width 768, not for"),
        (spec("<lora:ink:loud>"), "spec.prompt", "no tag that can be read"),
        (spec("<lora:ink:40>"), "spec.prompt", "-10 to 10"),
        (spec("", negative_prompt="<lora:ink:1>"), "spec.negative_prompt", "name it in prompt"),
    ],
)
async def test_what_is_wrong_with_a_lora_is_named(
    caller: Caller, asked: pb.JobSpec, field: str, said: str
) -> None:
    with pytest.raises(InvalidRequest, match=said) as caught:
        await caller.submit(spec=asked)
    assert [fault.field for fault in caught.value.violations] == [field]


async def test_an_unknown_lora_is_not_found_and_near_ones_are_named(caller: Caller) -> None:
    with pytest.raises(ModelNotFound, match="no LoRA 'wosh'. Near ones: wash"):
        await caller.submit(spec=spec("<lora:wosh:1>"))


async def test_the_list_is_paged_and_says_what_fits(caller: Caller) -> None:
    request = model_service_pb2.ListLorasRequest(page_size=2)
    first = await caller.call(caller.models.ListLoras, request)
    assert [(one.name, list(one.models)) for one in first.loras] == [
        ("foreign", []),
        ("styles/ink", ["tiny"]),
    ]
    request.page_token = first.next_page_token
    rest = await caller.call(caller.models.ListLoras, request)
    assert [one.name for one in rest.loras] == ["wash"] and not rest.next_page_token
