"""Presets and the parameters of schedulers on their way through a real daemon with a scripted worker."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.unit.daemon.harness import Caller, Home, connect, write_model
from tests.unit.daemon.test_loras import write_lora
from underpaint.daemon.loras import is_called
from underpaint.engine.families import presets
from underpaint.engine.families.scheduler_names import FLOW_SCHEDULERS, SCHEDULERS
from underpaint.engine.families.scheduler_parameters import described
from underpaint.errors import InvalidRequest
from underpaint.hookspecs import Preset
from underpaint.v1 import job_service_pb2 as pb
from underpaint.v1 import model_service_pb2


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    home = Home(tmp_path_factory.mktemp("home"))
    write_model(home.models, "tiny")
    write_model(home.models, "dreamy-lcm-sd15")
    write_lora(home.models / "few" / "lcm-lora-sdv1-5.safetensors")
    write_lora(home.models / "few" / "Hyper-SD15-4steps-lora.safetensors", 768)
    with home.daemon():
        yield home


@pytest.fixture
async def caller(home: Home) -> AsyncIterator[Caller]:
    caller = connect(home)
    yield caller
    await caller.channel.close()


def spec(**fields: object) -> pb.JobSpec:
    return pb.JobSpec(text_to_image=pb.TextToImage(), **fields)


async def test_a_preset_becomes_plain_values_and_the_lora_that_it_needs(caller: Caller) -> None:
    resolved = (await caller.submit(spec=spec(preset="lcm"))).resolved
    assert (resolved.scheduler, resolved.steps, resolved.guidance_scale) == ("lcm", 4, 1.0)
    assert [(one.name, one.strength) for one in resolved.loras] == [("few/lcm-lora-sdv1-5", 1.0)]
    assert not resolved.preset
    assert (await caller.submit(spec=resolved)).resolved == resolved


async def test_what_a_person_sets_goes_before_the_preset(caller: Caller) -> None:
    own = pb.Lora(name="lcm-lora-sdv1-5", strength=0.5)
    asked = spec(preset="lcm", steps=7, guidance_scale=1.5, scheduler="ddim", loras=[own])
    resolved = (await caller.submit(spec=asked)).resolved
    assert (resolved.scheduler, resolved.steps, resolved.guidance_scale) == ("ddim", 7, 1.5)
    assert [(one.name, one.strength) for one in resolved.loras] == [("few/lcm-lora-sdv1-5", 0.5)]


async def test_a_model_that_is_made_so_needs_no_lora(caller: Caller) -> None:
    resolved = (await caller.submit(spec=spec(preset="lcm", model="dreamy-lcm-sd15"))).resolved
    assert resolved.scheduler == "lcm" and not resolved.loras


@pytest.mark.parametrize(
    ("asked", "field", "said"),
    [
        ({"preset": "hyper-8"}, "spec.preset", "Hyper-SD15-8steps-lora.safetensors of ByteDance/Hyper-SD"),
        # There is a file of that name, but for another model.
        ({"preset": "hyper-4"}, "spec.preset", "needs a LoRA that is not there"),
        ({"preset": "magic"}, "spec.preset", "'magic' is none of the presets.*: lcm, hyper-4, hyper-8"),
        ({"scheduler": "magic"}, "spec.scheduler", "is none of ddim"),
        ({"scheduler_parameters": {"eta": 1.5}}, "spec.scheduler_parameters.eta", "0 to 1, got 1.5"),
        ({"scheduler_parameters": {"trailing": 0.5}}, "spec.scheduler_parameters.trailing", "multiple of 1"),
        ({"scheduler_parameters": {"churn": 1}}, "spec.scheduler_parameters.churn", "has: eta, trailing"),
        ({"scheduler_parameters": {"eta": float("nan")}}, "spec.scheduler_parameters.eta", "finite"),
    ],
)
async def test_what_is_wrong_with_a_choice_is_named(
    caller: Caller, asked: dict[str, object], field: str, said: str
) -> None:
    with pytest.raises(InvalidRequest, match=said) as caught:
        await caller.submit(spec=spec(**asked))
    assert [fault.field for fault in caught.value.violations] == [field]


async def test_parameters_reach_the_resolved_request(caller: Caller) -> None:
    resolved = (await caller.submit(spec=spec(scheduler_parameters={"eta": 0.5}))).resolved
    assert dict(resolved.scheduler_parameters) == {"eta": 0.5}


async def test_models_say_which_presets_they_take_and_what_may_be_set(caller: Caller) -> None:
    listed = await caller.call(caller.models.ListModels, model_service_pb2.ListModelsRequest())
    tiny = next(model for model in listed.models if model.name == "tiny")
    told = {one.name: (one.lora, bool(one.problem)) for one in tiny.presets}
    assert told == {"lcm": ("few/lcm-lora-sdv1-5", False), "hyper-4": ("", True), "hyper-8": ("", True)}
    assert [one.name for one in tiny.scheduler_info] == list(tiny.schedulers)
    assert [one.name for one in tiny.scheduler_info[0].parameters] == ["eta", "trailing"]


@pytest.mark.parametrize("preset", [*presets.SD15, *presets.SDXL, *presets.FLUX], ids=lambda one: one.name)
def test_every_preset_sets_what_its_scheduler_has_and_finds_its_own_file(preset: Preset) -> None:
    (info,) = described([preset.scheduler])
    assert set(preset.scheduler_parameters) <= {one.name for one in info.parameters}
    assert preset.scheduler in (*SCHEDULERS, *FLOW_SCHEDULERS) and preset.steps > 0
    if preset.lora is not None and "pytorch" not in preset.lora.file and "diffusion" not in preset.lora.file:
        assert is_called(preset.lora.pattern, preset.lora.file)


@pytest.mark.parametrize(
    ("family", "name", "found"),
    [
        (presets.SD15, "lcm-lora-sdv1-5", "lcm"),
        (presets.SD15, "LCM_LoRA_Weights_SD15", "lcm"),
        (presets.SD15, "Hyper-SD15-8steps-CFG-lora", "hyper-8"),
        (presets.SDXL, "lcm-lora-sdxl", "lcm"),
        (presets.SDXL, "sdxl_lightning_8step_lora", "lightning-8"),
        (presets.SDXL, "Hyper-SDXL-4steps-lora", "hyper-4"),
        (presets.SDXL, "add-detail-xl", None),
        (presets.SD15, "hyperdetailed-18steps", None),
        (presets.FLUX, "FLUX.1-Turbo-Alpha", "turbo-8"),
        (presets.FLUX, "Hyper-FLUX.1-dev-8steps-lora", "hyper-8"),
        (presets.FLUX, "Hyper-FLUX.1-dev-16steps-lora", None),
    ],
)
def test_presets_know_loras_by_the_names_that_people_give(
    family: tuple[Preset, ...], name: str, found: str | None
) -> None:
    known = [one.name for one in family if one.lora is not None and is_called(one.lora.pattern, name)]
    assert known == ([found] if found else [])
