"""FLUX.1's IP-Adapters: same seed, same picture as the stock pipelines; masks; nothing stays behind."""

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
from PIL import Image

from tests.tiny_flux import build_tiny_flux, build_tiny_flux_control, build_tiny_flux_reference
from tests.unit.engine.flux_looks import Look, assignment, latents, made
from tests.unit.engine.flux_stock import FluxStock
from tests.unit.engine.stepping import counted_and_equal, run_together
from tests.unit.engine.stock import Case, Ours, disc, distance
from tests.unit.engine.test_flux_control_parity import Net
from underpaint.engine.flux.describe_reference import describe_flux_reference
from underpaint.types import StageKind
from underpaint.weights import kinds

TOLERANCE = 1e-5
SENSITIVITY = 1e-2
CASE = Case("txt2img", "flow-match-euler", negative="")
BLACK = np.zeros((64, 64, 3), np.uint8)


def stock(model: Path, case: Case, looks: Sequence[Look], net: Net | None = None) -> torch.Tensor:
    """The last latents of the stock pipeline with its IP-Adapters, unpacked."""
    found = _stock(model, case.operation)
    more: dict[str, Any] = {"ip_adapter_image": [Image.fromarray(one.pixels()) for one in looks]}
    # The stock pipelines' own default, which some of them forget to repeat for each adapter.
    more["negative_ip_adapter_image"] = [BLACK] * len(looks)
    plain = found.pipeline
    if net is not None:
        loaded = diffusers.FluxControlNetModel.from_pretrained(net.net)
        found.pipeline = diffusers.FluxControlNetPipeline(**plain.components, controlnet=loaded)
        found.pipeline.set_progress_bar_config(disable=True)
        more["control_image"] = Image.fromarray(net.pixels())
        more["controlnet_conditioning_scale"] = net.strength
    pipeline = found.pipeline
    pipeline.load_ip_adapter(
        [str(one.place.parent) for one in looks],
        weight_name=[one.place.name for one in looks],
        image_encoder_pretrained_model_name_or_path=str(looks[0].encoder),
        image_encoder_dtype=torch.float32,
    )
    pipeline.set_ip_adapter_scale([one.strength for one in looks])
    try:
        return found.both(case, **more)[0]
    finally:
        pipeline.unload_ip_adapter()
        found.pipeline = plain


@lru_cache(None)
def _stock(model: Path, operation: str) -> FluxStock:
    return FluxStock(model, operation)


