"""With LoRAs, the pictures of the stock pipelines; without them, those of a model that never saw one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
import transformers.integrations.peft
from safetensors.torch import save_file

from tests.tiny_loras import Naming, write_lora
from tests.unit.engine.stock import Case, Ours, Stock, distance
from underpaint.engine.diffusion.job import DiffusionTask
from underpaint.engine.family import Assignment
from underpaint.worker_v1.worker_service_pb2 import LoraSource

TOLERANCE = 1e-5
SENSITIVITY = 1e-2


@dataclass(frozen=True)
class Worn:
    """A LoRA and its strengths."""

    path: Path
    strength: float = 1.0
    text: float | None = None


@pytest.fixture(scope="module", autouse=True)
def any_peft() -> Iterator[None]:
    """transformers asks for a peft newer than any; what the stock pipelines use of it was there before."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transformers.integrations.peft, "check_peft_version", lambda **_: None)
        yield


def planned(ours: Ours, case: Case, worn: Sequence[Worn], job: str = "jobs/1") -> DiffusionTask:
    return ours.family.prepare(wearing(case, worn, job))


def wearing(case: Case, worn: Sequence[Worn], job: str = "jobs/1") -> Assignment:
    """A case with LoRAs, as a family gets it."""
    spec = case.spec()
    for lora in worn:
        spec.loras.add(name=lora.path.stem, strength=lora.strength, text_encoder_strength=lora.text)
    sources = tuple(LoraSource(name=lora.path.stem, path=str(lora.path)) for lora in worn)
    return Assignment(job, spec, case.inputs(), loras=sources)


def latents(ours: Ours, case: Case, *worn: Worn) -> torch.Tensor:
    task = planned(ours, case, worn)
    while not task.ready_to_finish:
        ours.family.step([task])
    assert task.current.latents is not None
    return task.current.latents


def stock_latents(stock: Stock, case: Case, *worn: Worn) -> torch.Tensor:
    pipeline = stock.pipeline
    for index, lora in enumerate(worn):
        pipeline.load_lora_weights(str(lora.path), adapter_name=f"lora{index}")
    weights = []
    for lora in worn:
        text = lora.strength if lora.text is None else lora.text
        both = {"unet": lora.strength, "text_encoder": text, "text_encoder_2": text}
        weights.append({part: both[part] for part in both if getattr(pipeline, part, None) is not None})
    pipeline.set_adapters([f"lora{index}" for index in range(len(worn))], weights)
    try:
        return stock.both(case)[0]
    finally:
        pipeline.unload_lora_weights()


@pytest.mark.parametrize("naming", ["kohya", "diffusers", "diffusers-old", "peft"])
@pytest.mark.parametrize(("model", "operation"), [("plain", "txt2img"), ("sdxl", "img2img")])
def test_one_lora_and_two_at_once_paint_as_in_the_stock_pipeline(
    models: Path, tmp_path: Path, model: str, operation: str, naming: Naming
) -> None:
    one = write_lora(tmp_path / "one.safetensors", models / model, naming=naming)
    two = write_lora(tmp_path / "two.safetensors", models / model, naming=naming, seed=1, alpha=4.5)
    ours, stock = Ours(models / model), Stock(models / model, operation)
    case = Case(operation, "ddim", steps=3)
    without = latents(ours, case)
    for worn in ((Worn(one, 0.8),), (Worn(one, 0.7, 0.2), Worn(two, -0.5))):
        painted = latents(ours, case, *worn)
        assert distance(painted, stock_latents(stock, case, *worn)) <= TOLERANCE
        assert distance(painted, without) >= SENSITIVITY
    assert distance(latents(ours, case, Worn(one, 0.4)), latents(ours, case, Worn(one, 0.8))) >= SENSITIVITY
    assert distance(latents(ours, case), without) == 0.0


def test_blocks_numbered_as_in_the_original_checkpoints_are_the_same_layers(
    models: Path, tmp_path: Path
) -> None:
    layers = {
        "input_blocks_3_1": "down_blocks_1_attentions_0",
        "middle_block_1": "mid_block_attentions_0",
        "output_blocks_1_1": "up_blocks_0_attentions_1",
    }
    generator = torch.Generator().manual_seed(5)
    original, converted = {}, {}
    for theirs, ours_is in layers.items():
        down, up = (torch.randn(*size, generator=generator) for size in ((2, 32), (32, 2)))
        for state, block in ((original, theirs), (converted, ours_is)):
            name = f"lora_unet_{block}_transformer_blocks_0_attn1_to_q"
            state |= {f"{name}.lora_down.weight": down, f"{name}.lora_up.weight": up}
    for name, state in (("original", original), ("converted", converted)):
        save_file(state, tmp_path / f"{name}.safetensors")
    ours, case = Ours(models / "sdxl"), Case("txt2img", "euler", steps=2)
    painted = latents(ours, case, Worn(tmp_path / "original.safetensors"))
    assert distance(painted, latents(ours, case, Worn(tmp_path / "converted.safetensors"))) == 0.0
    assert distance(painted, latents(ours, case)) >= SENSITIVITY
