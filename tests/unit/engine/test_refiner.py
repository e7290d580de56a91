"""SDXL's base and refiner after one another, as the stock pipelines do it by hand."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import diffusers
import pytest
import torch
from PIL import Image

from tests.unit.engine.stock import STOCK_SCHEDULERS, Case, Ours, distance, photo
from underpaint.engine.families.sdxl_plugin import recognise
from underpaint.errors import ModelUnusable
from underpaint.hookspecs import ModelTraits
from underpaint.types import StageKind

SHARE = 0.5
"""Of the noise schedule, for the base: `refiner_from` of the tiny model."""


class Pair:
    """The stock pipelines of base and refiner."""

    def __init__(self, models: Path) -> None:
        kinds = (
            ("txt2img", diffusers.StableDiffusionXLPipeline, "sdxl"),
            ("img2img", diffusers.StableDiffusionXLImg2ImgPipeline, "sdxl"),
            ("refiner", diffusers.StableDiffusionXLImg2ImgPipeline, "sdxl-refiner"),
        )
        self.pipelines = {
            name: kind.from_pretrained(models / model, add_watermarker=False) for name, kind, model in kinds
        }
        self.config = self.pipelines["txt2img"].scheduler.config

    def latents(self, case: Case) -> torch.Tensor:
        """The base up to `SHARE`, the refiner from there on, with one generator."""
        kind, overrides = STOCK_SCHEDULERS[case.scheduler]
        base, refiner = self.pipelines[case.operation], self.pipelines["refiner"]
        for pipeline in (base, refiner):
            pipeline.set_progress_bar_config(disable=True)
            pipeline.scheduler = kind.from_config(self.config, **overrides)
        given = {
            "prompt": case.prompt,
            "negative_prompt": case.negative or None,
            "num_inference_steps": case.steps,
            "guidance_scale": case.guidance,
            "generator": torch.Generator().manual_seed(case.seed),
            "output_type": "latent",
        }
        start = {"width": case.width, "height": case.height}
        if case.operation == "img2img":
            start = {"image": Image.fromarray(photo()), "strength": case.strength}
        half = base(**given, **start, denoising_end=SHARE).images
        made: torch.Tensor = refiner(**given, image=half, denoising_start=SHARE).images
        return made


@pytest.fixture(scope="module")
def pair(models: Path) -> Pair:
    return Pair(models)


@pytest.fixture(scope="module")
def ours(models: Path) -> Ours:
    return Ours(models / "sdxl-refined")


@pytest.fixture
def base(models: Path, tmp_path: Path) -> Path:
    shutil.copytree(models / "sdxl-refiner", tmp_path / "sdxl-refiner")
    return Path(shutil.copytree(models / "sdxl-refined", tmp_path / "base"))


def look(folder: Path, **notes: object) -> ModelTraits | None:
    path = folder / "underpaint.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **notes}))
    return recognise(folder, json.loads((folder / "model_index.json").read_text()))


# Heun aside: there the stock pair does one step twice. tests/unit/engine/test_schedulers.py has its property.
@pytest.mark.parametrize("scheduler", [name for name in STOCK_SCHEDULERS if name != "heun"])
@pytest.mark.parametrize("operation", ["txt2img", "img2img"])
def test_base_and_refiner_make_what_the_stock_pair_makes(
    ours: Ours, pair: Pair, operation: str, scheduler: str
) -> None:
    case = Case(operation, scheduler, steps=6)
    reference = pair.latents(case)
    assert distance(ours.latents(case), reference) <= 1e-5
    others = [case.but(prompt="green moss"), case.but(guidance=9.0), case.but(seed=2)]
    for other, moved in zip(others, ours.together(others), strict=True):
        assert distance(moved, reference) >= 1e-2, other


@pytest.mark.parametrize("scheduler", ["euler", "heun"])
def test_the_refiner_takes_over_at_its_share_of_the_steps(ours: Ours, models: Path, scheduler: str) -> None:
    case = Case("txt2img", scheduler, steps=6)
    task = ours.prepare(case)
    denoising = next(stage for stage in task.plan if stage.kind is StageKind.DENOISING)
    assert denoising.steps == (11 if scheduler == "heun" else 6)
    turns = []
    while not task.ready_to_finish:
        if task.plan[task.stage_index].kind is StageKind.DENOISING:
            turns.append(task.current.refined)
        ours.family.step([task])
    assert turns == sorted(turns) and turns.count(True) == (9 if scheduler == "heun" else 4)
    assert task.denoiser_calls == denoising.steps
    assert task.current.latents is not None
    alone = Ours(models / "sdxl").latents(case)
    assert distance(task.current.latents, alone) >= 1e-2


def test_a_faint_change_of_a_picture_is_the_refiners_alone(ours: Ours, models: Path, base: Path) -> None:
    case = Case("img2img", "euler", steps=10, strength=0.3)
    task = ours.run(case)
    assert task.current.refined and task.current.sampler.done == 3 and task.current.latents is not None
    refiner = base.parent / "sdxl-refiner"
    shutil.copytree(models / "sdxl" / "vae", refiner / "vae", dirs_exist_ok=True)
    alone = Ours(refiner).latents(case)
    assert distance(task.current.latents, alone) <= 1e-5


def test_inpainting_is_the_bases_alone(ours: Ours, models: Path) -> None:
    case = Case("inpaint", "euler")
    assert torch.equal(ours.latents(case), Ours(models / "sdxl").latents(case))


def test_jobs_before_and_behind_the_share_take_no_step_together(ours: Ours) -> None:
    cases = [Case("txt2img", "euler", steps=6), Case("img2img", "euler", steps=6, strength=0.3)]
    alone = [ours.latents(case) for case in cases]
    together = ours.together(cases)
    assert all(distance(one, other) <= 5e-5 for one, other in zip(together, alone, strict=True))


def test_loading_brings_both_into_memory_and_names_both_weights(models: Path) -> None:
    engine = Ours(models / "sdxl-refined")
    assert not engine.family.loaded
    engine.family.load()
    assert engine.family.loaded
    names = set(engine.family.weights())
    assert {"unet/diffusion_pytorch_model.safetensors", "text_encoder/model.safetensors"} <= names
    assert {
        "refiner/unet/diffusion_pytorch_model.safetensors",
        "refiner/text_encoder_2/model.safetensors",
    } <= names


def test_the_refiners_folders_are_components_of_the_base(base: Path) -> None:
    traits = look(base)
    assert traits is not None
    assert traits.components["refiner_unet"] == base.parent / "sdxl-refiner" / "unet"
    assert traits.operations == ("txt2img", "img2img", "inpaint")


@pytest.mark.parametrize(
    ("notes", "said"),
    [
        ({"refiner": "../nobody"}, "no model beside it"),
        ({"refiner": "../../elsewhere"}, "no model beside it"),
        ({"refiner": "/etc"}, "no model beside it"),
        ({"refiner": "../base"}, "no SDXL refiner"),
        ({"refiner_from": 1.0}, "between 0 and 1"),
        ({"refiner_from": "late"}, "between 0 and 1"),
        ({"refiner_from": True}, "between 0 and 1"),
    ],
)
def test_a_refiner_that_cannot_be_is_refused_by_name(base: Path, notes: dict[str, object], said: str) -> None:
    with pytest.raises(ModelUnusable, match=said) as caught:
        look(base, **notes)
    assert caught.value.metadata["model"] == "base"
