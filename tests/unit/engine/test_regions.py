"""Prompts for parts of a picture: whose they are, what they change, and what they leave alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers.models.attention_processor import Attention

from tests.tiny_models import build_tiny_reference
from tests.unit.engine.stock import Case, Ours, distance
from tests.unit.engine.test_lora_parity import Worn
from tests.unit.engine.test_reference_parity import Look
from tests.unit.engine.test_reference_parity import assignment as looking
from underpaint.engine.diffusion.job import DiffusionTask
from underpaint.engine.family import Assignment
from underpaint.engine.pixels import Raster
from underpaint.engine.regions.attention import attending
from underpaint.engine.regions.joint import bias, shares_by_token
from underpaint.engine.regions.plan import RegionPlan, plan_regions
from underpaint.errors import InvalidRequest
from underpaint.geometry import Size
from underpaint.types import MASK_FORMAT, Bounds, StageKind, Tiling
from underpaint.v1 import image_pb2, job_service_pb2
from underpaint.worker_v1.worker_service_pb2 import LoraSource

TOLERANCE = 1e-5
SENSITIVITY = 1e-2
EDGE = 64
WINDOW = Bounds(0, 0, EDGE, EDGE)
CASE = Case("txt2img", prompt="old brick wall", negative="water", scheduler="")
EVERYWHERE = np.ones((EDGE, EDGE), np.float32)
LEFT = np.zeros_like(EVERYWHERE)
LEFT[:, : EDGE // 2] = 1.0
NOTHING = np.zeros_like(EVERYWHERE)


@dataclass(frozen=True)
class Part:
    """A region: coverage `(height, width)` at a place on the canvas, and what to paint there."""

    mask: np.ndarray
    prompt: str
    strength: float | None = None
    x: int = 0
    y: int = 0
    negative: str = ""
    loras: tuple[Worn, ...] = ()


def assignment(case: Case, parts: Sequence[Part], job: str = "jobs/1") -> Assignment:
    """A case with regions, as a family gets it."""
    return with_regions(Assignment(job, case.spec(), case.inputs()), parts)


def with_regions(given: Assignment, parts: Sequence[Part]) -> Assignment:
    """The same with regions."""
    spec, inputs = given.spec, dict(given.inputs)
    for number, part in enumerate(parts):
        blob = f"blobs/region-{number}"
        height, width = part.mask.shape
        inputs[blob] = Raster.over(
            np.rint(part.mask * 255).astype(np.uint8).tobytes(), MASK_FORMAT, width, height
        )
        mask = image_pb2.ImageRef(blob=blob, x_px=part.x, y_px=part.y)
        region = job_service_pb2.Region(mask=mask, prompt=part.prompt, strength=part.strength)
        region.negative_prompt = part.negative
        for one in part.loras:
            region.loras.add(name=one.path.stem, strength=one.strength, text_encoder_strength=one.text)
        spec.regions.append(region)
    named = {one.name for one in given.loras}
    worn = {one.path.stem: one.path for part in parts for one in part.loras if one.path.stem not in named}
    sources = [LoraSource(name=name, path=str(path)) for name, path in worn.items()]
    return replace(given, inputs=inputs, loras=(*given.loras, *sources))


def scheduler_of(model: str) -> str:
    """One that its family has."""
    return "flow-match-euler" if model.startswith("flux") else "euler"


def run(ours: Ours, given: Assignment) -> DiffusionTask:
    task = ours.family.prepare(given)
    while not task.ready_to_finish:
        ours.family.step([task])
    return task


def latents(ours: Ours, case: Case, *parts: Part) -> torch.Tensor:
    found = run(ours, assignment(case, parts)).current.latents
    assert found is not None
    return found


def planned(*parts: Part, window: Bounds = WINDOW, cell: int = 8) -> tuple[RegionPlan | None, list[str]]:
    given = assignment(CASE, parts)
    size = Size(window.width, window.height)
    return plan_regions(given, given.spec, window, [size], cell, Tiling.NONE)


def shares(*parts: Part, window: Bounds = WINDOW, cell: int = 8) -> np.ndarray:
    plan, _ = planned(*parts, window=window, cell=cell)
    assert plan is not None
    (found,) = plan.shares.values()
    return found


@pytest.fixture(scope="module")
def engine(models: Path) -> Callable[[str], Ours]:
    return lru_cache(None)(lambda model: Ours(models / model))


MODELS = ["plain", "small", "sdxl", "flux-dev"]


@pytest.mark.parametrize("guidance", [5.0, 1.0])
@pytest.mark.parametrize(
    ("model", "operation"),
    [
        ("plain", "txt2img"),
        ("plain", "img2img"),
        ("inpaint", "inpaint"),
        ("small", "txt2img"),
        ("small", "inpaint"),
        ("sdxl", "txt2img"),
        ("sdxl-inpaint", "inpaint"),
        ("sdxl-refined", "txt2img"),
        ("flux-dev", "txt2img"),
        ("flux-dev", "inpaint"),
        ("flux-schnell", "img2img"),
        ("flux-fill", "inpaint"),
        ("flux-kontext", "edit"),
    ],
)
def test_a_region_over_everything_is_as_good_as_the_prompt(
    engine: Callable[[str], Ours], model: str, operation: str, guidance: float
) -> None:
    ours, case = engine(model), Case(operation, scheduler_of(model), guidance=guidance)
    reference = latents(ours, case.but(prompt="green moss"))
    assert distance(latents(ours, case, Part(EVERYWHERE, "green moss")), reference) <= TOLERANCE
    assert distance(latents(ours, case), reference) >= SENSITIVITY
    # Half of it makes about half the difference.
    assert distance(latents(ours, case, Part(LEFT, "green moss")), reference) >= SENSITIVITY / 2


@pytest.mark.parametrize("model", MODELS)
def test_regions_that_cover_nothing_change_no_bit_and_are_named(
    engine: Callable[[str], Ours], model: str
) -> None:
    ours = engine(model)
    parts = [
        Part(NOTHING, "green moss"),
        Part(EVERYWHERE, "water", x=EDGE),
        Part(EVERYWHERE, "sky", strength=0.0),
    ]
    task = run(ours, assignment(CASE, parts))
    assert torch.equal(task.current.latents, latents(ours, CASE))
    assert [note for note in task.notes if "left out" in note] == [
        f"Region {number} ({part.prompt!r}) covers nothing here and was left out."
        for number, part in enumerate(parts, 1)
    ]


@pytest.mark.parametrize(("model", "factor"), [("plain", 3.0), ("small", 8.0), ("sdxl", 3.0)])
def test_a_regions_prompt_changes_what_lies_inside_more_than_what_lies_outside(
    engine: Callable[[str], Ours], model: str, factor: float
) -> None:
    # One step and a small region: norms and self-attention of random nets carry everything everywhere. What
    # trained weights make of it is measured with the model in the box.
    ours, case = engine(model), CASE.but(scheduler=scheduler_of(model), steps=1, width=256, height=256)
    square = np.zeros((256, 256), np.float32)
    square[64:128, 128:192] = 1.0
    first, second = (latents(ours, case, Part(square, prompt)) for prompt in ("green moss", "blue sky"))
    change = (first - second).abs().mean(dim=(0, 1))
    inside = torch.from_numpy(square[::8, ::8] > 0)
    assert distance(first, second) >= SENSITIVITY
    assert change[inside].mean() >= factor * change[~inside].mean()


@pytest.mark.parametrize("model", MODELS)
def test_a_later_region_covers_an_earlier_one(engine: Callable[[str], Ours], model: str) -> None:
    ours = engine(model)
    moss, sky = Part(LEFT, "green moss"), Part(LEFT, "blue sky")
    assert torch.equal(latents(ours, CASE, moss, sky), latents(ours, CASE, sky))
    assert distance(latents(ours, CASE, sky, moss), latents(ours, CASE, sky)) >= SENSITIVITY


@pytest.mark.parametrize("model", MODELS)
def test_soft_coverage_and_strength_mix_in_proportion(engine: Callable[[str], Ours], model: str) -> None:
    ours, case = engine(model), CASE.but(steps=1)
    plain = latents(ours, case)
    steps = [
        float((latents(ours, case, Part(LEFT * cover, "green moss")) - plain).abs().mean())
        for cover in (0.2, 0.4, 0.6, 0.8, 1.0)
    ]
    assert steps == sorted(steps) and steps[0] > 0.0
    soft, weak = Part(LEFT * 0.6, "green moss"), Part(LEFT, "green moss", strength=0.6)
    assert distance(latents(ours, case, soft), latents(ours, case, weak)) <= TOLERANCE


@pytest.mark.parametrize("model", MODELS)
def test_jobs_with_as_many_regions_share_a_step_and_others_do_not(
    engine: Callable[[str], Ours], model: str
) -> None:
    ours = engine(model)
    top = np.ascontiguousarray(LEFT.T)
    jobs = [
        assignment(CASE, [Part(LEFT, "green moss")], "jobs/1"),
        assignment(CASE.but(seed=2, prompt="red house"), [Part(top, "blue sky")], "jobs/2"),
        assignment(CASE.but(seed=3), [], "jobs/3"),
        assignment(CASE.but(seed=4), [Part(LEFT, "water"), Part(top, "tree")], "jobs/4"),
    ]
    alone = [run(ours, job).current.latents for job in jobs]
    tasks = [ours.family.prepare(job) for job in jobs]
    for task in tasks:
        while task.plan[task.stage_index].kind is not StageKind.DENOISING:
            ours.family.step([task])
    buckets = [ours.family.bucket(task) for task in tasks]
    assert buckets[0] == buckets[1] and len(set(buckets)) == 3
    while tasks[0].plan[tasks[0].stage_index].kind is StageKind.DENOISING:
        for group in (tasks[:2], tasks[2:3], tasks[3:]):
            ours.family.step(group)
    for task, reference in zip(tasks, alone, strict=True):
        assert distance(task.current.latents, reference) <= 5e-5


@pytest.mark.parametrize("model", ["plain", "sdxl"])
def test_nothing_of_a_region_is_left_for_the_next_job(engine: Callable[[str], Ours], model: str) -> None:
    ours = engine(model)
    before = latents(ours, CASE)
    latents(ours, CASE, Part(LEFT, "green moss"))
    assert torch.equal(latents(ours, CASE), before)
    unet, _ = ours.family._parts.network
    text = torch.zeros(1, 77, unet.config.cross_attention_dim)
    with pytest.raises(ZeroDivisionError), attending(unet, [text], torch.ones(1, 2, 8, 8) / 2, 0):
        raise ZeroDivisionError
    assert not any(module._forward_hooks for module in unet.modules())
    assert torch.equal(latents(ours, CASE), before)


@pytest.mark.parametrize("model", ["plain", "small"])
def test_references_are_looked_at_with_every_prompt(
    engine: Callable[[str], Ours], model: str, tmp_path: Path
) -> None:
    ours, look = engine(model), [Look(build_tiny_reference(tmp_path / "adapter.safetensors"))]

    def made(case: Case, *parts: Part, looks: Sequence[Look] = look) -> torch.Tensor:
        found = run(ours, with_regions(looking(case, looks), parts)).current.latents
        assert found is not None
        return found

    reference = made(CASE.but(prompt="green moss"))
    assert distance(made(CASE, Part(EVERYWHERE, "green moss")), reference) <= TOLERANCE
    assert distance(made(CASE, Part(EVERYWHERE, "green moss"), looks=[]), reference) >= SENSITIVITY


class OneAttention:
    """The same, the other way about: one attention over all texts, those of other places masked."""

    def __init__(self, texts: torch.Tensor, owner: torch.Tensor, tokens: int) -> None:
        self._texts, self._owner, self._tokens = texts, owner, tokens

    def __call__(self, attn: Attention, hidden: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        edge = int(hidden.shape[1] ** 0.5)
        owner = (
            torch.nn.functional.interpolate(self._owner[None, None].float(), (edge, edge)).flatten().long()
        )
        heads = attn.heads
        query, key, value = (
            one.unflatten(-1, (heads, -1)).transpose(1, 2)
            for one in (attn.to_q(hidden), attn.to_k(self._texts), attn.to_v(self._texts))
        )
        scores = query @ key.transpose(-1, -2) * attn.scale
        theirs = torch.arange(self._texts.shape[1]) // self._tokens
        scores = scores.masked_fill(owner[:, None] != theirs[None], float("-inf"))
        mixed: torch.Tensor = attn.to_out[0]((scores.softmax(-1) @ value).transpose(1, 2).flatten(2))
        return mixed


@pytest.mark.parametrize("model", ["plain", "sdxl"])
def test_with_hard_masks_it_is_one_attention_over_all_texts_with_a_mask(
    engine: Callable[[str], Ours], model: str
) -> None:
    unet, _ = engine(model).family._parts.network
    generator = torch.Generator().manual_seed(3)
    width, tokens = unet.config.cross_attention_dim, 77
    texts = [torch.randn((1, tokens, width), generator=generator) for _ in range(3)]
    # Along the edges of the coarsest blocks, so that no position is shared.
    owner = torch.zeros(8, 8, dtype=torch.long)
    owner[:, :4], owner[:4, 4:] = 1, 2
    share = torch.nn.functional.one_hot(owner, 3).permute(2, 0, 1)[None].float()
    more = {}
    if model == "sdxl":
        more["added_cond_kwargs"] = {"text_embeds": torch.ones(1, 12), "time_ids": torch.ones(1, 6)}
    sample = torch.randn((1, 4, 8, 8), generator=generator)
    with torch.inference_mode():
        with attending(unet, texts[1:], share, 0):
            ours = unet(sample, 500, texts[0], **more).sample
        plain = unet(sample, 500, texts[0], **more).sample
        kept = unet.attn_processors
        one = OneAttention(torch.cat(texts, dim=1), owner, tokens)
        unet.set_attn_processor({name: one if "attn2" in name else its for name, its in kept.items()})
        reference = unet(sample, 500, texts[0], **more).sample
        unet.set_attn_processor(kept)
    assert distance(ours, reference) <= TOLERANCE
    assert distance(plain, reference) >= SENSITIVITY


def test_in_a_joint_attention_another_text_changes_its_own_places_only(engine: Callable[[str], Ours]) -> None:
    transformer, _ = engine("flux-dev").family._parts.network
    attention, noise = transformer.transformer_blocks[0].attn, torch.Generator().manual_seed(0)
    width, length, edge = transformer.inner_dim, 5, 4
    picture = torch.randn((1, edge * edge, width), generator=noise)
    main, moss, sky = (torch.randn((1, length, width), generator=noise) for _ in range(3))
    upper = torch.zeros(2, 2 * edge, 2 * edge)
    upper[1, :edge], upper[0, edge:] = 1.0, 1.0
    reads = bias([shares_by_token(upper, 2)], length, 1)
    with torch.inference_mode():
        first, second = (
            attention(picture, torch.cat([main, text], dim=1), attention_mask=reads)[0]
            for text in (moss, sky)
        )
    assert torch.equal(first[:, edge * edge // 2 :], second[:, edge * edge // 2 :])
    assert (first - second)[:, : edge * edge // 2].abs().min(dim=1).values.max() > 0.0
    assert distance(first, second) >= SENSITIVITY


def test_a_joint_bias_lets_each_read_what_is_its_own() -> None:
    # Two texts of two tokens, a picture of three tokens and one that is looked at.
    share = torch.tensor([[1.0, 0.5, 0.0], [0.0, 0.5, 1.0]])
    whole, ours = bias([torch.tensor([[1.0] * 3, [0.0] * 3]), share], 2, 2)[:, 0].exp()
    picture, first, second = slice(4, 10), slice(0, 2), slice(2, 4)
    assert (ours[picture, picture] == 1.0).all()
    assert (ours[first, first] == 1.0).all() and (ours[first, second] == 0.0).all()
    for text, row in ((first, share[0]), (second, share[1])):
        torch.testing.assert_close(ours[picture, text], row.repeat(2)[:, None].expand(6, 2))
        torch.testing.assert_close(ours[text, picture], row.repeat(2)[None].expand(2, 6))
    assert (whole[picture, second] == 0.0).all() and (whole[picture, first] == 1.0).all()


@pytest.mark.parametrize(
    ("lower", "upper", "expected"),
    [
        # What is covered wholly, or covers nothing, is left out.
        (1.0, 1.0, (0.0, 1.0)),
        (1.0, 0.0, (0.0, 1.0)),
        (1.0, 0.2, (0.0, 0.8, 0.2)),
        (0.4, 0.6, (0.24, 0.16, 0.6)),
        (0.4, 0.4, (0.36, 0.24, 0.4)),
    ],
)
def test_shares_are_those_of_layers_over_one_another(
    lower: float, upper: float, expected: tuple[float, ...]
) -> None:
    found = shares(Part(EVERYWHERE * lower, "a"), Part(EVERYWHERE * upper, "b"))
    np.testing.assert_allclose(found[:, 3, 3], expected, atol=2e-3)
    np.testing.assert_allclose(found.sum(axis=0), 1.0, atol=1e-6)


def test_shares_add_up_where_borders_cut_through_cells() -> None:
    left, right = NOTHING.copy(), NOTHING.copy()
    left[:, :29], right[:, 29:] = 1.0, 1.0
    found = shares(Part(left, "a"), Part(right, "b"))
    np.testing.assert_allclose(found[1, 0], [1, 1, 1, 5 / 8, 0, 0, 0, 0], atol=1e-6)
    np.testing.assert_allclose(found[0], 0.0, atol=1e-6)


def test_a_mask_lies_where_it_lies_on_the_canvas() -> None:
    window = Bounds(100, 40, 64, 64)
    found = shares(Part(np.ones((20, 30), np.float32), "a", x=90, y=60), window=window, cell=4)[1]
    expected = np.zeros((16, 16))
    expected[5:10, :5] = 1.0
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_small_region_is_not_lost_between_cells() -> None:
    dot = NOTHING.copy()
    dot[20, 20] = 1.0
    assert shares(Part(dot, "a"))[1].max() == pytest.approx(1 / 64)


def test_each_prompts_wildcards_are_chosen_and_said(engine: Callable[[str], Ours]) -> None:
    task = engine("plain").family.prepare(assignment(CASE, [Part(LEFT, "{red|green|blue} moss")]))
    (region,) = task.resolved.regions
    assert region.prompt in ("red moss", "green moss", "blue moss") and region.strength == 1.0
    assert f"The seed chose the prompt of region 1 {region.prompt!r}." in task.notes
    assert isinstance(task, DiffusionTask) and task.regions is not None
    assert task.regions.prompts == (region.prompt,)


def test_a_mask_that_did_not_come_is_named(engine: Callable[[str], Ours]) -> None:
    given = assignment(CASE, [Part(LEFT, "moss")])
    lost = Assignment(given.job, given.spec, {})
    with pytest.raises(InvalidRequest) as caught:
        engine("plain").family.prepare(lost)
    assert caught.value.violations[0].field == "spec.regions[0].mask"
