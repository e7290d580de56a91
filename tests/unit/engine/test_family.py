"""What the SD 1.5 engine does beyond agreeing with the stock pipelines."""

from __future__ import annotations

import json
from pathlib import Path

import diffusers
import numpy as np
import pytest
import torch

from tests.tiny_models import build_tiny
from tests.unit.engine.stock import RGB, Case, Ours, disc, distance, photo
from underpaint.engine.diffusion.vae_steps import decode_next
from underpaint.engine.family import Assignment
from underpaint.engine.pixels import Raster
from underpaint.errors import InvalidRequest, OperationUnsupported
from underpaint.types import MASK_FORMAT, PixelFormat, StageKind, Tiling
from underpaint.v1 import job_service_pb2


@pytest.fixture(scope="module")
def ours(models: Path) -> Ours:
    return Ours(models / "plain")


def pipelines(kind: type = diffusers.DiffusionPipeline) -> set[type]:
    """Every pipeline class that has been imported so far."""
    return {kind}.union(*(pipelines(child) for child in kind.__subclasses__()))


@pytest.mark.parametrize(
    "model",
    [
        *("plain", "inpaint", "small", "small-inpaint", "sdxl", "sdxl-inpaint", "sdxl-refiner"),
        *("flux-dev", "flux-schnell", "flux-fill", "flux-kontext"),
    ],
)
def test_no_pipeline_is_ever_called(models: Path, model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a pipeline was called")

    assert {diffusers.StableDiffusionXLPipeline, diffusers.FluxPipeline} <= pipelines()
    known = pipelines()
    for pipeline in known:
        monkeypatch.setattr(pipeline, "__call__", refuse, raising=False)
    engine = Ours(models / model)
    for operation in engine.family._traits.operations:
        case = Case(operation, engine.family._traits.default_scheduler)
        pictures = engine.family.finish(engine.run(case))
        assert pictures[0].samples.shape[:2] == (64, 64)
    # None was brought in behind the test's back either.
    assert pipelines() == known


def test_mixed_jobs_in_one_batch_equal_the_same_jobs_alone(ours: Ours) -> None:
    cases = [
        Case("txt2img", "ddim", steps=3),
        Case("txt2img", "euler-a", prompt="green moss", seed=2, steps=6, guidance=9.0),
        Case("img2img", "dpmpp-2m", seed=3, steps=5, strength=0.5),
        Case("inpaint", "heun", seed=4, steps=3, strength=1.0),
    ]
    alone = [ours.run(case) for case in cases]
    tasks = [ours.prepare(case, f"jobs/{index}") for index, case in enumerate(cases)]
    forwards = 0
    while not all(task.ready_to_finish for task in tasks):
        waiting = [task for task in tasks if not task.ready_to_finish]
        early = [task for task in waiting if task.plan[task.stage_index].kind is not StageKind.DENOISING]
        leader = (early or waiting)[0]
        bucket = ours.family.bucket(leader)
        group = [task for task in waiting if ours.family.bucket(task) == bucket]
        forwards += leader.plan[leader.stage_index].kind is StageKind.DENOISING
        ours.family.step(group)
    for task, single in zip(tasks, alone, strict=True):
        assert task.current.latents is not None and single.current.latents is not None
        assert distance(task.current.latents, single.current.latents) <= 5e-5
    assert forwards == max(task.denoiser_calls for task in tasks) < sum(t.denoiser_calls for t in tasks)


@pytest.mark.parametrize("model", ["plain", "small"])
@pytest.mark.parametrize(("tile_x", "tile_y"), [(True, False), (False, True), (True, True)])
def test_tiling_is_seamless_along_its_axes_and_leaks_into_no_other_job(
    models: Path, model: str, tile_x: bool, tile_y: bool
) -> None:
    engine = Ours(models / model)
    before = engine.latents(Case("txt2img"))
    spec = Case("txt2img").spec()
    spec.tile_x, spec.tile_y = tile_x, tile_y
    task = engine.family.prepare(Assignment("jobs/t", spec, {}))
    while not task.ready_to_finish:
        engine.family.step([task])
    latents = task.current.latents
    assert latents is not None and task.made is not None

    # A seamless decoder commutes with rolling the latents; one that pads with zeros does not.
    def decoded(shift: tuple[int, int]) -> np.ndarray:
        task.current.latents = torch.roll(latents, shift, (2, 3))
        decode_next([task], engine.family._parts)
        assert task.made is not None
        return np.roll(task.made, (-8 * shift[0], -8 * shift[1]), (0, 1))

    still = decoded((0, 0))
    across_x, across_y = np.abs(decoded((0, 3)) - still).max(), np.abs(decoded((3, 0)) - still).max()
    assert (across_x < 1e-4) == tile_x
    assert (across_y < 1e-4) == tile_y
    assert distance(engine.latents(Case("txt2img")), before) == 0.0
    assert distance(latents, before) > 1e-2


def test_the_denoiser_itself_commutes_with_rolling_when_tiled(ours: Ours) -> None:
    task = ours.run(Case("txt2img"))
    unet, wrap = ours.family._parts.network
    sample = torch.randn((1, 4, 8, 8), generator=torch.Generator().manual_seed(0))

    def forward(shift: int) -> torch.Tensor:
        out = unet(
            torch.roll(sample, shift, 3), 500, encoder_hidden_states=task.text.hidden, return_dict=False
        )[0]
        return torch.roll(out, -shift, 3)

    with torch.inference_mode(), wrap.around(Tiling.X):
        # By two cells: the U-Net halves its input once.
        assert distance(forward(2), forward(0)) < 1e-5
    with torch.inference_mode():
        assert distance(forward(2), forward(0)) > 1e-3


def test_a_prompt_seen_before_costs_no_encoder_call(ours: Ours) -> None:
    ours.run(Case("txt2img", prompt="red tree", negative="stone"))
    calls = ours.family._parts.text.calls
    ours.run(Case("txt2img", prompt="red tree", negative="stone", seed=9))
    assert ours.family._parts.text.calls == calls
    ours.run(Case("txt2img", prompt="red tree and a house", negative="stone"))
    assert ours.family._parts.text.calls == calls + 1


@pytest.mark.parametrize("model", ["plain", "inpaint"])
def test_a_soft_mask_changes_pixels_the_more_the_higher_it_is(models: Path, model: str) -> None:
    engine = Ours(models / model)
    ramp = np.broadcast_to(np.linspace(0, 255, 64), (64, 64)).astype(np.uint8)
    case = Case("inpaint", steps=8, strength=1.0)
    inputs = {**case.inputs(), "blobs/mask": Raster.over(np.ascontiguousarray(ramp), MASK_FORMAT, 64, 64)}
    task = engine.family.prepare(Assignment("jobs/soft", case.spec(), inputs))
    joined = []
    while not task.ready_to_finish:
        engine.family.step([task])
        current = task.current
        if current.sampler.done and current.joins is not None:
            joined.append(int((current.joins > 1 - current.sampler.done / 8).sum()))
    assert joined[0] < joined[3] < joined[7] == 64
    assert joined == sorted(joined)


def test_a_picture_too_large_for_the_model_is_painted_small_and_then_refined(ours: Ours) -> None:
    spec = Case("txt2img", steps=5).spec()
    spec.text_to_image.width_px, spec.text_to_image.height_px = 128, 192
    task = ours.family.prepare(Assignment("jobs/large", spec, {}))
    kinds = [stage.kind for stage in task.plan]
    assert kinds.count(StageKind.DENOISING) == 2
    sizes = []
    while not task.ready_to_finish:
        sizes.append(tuple(task.current.size))
        ours.family.step([task])
    assert sizes[0] == (56, 80) and sizes[-1] == (128, 192)
    assert ours.family.finish(task)[0].samples.shape == (192, 128, 3)
    assert task.passes[1].sampler.done == 2
    assert any("refined" in note for note in task.notes)


@pytest.mark.parametrize("model", ["plain", "sdxl"])
def test_a_bfloat16_model_gives_about_the_same_picture(models: Path, model: str) -> None:
    half, full = Ours(models / model, "bfloat16"), Ours(models / model)
    case = Case("txt2img")
    made, wanted = half.run(case).made, full.run(case).made
    assert made is not None and wanted is not None
    assert np.abs(made - wanted).max() > 0
    assert np.abs(made - wanted).mean() < 0.05


def test_components_of_the_same_folder_are_in_memory_once(models: Path) -> None:
    from underpaint.engine.families.sd15 import StableDiffusion15
    from underpaint.engine.residency import Shelf
    from underpaint.worker_v1.worker_service_pb2 import ModelSource

    shelf = Shelf()
    first, second = (
        StableDiffusion15(ModelSource(name=name, path=str(models / name)), shelf, "cpu", "float32")
        for name in ("small", "small-inpaint")
    )
    first.load()
    assert second._parts.missing() == ["unet"]
    second.load()
    assert first._parts.vae[0] is second._parts.vae[0]
    assert first._parts.network[0] is not second._parts.network[0]
    shelf.release("small")
    assert second.loaded and not first.loaded


def test_words_outside_the_vocabulary_are_named(tmp_path: Path) -> None:
    folder = build_tiny(tmp_path / "m")
    traits = json.loads((folder / "underpaint.json").read_text())
    for vocabulary in (["old", "stone wall"], {"words": ["old"], "materials": ["stone wall"]}):
        (folder / "underpaint.json").write_text(json.dumps({**traits, "vocabulary": vocabulary}))
        task = Ours(folder).prepare(Case("txt2img", prompt="Old brick wall and a Stone"))
        assert task.notes == ["The model 'm' does not know: brick."]


def test_a_model_is_told_the_nearest_words_that_it_knows(tmp_path: Path) -> None:
    folder = build_tiny(tmp_path / "m")
    traits = json.loads((folder / "underpaint.json").read_text())
    words = {"vocabulary": ["old", "wood"], "near_words": {"timber": "wood"}}
    (folder / "underpaint.json").write_text(json.dumps({**traits, **words}))
    model = Ours(folder)
    asked, told = (model.run(Case("txt2img", prompt=prompt)) for prompt in ("old timber", "old wood"))
    assert asked.text is not None and told.text is not None
    assert torch.equal(asked.text.hidden, told.text.hidden)
    assert asked.resolved.prompt == "old timber"
    assert (asked.notes, told.notes) == (
        ["The model 'm' does not know all words; it was told 'wood' for 'timber'."],
        [],
    )


def test_an_inpainting_model_refuses_what_it_cannot_do(models: Path) -> None:
    with pytest.raises(OperationUnsupported, match="it can do inpaint"):
        Ours(models / "inpaint").prepare(Case("txt2img"))


def test_an_empty_mask_is_refused(ours: Ours) -> None:
    with pytest.raises(InvalidRequest, match="mask is empty") as caught:
        ours.prepare(Case("inpaint", mask=0.0))
    assert caught.value.violations[0].field == "spec.inpaint.mask"


def test_a_mask_of_another_size_is_refused(ours: Ours) -> None:
    case = Case("inpaint")
    small = Raster.over(disc(32, 64).tobytes(), MASK_FORMAT, 32, 64)
    with pytest.raises(InvalidRequest, match="32x64 px at .* the image 64x64 px"):
        ours.family.prepare(Assignment("jobs/1", case.spec(), {**case.inputs(), "blobs/mask": small}))


@pytest.mark.parametrize(
    ("width", "height", "field"), [(65, 64, "width_px"), (64, 8, "height_px"), (512, 64, "width_px")]
)
def test_a_size_that_the_model_does_not_take_is_refused_with_one_that_it_takes(
    ours: Ours, width: int, height: int, field: str
) -> None:
    spec = Case("txt2img").spec()
    spec.text_to_image.width_px, spec.text_to_image.height_px = width, height
    with pytest.raises(InvalidRequest, match="multiples of 8 from 16 to 256") as caught:
        ours.family.prepare(Assignment("jobs/1", spec, {}))
    assert [violation.field for violation in caught.value.violations] == [f"spec.text_to_image.{field}"]


@pytest.mark.parametrize(
    "change",
    [{"steps": 10_000}, {"prompt": "x" * 100_000}, {"guidance": 1000.0}, {"scheduler": "magic"}],
)
def test_nonsense_is_refused_before_anything_is_computed(ours: Ours, change: dict[str, object]) -> None:
    with pytest.raises(InvalidRequest) as caught:
        ours.prepare(Case("txt2img").but(**change))
    assert caught.value.violations


@pytest.mark.parametrize("strength", [0.0, 1.5, float("nan")])
def test_a_strength_out_of_range_is_refused(ours: Ours, strength: float) -> None:
    with pytest.raises(InvalidRequest):
        ours.prepare(Case("img2img", strength=strength))


def test_the_source_stays_bit_identical_outside_the_grown_mask(ours: Ours) -> None:
    spec = Case("inpaint").spec()
    spec.inpaint.ClearField("grow_px")
    spec.inpaint.ClearField("feather_px")
    spec.result_form = job_service_pb2.RESULT_FORM_MERGED
    inputs = {
        **Case("inpaint").inputs(),
        "blobs/mask": Raster.over(disc(radius=8).tobytes(), MASK_FORMAT, 64, 64),
    }
    task = ours.family.prepare(Assignment("jobs/1", spec, inputs))
    while not task.ready_to_finish:
        ours.family.step([task])
    samples = ours.family.finish(task)[0].samples
    assert task.image.masks is not None
    kept = task.image.masks.grown == 0.0
    assert kept.sum() > 1000
    assert (samples[kept] == photo()[kept]).all()
    changed = (samples != photo()).any(axis=2)
    assert changed[disc(radius=8) > 0].mean() > 0.9


@pytest.mark.parametrize("model", ["plain", "small-inpaint"])
def test_a_large_context_is_inpainted_in_two_passes_and_comes_back_at_its_size(
    models: Path, model: str
) -> None:
    engine = Ours(models / model)
    spec = Case("inpaint").spec()
    spec.inpaint.strength = 1.0
    for field in ("grow_px", "feather_px"):
        spec.inpaint.ClearField(field)
    spec.tile_x = True
    inputs = {
        "blobs/image": Raster.over(photo(150, 130).tobytes(), RGB, 150, 130),
        "blobs/mask": Raster.over(disc(150, 130, 30, 70, 60).tobytes(), MASK_FORMAT, 150, 130),
    }
    task = engine.family.prepare(Assignment("jobs/1", spec, inputs))
    while not task.ready_to_finish:
        engine.family.step([task])
    assert [tuple(one.size) for one in task.passes] == [(72, 56), (152, 128)]
    assert [one.strength for one in task.passes] == [1.0, 0.4]
    picture = engine.family.finish(task)[0]
    assert picture.samples.shape == (130, 150, 4)
    assert picture.samples[60, 70, 3] == 255 and picture.samples[0, 0, 3] == 0


def test_a_transparent_sources_black_never_reaches_the_model(ours: Ours) -> None:
    source = np.dstack([photo(), np.full((64, 64), 255, np.uint8)])
    hollow = source.copy()
    hollow[20:40, 20:40] = 0
    task = ours.family.prepare(
        Assignment(
            "jobs/1",
            Case("img2img").spec(),
            {"blobs/image": Raster.over(hollow.tobytes(), PixelFormat(), 64, 64)},
        )
    )
    assert task.image.source is not None
    seen = task.image.source.rgb[20:40, 20:40]
    assert seen.mean() > 0.2
    while not task.ready_to_finish:
        ours.family.step([task])
    samples = ours.family.finish(task)[0].samples
    # Image to image keeps the silhouette.
    assert (samples[20:40, 20:40, 3] == 0).all() and samples[0, 0, 3] == 255


def test_an_inpainting_model_that_says_so_keeps_to_what_is_around_the_hole(
    models: Path, tmp_path: Path
) -> None:
    apart = {}
    for says in (False, True):
        folder = tmp_path / f"says-{says}"
        build_tiny(folder, kind="sd15-inpaint", seed=1)
        (folder / "underpaint.json").write_text(json.dumps({"puts_back": says}))
        engine = Ours(folder)
        task = engine.run(Case("inpaint", "ddim", strength=1.0))
        current = task.current
        assert current.latents is not None and current.hole_cells is not None
        parts = engine.family._parts
        kept = parts.autoencoder.encode(current.image, torch.Generator().manual_seed(0))
        outside = (current.hole_cells == 0.0).expand_as(kept)
        apart[says] = float((current.latents - kept)[outside].abs().mean())
    # What is left is the noise that this autoencoder draws when it encodes.
    assert apart[True] < 0.2 * apart[False]
