"""FLUX.1 Canny and Depth, which read a control image themselves: same seed, same picture as stock's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from PIL import Image

from tests.tiny_flux import build_tiny_flux
from tests.unit.engine.stock import Case, Ours, disc, distance, photo
from tests.unit.engine.test_control_parity import Steer, run
from tests.unit.engine.test_control_parity import assignment as controlled
from underpaint.engine.family import Assignment
from underpaint.errors import InvalidRequest
from underpaint.weights import kinds
from underpaint.worker_v1.worker_service_pb2 import ControlSource

CASE = Case("txt2img", "flow-match-euler", negative="")
PIPELINES: dict[str, Any] = {
    "txt2img": diffusers.FluxControlPipeline,
    "img2img": diffusers.FluxControlImg2ImgPipeline,
    "inpaint": diffusers.FluxControlInpaintPipeline,
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny_flux(tmp_path_factory.mktemp("shown") / "flux-depth", kind="flux-depth", seed=12)


@pytest.fixture(scope="module")
def ours(model: Path) -> Ours:
    return Ours(model)


def assignment(model: Path, case: Case, picture: int = 5) -> Assignment:
    found = controlled(case, [Steer(model, picture)])
    found.spec.controls[0].role = "depth"
    source = ControlSource(name=model.name, path=str(model), kind=kinds.PIPELINE)
    return replace(found, controls=(source,))


def stock(model: Path, case: Case) -> torch.Tensor:
    pipeline = PIPELINES[case.operation].from_pretrained(model)
    pipeline.set_progress_bar_config(disable=True)
    more: dict[str, Any] = {}
    if case.operation != "txt2img":
        more = {"image": Image.fromarray(photo()), "strength": case.strength}
    if case.operation == "inpaint":
        more["mask_image"] = Image.fromarray(disc(radius=case.mask))
    packed = pipeline(
        prompt=case.prompt,
        control_image=Image.fromarray(photo(seed=5)),
        width=64,
        height=64,
        num_inference_steps=case.steps,
        guidance_scale=case.guidance,
        generator=torch.Generator().manual_seed(case.seed),
        output_type="latent",
        **more,
    ).images
    found: torch.Tensor = pipeline._unpack_latents(packed, 64, 64, pipeline.vae_scale_factor)
    return found


@pytest.mark.parametrize(
    ("operation", "strength"),
    [("txt2img", 1.0), ("img2img", 0.7), ("img2img", 1.0), ("inpaint", 0.7), ("inpaint", 1.0)],
)
def test_latents_are_those_of_the_stock_pipeline(
    model: Path, ours: Ours, operation: str, strength: float
) -> None:
    case = CASE.but(operation=operation, strength=strength)
    reference = stock(model, case)

    def latents(case: Case, picture: int = 5) -> torch.Tensor:
        found = run(ours, assignment(model, case, picture)).current.latents
        assert found is not None
        return found

    assert distance(latents(case), reference) <= 1e-5
    assert distance(latents(case, picture=9), reference) >= 1e-2
    others = [case.but(prompt="green moss"), case.but(seed=2), case.but(guidance=20.0)]
    if operation == "inpaint":
        others.append(case.but(mask=12.0))
    for changed in others:
        assert distance(latents(changed), reference) >= 1e-2, changed


def test_without_its_image_the_job_is_refused_with_the_role(ours: Ours) -> None:
    with pytest.raises(InvalidRequest, match="must hold one 'depth' image"):
        ours.prepare(CASE)
