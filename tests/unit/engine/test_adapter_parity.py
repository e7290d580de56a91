"""With T2I adapters: same seed, same picture as the stock pipelines; and what masks and shares do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.tiny_models import build_tiny, build_tiny_adapter, build_tiny_control, build_tiny_reference
from tests.unit.engine.stepping import counted_and_equal, run_together
from tests.unit.engine.stock import STOCK_SCHEDULERS, Case, Ours, distance, family_of, photo
from tests.unit.engine.test_control_parity import Steer, run
from tests.unit.engine.test_control_parity import assignment as controlled
from tests.unit.engine.test_reference_parity import Look
from tests.unit.engine.test_reference_parity import assignment as looking
from underpaint.engine.controls.plan import PlannedControl
from underpaint.engine.family import Assignment
from underpaint.geometry import Size
from underpaint.types import Tiling
from underpaint.weights import kinds

TOLERANCE = 1e-5
SENSITIVITY = 1e-2
CASE = Case("txt2img")


class Grey(Steer):
    """One whose picture has no colours."""

    def pixels(self) -> np.ndarray:
        return np.repeat(super().pixels()[..., :1], 3, axis=2)


def assignment(
    case: Case, steers: Sequence[Steer], looks: Sequence[Look] = (), job: str = "jobs/1"
) -> Assignment:
    """A case with controls, those of whose folders are called so being adapters, and then references."""
    found = looking(case, looks, steers, job)
    for source in found.controls:
        if "adapter" in source.name:
            source.kind = kinds.T2I_ADAPTER
    return found


def latents(ours: Ours, case: Case, steers: Sequence[Steer], looks: Sequence[Look] = ()) -> torch.Tensor:
    found = run(ours, assignment(case, steers, looks)).current.latents
    assert found is not None
    return found


@lru_cache(None)
def _adapter(folder: Path) -> Any:
    return diffusers.T2IAdapter.from_pretrained(folder)


def stock(model: Path, case: Case, steers: Sequence[Steer]) -> torch.Tensor:
    """The last latents of the stock pipeline."""
    adapters = [_adapter(one.net) for one in steers]
    several = len(adapters) > 1
    family = family_of(model)
    kind: Any = diffusers.StableDiffusionAdapterPipeline
    more: dict[str, Any] = {}
    if family == "sdxl":
        kind, more = diffusers.StableDiffusionXLAdapterPipeline, {"add_watermarker": False}
    joined = diffusers.MultiAdapter(adapters) if several else adapters[0]
    pipeline = kind.from_pretrained(model, adapter=joined, **more)
    pipeline.set_progress_bar_config(disable=True)
    scheduler, overrides = STOCK_SCHEDULERS[case.scheduler]
    pipeline.scheduler = scheduler.from_config(pipeline.scheduler.config, **overrides)
    shown = [Image.fromarray(one.pixels()) for one in steers]
    if adapters[0].config.in_channels == 1:
        shown = [one.convert("L") for one in shown]
    asked = {"adapter_conditioning_factor": steers[0].end} if family == "sdxl" else {}
    found: torch.Tensor = pipeline(
        case.prompt,
        negative_prompt=case.negative,
        image=shown if several else shown[0],
        width=64,
        height=64,
        num_inference_steps=case.steps,
        guidance_scale=case.guidance,
        generator=torch.Generator().manual_seed(case.seed),
        adapter_conditioning_scale=[one.strength for one in steers] if several else steers[0].strength,
        output_type="latent",
        **asked,
    ).images
    return found


@pytest.fixture(scope="module")
def places(models: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Models, two adapters for each, and what goes with them."""
    root = tmp_path_factory.mktemp("adapters")
    return {
        "sdxl": models / "sdxl",
        "plain": models / "plain",
        "first": build_tiny(root / "first", seed=9, attention_first=True),
        "xl-a": build_tiny_adapter(root / "adapter-xl-a"),
        "xl-b": build_tiny_adapter(root / "adapter-xl-b", seed=1),
        "a": build_tiny_adapter(root / "adapter-a", xl=False, seed=2),
        "b": build_tiny_adapter(root / "adapter-b", xl=False, seed=3),
        "grey": build_tiny_adapter(root / "adapter-grey", xl=False, seed=4, colors=1),
        "net": build_tiny_control(root / "net"),
        "reference": build_tiny_reference(root / "reference.safetensors"),
    }