@pytest.fixture(scope="module")
def adapters(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("references")
    return {
        "a": build_tiny_flux_reference(root / "a.safetensors"),
        "b": build_tiny_flux_reference(root / "b.safetensors", seed=1, xlabs=False),
    }


@pytest.fixture(scope="module")
def engine(models: Path) -> Callable[[str], Ours]:
    return lru_cache(None)(lambda model: Ours(models / model))


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize(
    ("model", "operation"),
    [
        ("flux-dev", "txt2img"),
        ("flux-dev", "img2img"),
        ("flux-dev", "inpaint"),
        ("flux-schnell", "txt2img"),
        ("flux-kontext", "edit"),
        ("flux-kontext", "inpaint"),
    ],
)
def test_latents_are_those_of_the_stock_pipeline_with_its_ip_adapters(
    models: Path,
    adapters: dict[str, Path],
    engine: Callable[[str], Ours],
    model: str,
    operation: str,
    count: int,
) -> None:
    ours, case = engine(model), CASE.but(operation=operation)
    looks = [Look(adapters["a"], 5, 0.8), Look(adapters["b"], 6, 0.5)][:count]
    reference = stock(models / model, case, looks)
    assert distance(latents(ours, case, looks), reference) <= TOLERANCE

    first, rest = looks[0], looks[1:]
    for other in (
        rest,
        [replace(first, picture=9), *rest],
        [replace(first, strength=1.6), *rest],
        [replace(first, mask=disc(radius=12)), *rest],
        [replace(first, place=adapters["b"]), *rest],
    ):
        assert distance(latents(ours, case, other), reference) >= SENSITIVITY, other
    for changed in (case.but(prompt="green moss"), case.but(seed=2)):
        assert distance(latents(ours, changed, looks), reference) >= SENSITIVITY, changed


def test_without_the_prompt_a_black_picture_is_looked_at(
    models: Path, adapters: dict[str, Path], engine: Callable[[str], Ours]
) -> None:
    case, looks = CASE.but(negative="water"), [Look(adapters["a"], 5, 0.8), Look(adapters["b"], 6, 0.5)]
    reference = stock(models / "flux-schnell", case, looks)
    assert distance(latents(engine("flux-schnell"), case, looks), reference) <= TOLERANCE
    assert distance(latents(engine("flux-schnell"), CASE, looks), reference) >= SENSITIVITY


def test_each_block_has_keys_and_values_of_its_own(tmp_path: Path) -> None:
    model = build_tiny_flux(tmp_path / "flux-deep", double_blocks=3)
    looks = [
        Look(build_tiny_flux_reference(tmp_path / f"{seed}.safetensors", seed=seed, blocks=3), seed, 0.7)
        for seed in (2, 3)
    ]
    assert distance(latents(Ours(model), CASE, looks), stock(model, CASE, looks)) <= TOLERANCE


def test_together_with_a_control_net_they_agree_with_its_stock_pipeline(
    models: Path, adapters: dict[str, Path], engine: Callable[[str], Ours], tmp_path: Path
) -> None:
    looks, net = [Look(adapters["a"], 5, 0.8)], Net(build_tiny_flux_control(tmp_path / "net"), 7, 0.6)
    ours, reference = engine("flux-dev"), stock(models / "flux-dev", CASE, looks, net)
    assert distance(latents(ours, CASE, looks, [net]), reference) <= TOLERANCE
    assert distance(latents(ours, CASE, [], [net]), reference) >= SENSITIVITY
    assert distance(latents(ours, CASE, looks), reference) >= SENSITIVITY


@pytest.mark.parametrize(
    ("model", "operation"), [("flux-dev", "txt2img"), ("flux-kontext", "edit"), ("flux-fill", "inpaint")]
)
def test_a_mask_says_which_part_takes_after_the_picture(
    adapters: dict[str, Path], engine: Callable[[str], Ours], model: str, operation: str
) -> None:
    ours = engine(model)
    left = np.zeros((64, 64), np.uint8)
    left[:, :32] = 255
    case = CASE.but(steps=1, operation=operation)
    free = latents(ours, case, [])
    changed = (latents(ours, case, [Look(adapters["a"], mask=left)]) - free).abs()
    assert changed[..., :4].mean() > 3.0 * changed[..., 4:].mean()
    assert changed[..., :4].mean() > SENSITIVITY
    half = (latents(ours, case, [Look(adapters["a"], mask=left // 2)]) - free).abs()
    assert SENSITIVITY < half[..., :4].mean() < changed[..., :4].mean()


def test_a_mask_of_nothing_is_no_reference_and_a_full_one_no_mask(
    adapters: dict[str, Path], engine: Callable[[str], Ours]
) -> None:
    ours = engine("flux-dev")
    free, seen = latents(ours, CASE, []), latents(ours, CASE, [Look(adapters["a"])])
    assert distance(seen, free) >= SENSITIVITY
    nothing, all_of_it = np.zeros((64, 64), np.uint8), np.full((64, 64), 255, np.uint8)
    assert distance(latents(ours, CASE, [Look(adapters["a"], mask=nothing)]), free) <= TOLERANCE
    assert torch.equal(latents(ours, CASE, [Look(adapters["a"], mask=all_of_it)]), seen)
    assert distance(latents(ours, CASE, [Look(adapters["a"], strength=0.0)]), free) <= TOLERANCE


@pytest.mark.parametrize(("start", "end"), [(0.0, 0.5), (0.5, 1.0)])
def test_it_counts_in_its_share_of_the_steps_only(
    adapters: dict[str, Path], engine: Callable[[str], Ours], start: float, end: float
) -> None:
    given = assignment(CASE, [Look(adapters["a"], start=start, end=end)])
    counted, equal = counted_and_equal(engine("flux-dev"), given, assignment(CASE, []))
    assert counted == ([0, 1] if start == 0.0 else [2, 3])
    assert equal == [index < 4 * start for index in range(4)]


def test_jobs_with_references_in_one_batch_equal_the_same_jobs_alone(
    adapters: dict[str, Path], engine: Callable[[str], Ours]
) -> None:
    ours = engine("flux-dev")
    given: list[list[Look]] = [
        [Look(adapters["a"], 5, 0.7)],
        [Look(adapters["a"], 8, 0.4, mask=disc(radius=12))],
        [Look(adapters["a"], 5), Look(adapters["b"], 6, 0.5)],
        [],
    ]
    jobs = [assignment(CASE.but(seed=seed), looks, (), f"jobs/{seed}") for seed, looks in enumerate(given)]
    alone = [made(ours, job) for job in jobs]
    tasks = [ours.family.prepare(job) for job in jobs]
    shared = run_together(ours, tasks)
    for task, single in zip(tasks, alone, strict=True):
        assert task.current.latents is not None
        assert distance(task.current.latents, single) <= 5e-5
    assert {frozenset({0, 1}), frozenset({2}), frozenset({3})} <= shared


def test_a_picture_is_encoded_once_and_nothing_stays_in_the_transformer(
    models: Path, adapters: dict[str, Path]
) -> None:
    ours = Ours(models / "flux-dev")
    task = ours.family.prepare(assignment(CASE, [Look(adapters["a"], 5, 0.6), Look(adapters["a"], 6)]))
    assert [stage.kind for stage in task.plan[:3]] == [
        StageKind.LOADING,
        StageKind.ENCODING_TEXT,
        StageKind.ENCODING_IMAGE,
    ]
    # Two text encoders, transformer and VAE; the image encoder and the adapter.
    assert (task.plan[0].steps, task.plan[2].steps) == (6, 2)
    while not task.ready_to_finish:
        ours.family.step([task])
    assert ours.family._controls.references.calls == 2
    latents(ours, CASE.but(seed=3), [Look(adapters["a"], 5, 0.3)])
    assert ours.family._controls.references.calls == 2
    assert torch.equal(latents(ours, CASE, []), latents(Ours(models / "flux-dev"), CASE, []))


@pytest.mark.parametrize("name", ["a", "b"])
def test_its_header_says_what_it_fits_and_what_it_looks_through(
    models: Path, adapters: dict[str, Path], engine: Callable[[str], Ours], name: str
) -> None:
    traits = describe_flux_reference(adapters[name])
    assert traits is not None
    assert traits.base == "1 double blocks 16 wide, text 16"
    assert traits.base == engine("flux-dev").family._traits.adapter_bases[kinds.IP_ADAPTER]
    assert (traits.encoder, traits.roles) == ("projects to 12", ("reference",))
