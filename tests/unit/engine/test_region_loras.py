"""LoRAs in parts of a picture: what they change there, and what they leave alone."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from tests.tiny_loras import TEXT_LAYERS, UNET_LAYERS, write_lora
from tests.unit.engine.stock import Case, Ours, distance
from tests.unit.engine.test_lora_parity import Worn, wearing
from tests.unit.engine.test_lora_parity import latents as worn_latents
from tests.unit.engine.test_regions import (
    CASE,
    EVERYWHERE,
    LEFT,
    NOTHING,
    SENSITIVITY,
    TOLERANCE,
    Part,
    assignment,
    latents,
    run,
    scheduler_of,
    with_regions,
)
from underpaint.engine.loras.plan import plan_region_loras
from underpaint.errors import InvalidRequest
from underpaint.types import StageKind

LAYERS = (
    *UNET_LAYERS,
    *TEXT_LAYERS,
    "conv2",
    "conv_shortcut",
    "downsamplers.0.conv",
    "upsamplers.0.conv",
    "time_emb_proj",
    "time_embedding.linear_1",
    "add_embedding.linear_1",
)
"""Over places of every kind, over text, and over the picture as a whole."""
FLUX_LAYERS = (
    "x_embedder",
    "context_embedder",
    "attn.to_q",
    "attn.to_out.0",
    "attn.add_k_proj",
    "attn.add_v_proj",
    "attn.to_add_out",
    "ff.net.2",
    "ff_context.net.2",
    "norm1.linear",
    "norm.linear",
    "proj_mlp",
    "proj_out",
    "time_text_embed.text_embedder.linear_1",
)
MODELS = ["plain", "small", "sdxl", "flux-dev"]


@pytest.fixture(scope="module")
def engine(models: Path) -> Callable[[str], Ours]:
    return lru_cache(None)(lambda model: Ours(models / model))


@pytest.fixture(scope="module")
def lora(models: Path, engine: Callable[[str], Ours], tmp_path_factory: pytest.TempPathFactory) -> Callable:
    folder = tmp_path_factory.mktemp("loras")

    @lru_cache(None)
    def write(model: str, seed: int = 0) -> Path:
        path = folder / f"{model}-{seed}.safetensors"
        if model.startswith("flux"):
            return write_flux(path, engine(model), seed)
        return write_lora(path, models / model, naming="diffusers", layers=LAYERS, seed=seed)

    return write


def write_flux(path: Path, ours: Ours, seed: int) -> Path:
    generator, state = torch.Generator().manual_seed(seed), {}
    for name, layer in ours.family._parts.network[0].named_modules():
        if isinstance(layer, torch.nn.Linear) and name.endswith(FLUX_LAYERS):
            place = f"transformer.{name}"
            down = torch.randn(2, layer.in_features, generator=generator)
            state[f"{place}.lora_A.weight"] = down / layer.in_features**0.5
            state[f"{place}.lora_B.weight"] = 0.3 * torch.randn(layer.out_features, 2, generator=generator)
    save_file(state, path)
    return path


@pytest.mark.parametrize(
    ("model", "operation"),
    [
        ("plain", "txt2img"),
        ("inpaint", "inpaint"),
        ("small", "txt2img"),
        ("sdxl", "img2img"),
        ("sdxl-refined", "txt2img"),
        ("flux-dev", "txt2img"),
        ("flux-schnell", "img2img"),
        ("flux-kontext", "edit"),
    ],
)
def test_over_everything_one_counts_as_one_of_the_whole_picture(
    engine: Callable[[str], Ours], lora: Callable[..., Path], model: str, operation: str
) -> None:
    ours, case = engine(model), Case(operation, scheduler_of(model), steps=3)
    here = lora("sdxl" if model == "sdxl-refined" else model)
    reference = worn_latents(ours, case.but(prompt="green moss"), Worn(here, 0.8, 0.6))
    painted = latents(ours, case, Part(EVERYWHERE, "green moss", loras=(Worn(here, 0.8, 0.6),)))
    assert distance(painted, reference) <= TOLERANCE
    assert distance(latents(ours, case, Part(EVERYWHERE, "green moss")), reference) >= SENSITIVITY
    half = Part(LEFT, "green moss", loras=(Worn(here, 0.8, 0.6),))
    assert distance(latents(ours, case, half), reference) >= SENSITIVITY / 2


@pytest.mark.parametrize("model", MODELS)
def test_one_on_the_picture_and_on_a_region_adds_up_there(
    engine: Callable[[str], Ours], lora: Callable[..., Path], model: str
) -> None:
    ours, case = engine(model), CASE.but(scheduler=scheduler_of(model), steps=2)
    ink, wash = lora(model), lora(model, 1)
    given = wearing(case, [Worn(ink, 0.3), Worn(wash, 0.2)])
    both = Part(EVERYWHERE, case.prompt, loras=(Worn(ink, 0.5), Worn(wash, -0.4)))
    painted = run(ours, with_regions(given, [both])).current.latents
    assert painted is not None
    reference = worn_latents(ours, case, Worn(ink, 0.8), Worn(wash, -0.2))
    assert distance(painted, reference) <= TOLERANCE
    assert distance(worn_latents(ours, case, Worn(ink, 0.3), Worn(wash, 0.2)), reference) >= SENSITIVITY


@pytest.mark.parametrize("model", MODELS)
def test_where_a_region_covers_nothing_its_loras_change_no_bit(
    engine: Callable[[str], Ours], lora: Callable[..., Path], model: str
) -> None:
    ours, case = engine(model), CASE.but(scheduler=scheduler_of(model), steps=2)
    ink, wash = (Worn(lora(model, seed)) for seed in (0, 1))
    lost = (Part(NOTHING, "moss", loras=(ink,)), Part(LEFT, "moss", loras=(wash,)), Part(LEFT, "sky"))
    assert torch.equal(latents(ours, case, lost[0]), latents(ours, case))
    assert torch.equal(latents(ours, case, *lost), latents(ours, case, lost[2]))
    silent = Part(LEFT, "sky", loras=(Worn(lora(model), 0.0),))
    assert torch.equal(latents(ours, case, silent), latents(ours, case, lost[2]))


@pytest.mark.parametrize(("model", "factor"), [("plain", 3.0), ("small", 8.0), ("sdxl", 3.0)])
def test_one_changes_what_lies_inside_more_than_what_lies_outside(
    engine: Callable[[str], Ours], models: Path, tmp_path: Path, model: str, factor: float
) -> None:
    # One step, a small region and attention's layers, as most LoRAs have: random nets carry everything
    # everywhere, and what changes the time's embedding counts everywhere by design.
    ours, case = engine(model), CASE.but(scheduler=scheduler_of(model), steps=1, width=256, height=256)
    path = write_lora(
        tmp_path / "ink.safetensors", models / model, layers=("to_q", "to_k", "to_v", "to_out.0")
    )
    square = np.zeros((256, 256), np.float32)
    square[64:128, 128:192] = 1.0
    without, worn = (
        latents(ours, case, Part(square, case.prompt, loras=loras)) for loras in ((), (Worn(path, 2.0),))
    )
    change = (worn - without).abs().mean(dim=(0, 1))
    inside = torch.from_numpy(square[::8, ::8] > 0)
    assert distance(worn, without) >= SENSITIVITY
    assert change[inside].mean() >= factor * change[~inside].mean()


@pytest.mark.parametrize("model", MODELS)
def test_it_counts_in_proportion_to_a_soft_mask(
    engine: Callable[[str], Ours], lora: Callable[..., Path], model: str
) -> None:
    ours, case = engine(model), CASE.but(scheduler=scheduler_of(model), steps=1)
    here = (Worn(lora(model)),)
    changes = []
    for cover in (0.2, 0.4, 0.6, 0.8, 1.0):
        both = (latents(ours, case, Part(EVERYWHERE * cover, "moss", loras=one)) for one in ((), here))
        changes.append(distance(*both))
    assert changes == sorted(changes) and 0.0 < changes[0] < changes[-1] / 2


@pytest.mark.parametrize("model", MODELS)
def test_afterwards_the_model_is_as_if_it_had_never_worn_one(
    engine: Callable[[str], Ours], lora: Callable[..., Path], models: Path, model: str
) -> None:
    ours, case = engine(model), CASE.but(scheduler=scheduler_of(model), steps=2)
    part = Part(LEFT, "green moss")
    latents(ours, case, Part(LEFT, "green moss", loras=(Worn(lora(model)),)))
    fresh = Ours(models / model)
    for parts in ((), (part,)):
        assert torch.equal(latents(ours, case, *parts), latents(fresh, case, *parts))
    assert not any(module._forward_hooks for module in ours.family._parts.network[0].modules())


@pytest.mark.parametrize("model", MODELS)
def test_jobs_share_a_step_only_if_their_regions_wear_the_same(
    engine: Callable[[str], Ours], lora: Callable[..., Path], model: str
) -> None:
    ours, case = engine(model), CASE.but(scheduler=scheduler_of(model), steps=2)
    top = np.ascontiguousarray(LEFT.T)
    ink, wash = (Worn(lora(model, seed)) for seed in (0, 1))
    jobs = [
        assignment(case, [Part(LEFT, "moss", loras=(ink,)), Part(top, "sky")], "jobs/1"),
        assignment(case.but(seed=2), [Part(top, "tree", loras=(ink,)), Part(LEFT, "moss")], "jobs/2"),
        assignment(case.but(seed=3), [Part(LEFT, "moss", loras=(wash,)), Part(top, "sky")], "jobs/3"),
        assignment(case.but(seed=4), [Part(LEFT, "moss"), Part(top, "sky", loras=(ink,))], "jobs/4"),
    ]
    alone = [run(ours, job).current.latents for job in jobs]
    tasks = [ours.family.prepare(job) for job in jobs]
    for task in tasks:
        while task.plan[task.stage_index].kind is not StageKind.DENOISING:
            ours.family.step([task])
    buckets = [ours.family.bucket(task) for task in tasks]
    assert buckets[0] == buckets[1] and len(set(buckets)) == 3
    while tasks[0].plan[tasks[0].stage_index].kind is StageKind.DENOISING:
        ours.family.step(tasks[:2])
    for task, reference in zip(tasks[:2], alone[:2], strict=True):
        assert distance(task.current.latents, reference) <= 5e-5


def test_each_text_is_read_by_what_its_place_wears(
    engine: Callable[[str], Ours], lora: Callable[..., Path]
) -> None:
    ours, case = engine("plain"), CASE.but(steps=1)
    bare = run(ours, assignment(case, [Part(LEFT, case.prompt)]))
    worn = run(ours, assignment(case, [Part(LEFT, case.prompt, loras=(Worn(lora("plain")),))]))
    assert worn.text is bare.text and not bare.region_negatives
    assert bare.region_texts[0] is bare.text
    for own, theirs in ((worn.text, worn.region_texts), (worn.negative, worn.region_negatives)):
        assert own is not None and distance(theirs[0].hidden, own.hidden) >= SENSITIVITY


def test_one_that_did_not_come_is_named(lora: Callable[..., Path]) -> None:
    given = assignment(CASE, [Part(LEFT, "moss"), Part(LEFT, "sky", loras=(Worn(lora("plain")),))])
    assert [one.path for one in plan_region_loras(given, 1)] == [lora("plain")]
    given.spec.regions[1].loras[0].name = "lost"
    with pytest.raises(InvalidRequest) as caught:
        plan_region_loras(given, 1)
    assert caught.value.violations[0].field == "spec.regions[1].loras"