@pytest.fixture(scope="module")
def engine() -> Callable[[Path], Ours]:
    return lru_cache(None)(Ours)


def two(places: dict[str, Path], model: str) -> tuple[Path, Path]:
    names = ("a", "b") if model == "first" else ("xl-a", "xl-b")
    return places[names[0]], places[names[1]]


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize(
    ("model", "scheduler"), [("first", "ddim"), ("first", "heun"), ("plain", "ddim"), ("sdxl", "euler")]
)
def test_latents_are_those_of_the_stock_adapter_pipeline(
    places: dict[str, Path], engine: Callable[[Path], Ours], model: str, scheduler: str, count: int
) -> None:
    a, b = two(places, model)
    ours, case = engine(places[model]), CASE.but(scheduler=scheduler)
    steers = [Steer(a, 5, 0.8), Steer(b, 6, 0.3)][:count]
    reference = stock(places[model], case, steers)
    assert distance(latents(ours, case, steers), reference) <= TOLERANCE

    first, rest = steers[0], steers[1:]
    for other in (
        rest,
        [replace(first, picture=9), *rest],
        [replace(first, strength=1.6), *rest],
        [replace(first, net=b), *rest],
    ):
        assert distance(latents(ours, case, other), reference) >= SENSITIVITY, other
    for changed in (case.but(prompt="green moss"), case.but(seed=2), case.but(guidance=20.0)):
        assert distance(latents(ours, changed, steers), reference) >= SENSITIVITY, changed


def test_without_guidance_and_with_a_grey_picture_it_agrees_too(
    places: dict[str, Path], engine: Callable[[Path], Ours]
) -> None:
    for case, steers in ((CASE.but(guidance=1.0), [Steer(places["a"])]), (CASE, [Grey(places["grey"])])):
        found = latents(engine(places["first"]), case, steers)
        assert distance(found, stock(places["first"], case, steers)) <= TOLERANCE
        assert distance(found, latents(engine(places["first"]), case, [])) >= SENSITIVITY


@pytest.mark.parametrize("end", [0.25, 0.5, 0.7])
def test_the_end_is_the_factor_of_the_stock_pipeline(
    places: dict[str, Path], engine: Callable[[Path], Ours], end: float
) -> None:
    steers = [Steer(places["xl-a"], 5, end=end)]
    reference = stock(places["sdxl"], CASE, steers)
    assert distance(latents(engine(places["sdxl"]), CASE, steers), reference) <= TOLERANCE
    whole = [replace(steers[0], end=1.0)]
    assert distance(latents(engine(places["sdxl"]), CASE, whole), reference) >= SENSITIVITY


@pytest.mark.parametrize(("start", "end", "steered"), [(0.0, 0.5, [0, 1]), (0.5, 1.0, [2, 3])])
def test_latents_change_only_from_the_first_step_that_counts_on(
    places: dict[str, Path],
    engine: Callable[[Path], Ours],
    start: float,
    end: float,
    steered: list[int],
) -> None:
    given = assignment(CASE, [Steer(places["a"], start=start, end=end)])
    counted, equal = counted_and_equal(engine(places["first"]), given, assignment(CASE, []))
    assert counted == steered
    assert equal == [index < steered[0] for index in range(4)]


@given(left=st.integers(0, 8), width=st.integers(0, 8), top=st.integers(0, 8), strength=st.floats(0.0, 2.0))
@settings(max_examples=20, deadline=None)
def test_a_mask_weighs_what_an_adapter_says(
    places: dict[str, Path],
    engine: Callable[[Path], Ours],
    left: int,
    width: int,
    top: int,
    strength: float,
) -> None:
    size = Size(64, 64)
    mask = np.zeros((64, 64), np.float32)
    mask[8 * top :, 8 * left : 8 * (left + width)] = 1.0
    pictures = {size: photo(seed=5).astype(np.float32) / 255}
    free = PlannedControl(places["a"], pictures, None, 1.0, 0.0, 1.0)
    where = replace(free, masks={size: mask}, strength=strength)

    @torch.inference_mode()
    def blocks(*jobs: PlannedControl) -> list[torch.Tensor]:
        adapters = engine(places["first"]).family._controls.adapters
        found = adapters.features([[one] for one in jobs], size, Tiling.NONE, rows=2)
        features: list[torch.Tensor] = found["down_intrablock_additional_residuals"]
        return features

    for found, whole in zip(blocks(where, free), blocks(free, free), strict=True):
        cells = torch.nn.functional.interpolate(
            torch.from_numpy(mask)[None, None], found.shape[2:], mode="area"
        )
        assert torch.allclose(found[0], whole[0] * cells[0] * strength, atol=1e-5)
        assert torch.equal(found[0], found[2]) and torch.equal(found[1], whole[1])


def test_beside_a_control_net_and_a_reference_each_has_its_say(
    places: dict[str, Path], engine: Callable[[Path], Ours]
) -> None:
    ours = engine(places["plain"])
    steers, looks = [Steer(places["xl-a"], 5, 0.4), Steer(places["net"], 6, 0.5)], [Look(places["reference"])]
    together = latents(ours, CASE, steers, looks)
    assert distance(latents(ours, CASE, steers[:1], looks), together) >= SENSITIVITY
    assert distance(latents(ours, CASE, steers[1:], looks), together) >= SENSITIVITY
    assert distance(latents(ours, CASE, steers), together) >= SENSITIVITY
    # The order of kinds is nothing that a picture shows.
    assert distance(latents(ours, CASE, steers[::-1], looks), together) <= TOLERANCE


def test_jobs_with_adapters_in_one_batch_equal_the_same_jobs_alone(
    places: dict[str, Path], engine: Callable[[Path], Ours]
) -> None:
    ours = engine(places["first"])
    jobs = [
        assignment(CASE, [Steer(places["a"], 5, 0.7)], job="jobs/0"),
        assignment(CASE.but(seed=4, scheduler="euler"), [Steer(places["a"], 8, 0.4)], job="jobs/1"),
        assignment(CASE.but(seed=2), [Steer(places["b"], 6)], job="jobs/2"),
        controlled(CASE.but(seed=3), [], "jobs/3"),
    ]
    alone = [run(ours, job).current.latents for job in jobs]
    tasks = [ours.family.prepare(job) for job in jobs]
    shared = run_together(ours, tasks)
    for task, single in zip(tasks, alone, strict=True):
        assert task.current.latents is not None and single is not None
        assert distance(task.current.latents, single) <= 5e-5
    assert frozenset({0, 1}) in shared and frozenset({2}) in shared


@pytest.mark.parametrize(("model", "adapter"), [("first", "a"), ("sdxl", "xl-a")])
def test_sizes_that_are_no_multiple_of_an_adapters_cell_are_steered_too(
    places: dict[str, Path], engine: Callable[[Path], Ours], model: str, adapter: str
) -> None:
    case, steers = CASE.but(width=72, height=56), [Steer(places[adapter])]
    ours = engine(places[model])
    assert distance(latents(ours, case, steers), latents(ours, case, [])) >= SENSITIVITY


def test_one_safetensors_file_is_the_same_adapter_as_its_folder(
    places: dict[str, Path], engine: Callable[[Path], Ours], tmp_path: Path
) -> None:
    file = tmp_path / "adapter.safetensors"
    file.write_bytes((places["a"] / "diffusion_pytorch_model.safetensors").read_bytes())
    ours = engine(places["first"])
    assert torch.equal(latents(ours, CASE, [Steer(file)]), latents(ours, CASE, [Steer(places["a"])]))
