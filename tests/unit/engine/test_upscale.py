"""Upscaling in tiles: as the network would in one piece, over edges that meet, and refined by a model."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from tests.unit.engine import upscalers
from tests.unit.engine.stock import photo
from underpaint.engine.diffusion.job import DiffusionTask
from underpaint.engine.families.sd15 import StableDiffusion15
from underpaint.engine.family import Assignment
from underpaint.engine.inpaint import resize
from underpaint.engine.pixels import Raster
from underpaint.engine.residency import Shelf
from underpaint.engine.upscale import family as family_module
from underpaint.engine.upscale.faithful import held
from underpaint.engine.upscale.family import UpscaleTask, Upscaling
from underpaint.engine.upscale.lanczos import region
from underpaint.errors import InvalidRequest, ModelUnusable
from underpaint.geometry import Size, Span
from underpaint.types import Alpha, Channels, DataType, PixelFormat, RowOrder, StageKind, Tiling
from underpaint.v1 import image_pb2, job_service_pb2
from underpaint.wire.images import format_to_layout
from underpaint.worker_v1 import worker_service_pb2

RGB = PixelFormat(Channels.RGB, DataType.U8, Alpha.NONE)
FLOATS = PixelFormat(Channels.RGB, DataType.F32, Alpha.NONE)
SCRATCH: list[Path] = []
SIZES = [(64, 64), (37, 53), (24, 200)]
"""Height and width: square, odd, long."""
needs_spandrel = pytest.mark.skipif(
    importlib.util.find_spec("spandrel") is None,
    reason="spandrel is not installed: pip install 'underpaint[upscale]'",
)


@pytest.fixture
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiles of 40 px that share 18: the middle third of that is blended, the rest is for looking around."""
    monkeypatch.setattr(family_module, "NETWORK_TILE", 40)
    monkeypatch.setattr(family_module, "NETWORK_OVERLAP", 18)


@pytest.fixture(scope="module")
def model(tiny_root: Path) -> StableDiffusion15:
    source = worker_service_pb2.ModelSource(name="tiny", path=str(tiny_root / "tiny"))
    return StableDiffusion15(source, Shelf(), "cpu", "float32")


def assignment(pixels: np.ndarray, format: PixelFormat = FLOATS, **values: Any) -> Assignment:
    spec = job_service_pb2.JobSpec(
        prompt="red brick",
        seed=7,
        steps=4,
        guidance_scale=2.0,
        scheduler="ddim",
        tile_x=values.pop("tile_x", False),
        tile_y=values.pop("tile_y", False),
        output_layout=format_to_layout(values.pop("output", format)),
    )
    spec.upscale.CopyFrom(
        job_service_pb2.Upscale(image=image_pb2.ImageRef(blob="b", x_px=3, y_px=5), tile_px=64, **values)
    )
    return Assignment("jobs/1", spec, {"b": Raster(pixels, format)})


@pytest.fixture(autouse=True)
def folder(tmp_path: Path) -> Path:
    """Where `run` has results written."""
    SCRATCH[:] = [tmp_path]
    return tmp_path


def floats(height: int, width: int, seed: int = 0) -> np.ndarray:
    return photo(width, height, seed).astype(np.float32) / 255.0


def run(
    family: Upscaling, given: Assignment, each: Callable[[UpscaleTask], None] = lambda task: None
) -> tuple[np.ndarray, UpscaleTask]:
    """The picture, and the task with which it was made; `each` looks at it after each step."""
    folder = Path(tempfile.mkdtemp(dir=SCRATCH[0]))
    task = family.prepare(replace(given, folder=folder))
    while not task.ready_to_finish:
        family.step([task])
        each(task)
    (picture,) = family.finish(task)
    assert (picture.x, picture.y) == (3, 5)
    assert list(folder.iterdir()) == [picture.file], "what lay between two passes is gone"
    return np.array(picture.samples), task


def network(path: Path, shelf: Shelf | None = None) -> Upscaling:
    source = worker_service_pb2.UpscalerSource(name=path.stem, path=str(path))
    return Upscaling(source, None, shelf or Shelf(), "cpu", "float32")


def refiner(model: StableDiffusion15) -> Upscaling:
    return Upscaling(None, model, Shelf(), "cpu", "float32")


def untiled(path: Path, picture: np.ndarray, around: int = 0) -> np.ndarray:
    """What spandrel's own call makes of the whole picture, `around` pixels of its other side added first."""
    from safetensors.torch import load_file

    from underpaint.engine.upscale.spandrels import library

    network = library().ModelLoader(device=torch.device("cpu")).load_from_state_dict(load_file(path))
    wide = np.pad(picture, [(around, around)] * 2 + [(0, 0)], mode="wrap")
    with torch.inference_mode():
        made = network(torch.from_numpy(wide).permute(2, 0, 1)[None])[0].permute(1, 2, 0).numpy()
    cut = around * network.scale
    return made[cut : len(made) - cut, cut : made.shape[1] - cut] if cut else made


def steps_over(picture: np.ndarray, axis: int) -> np.ndarray:
    """Mean difference of each line and the next, the last and the first at the end."""
    values = picture.astype(np.float64)
    differences = np.abs(np.roll(values, -1, axis=axis) - values)
    return np.asarray(differences.mean(axis=(1 - axis, 2)))


# Networks


@needs_spandrel
@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_tiles_are_what_the_network_makes_of_the_whole(tmp_path: Path, size: tuple[int, int]) -> None:
    path, picture = upscalers.compact(tmp_path / "compact.safetensors"), floats(*size)
    made, task = run(network(path), assignment(picture, width_px=4 * size[1], height_px=4 * size[0]))
    expected = untiled(path, picture)
    # Five convolutions look five pixels far, and six are dropped: nothing is blended that differs.
    assert np.abs(made - expected).max() <= 1e-5
    other = untiled(upscalers.compact(tmp_path / "other.safetensors", seed=1), picture)
    assert np.abs(other - expected).max() > 1e-2
    kinds = [(stage.kind, stage.steps > 1) for stage in task.plan]
    assert kinds == [
        (StageKind.LOADING, False),
        (StageKind.UPSCALING, True),
        (StageKind.POST_PROCESSING, False),
    ]
    assert task.denoiser_calls == task.plan[1].steps, "a tile is a step"


@needs_spandrel
@pytest.mark.usefixtures("small_tiles")
def test_a_deep_network_shows_no_borders_of_tiles(tmp_path: Path) -> None:
    path, picture = upscalers.esrgan(tmp_path / "esrgan.safetensors"), floats(70, 90)
    made, _ = run(network(path), assignment(picture, width_px=360, height_px=280))
    expected = untiled(path, picture)
    spread = expected.max() - expected.min()
    assert np.abs(made - expected).max() < 0.02 * spread
    for axis in (0, 1):
        assert steps_over(made, axis)[:-1].max() <= steps_over(expected, axis)[:-1].max() * 1.02


@needs_spandrel
@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_edges_that_meet_stay_so(tmp_path: Path, size: tuple[int, int]) -> None:
    path, picture = upscalers.compact(tmp_path / "compact.safetensors"), floats(*size)
    asked = assignment(picture, width_px=4 * size[1], height_px=4 * size[0], tile_x=True, tile_y=True)
    made, _ = run(network(path), asked)
    assert np.abs(made - untiled(path, picture, around=8)).max() <= 1e-5
    open_edges, _ = run(network(path), assignment(picture, width_px=4 * size[1], height_px=4 * size[0]))
    assert np.abs(open_edges - made).max() > 1e-3


@needs_spandrel
@pytest.mark.parametrize(("width", "calls"), [(60, 1), (90, 1), (128, 1), (300, 2)])
def test_any_size_is_reached_by_as_many_passes_as_it_takes(tmp_path: Path, width: int, calls: int) -> None:
    path, picture = upscalers.compact(tmp_path / "c.safetensors"), floats(24, 32)
    made, task = run(network(path), assignment(picture, width_px=width, height_px=70))
    assert made.shape == (70, width, 3)
    assert sum(stage.kind is StageKind.UPSCALING for stage in task.plan) == calls
    assert task.plan[-1].kind is StageKind.POST_PROCESSING


@needs_spandrel
def test_the_second_job_reads_no_file_and_hashes_name_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, shelf = upscalers.compact(tmp_path / "c.safetensors"), Shelf()
    asked = assignment(floats(8, 8), width_px=32, height_px=32)
    first, _ = run(network(path, shelf), asked)
    monkeypatch.setattr(family_module, "load_upscaler", lambda path: pytest.fail("read again"))
    second, _ = run(network(path, shelf), asked)
    assert np.array_equal(first, second)
    assert list(network(path).weights()) == ["upscaler/c.safetensors"]


@needs_spandrel
def test_what_enlarges_nothing_is_refused_with_a_way_out(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    save_file({"nothing.weight": torch.zeros(2)}, tmp_path / "no.safetensors")
    with pytest.raises(ModelUnusable, match="lanczos"):
        network(tmp_path / "no.safetensors").prepare(assignment(floats(8, 8), width_px=32, height_px=32))


@needs_spandrel
def test_no_stand_in_for_torchvision_stays_behind(tmp_path: Path) -> None:
    from underpaint.engine.upscale.spandrels import library

    library()
    shown = importlib.util.find_spec("torchvision")
    assert ("torchvision" in sys.modules) == (shown is not None)


# Layouts


def test_alpha_layout_and_row_order_are_those_that_were_asked_for() -> None:
    picture = np.dstack([photo(20, 30), np.full((30, 20), 255, np.uint8)])
    picture[:15, :, 3] = 0
    upwards = replace(PixelFormat(Channels.BGRA), row_order=RowOrder.BOTTOM_UP)
    asked = assignment(picture, PixelFormat(), width_px=50, height_px=75, output=upwards)
    made, _ = run(Upscaling(None, None, Shelf(), "cpu", "float32"), asked)
    plain, _ = run(
        Upscaling(None, None, Shelf(), "cpu", "float32"),
        assignment(picture, PixelFormat(), width_px=50, height_px=75),
    )
    assert made.dtype == np.uint8 and made.shape == (75, 50, 4)
    assert np.array_equal(made[::-1][..., [2, 1, 0, 3]], plain)
    # Three lobes, two and a half times as wide, on each side of the middle.
    assert (plain[:29, :, 3] == 0).all() and (plain[46:, :, 3] == 255).all()


def test_windows_of_a_scaled_picture_fit_together_and_are_lanczos() -> None:
    picture = floats(31, 45)
    size = Size(130, 101)
    whole = region(picture, size, Span(0, 130), Span(0, 101), Tiling.NONE)
    part = region(picture, size, Span(40, 70), Span(90, 101), Tiling.NONE)
    assert np.abs(whole[90:101, 40:70] - part).max() < 1e-6
    assert np.abs(whole - resize(picture, size))[8:-8, 8:-8].max() < 0.03, "another Lanczos, of four lobes"
    rolled = region(np.roll(picture, (7, 9), (0, 1)), Size(90, 62), Span(0, 90), Span(0, 62), Tiling.XY)
    around = region(picture, Size(90, 62), Span(-18, 72), Span(-14, 48), Tiling.XY)
    assert np.abs(rolled - around).max() < 1e-5
    assert np.abs(region(picture, Size(45, 31), Span(0, 45), Span(0, 31), Tiling.NONE) - picture).max() < 1e-6


# Denoising in tiles


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_tiles_of_a_denoiser_leave_no_seams(model: StableDiffusion15, size: tuple[int, int]) -> None:
    height, width = size
    asked = assignment(floats(*size), width_px=3 * width, height_px=3 * height, strength=0.5)
    made, task = run(refiner(model), asked)
    assert made.shape == (3 * height, 3 * width, 3)
    pass_over = task.refining
    assert pass_over is not None and len(pass_over) > 4 and pass_over.finished
    for axis, lines in ((1, pass_over.columns), (0, pass_over.rows)):
        steps = steps_over(made, axis)[:-1]
        # Where one tile follows on another, and everywhere else.
        borders = [(one.stop + other.start) // 2 for one, other in pairwise(lines)]
        at = np.mean([steps[border + offset] for border in borders for offset in (-3, -2, -1, 0, 1, 2)])
        assert at <= 1.1 * np.median(steps), (at, np.median(steps))


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_a_denoisers_tiles_go_over_edges_that_meet(model: StableDiffusion15, size: tuple[int, int]) -> None:
    height, width = size
    y, x = np.mgrid[0:height, 0:width]
    wave = 0.5 + 0.2 * np.sin(2 * np.pi * x / width) + 0.2 * np.cos(2 * np.pi * y / height)
    picture = np.repeat(wave[..., None], 3, axis=2).astype(np.float32)
    sizes = {"width_px": 2 * width, "height_px": 2 * height, "strength": 0.5}
    made, _ = run(refiner(model), assignment(picture, tile_x=True, tile_y=True, **sizes))
    for axis in (0, 1):
        steps = steps_over(made, axis)
        assert steps[-1] <= 1.1 * steps[:-1].max(), (steps[-1], steps[:-1].max())


def test_prompt_seed_and_strength_change_what_a_tile_becomes(model: StableDiffusion15) -> None:
    sizes: dict[str, Any] = {"width_px": 100, "height_px": 80}
    base = assignment(floats(20, 25), strength=0.5, **sizes)
    made, _ = run(refiner(model), base)
    again, _ = run(refiner(model), base)
    assert np.array_equal(made, again)
    for change in ({"prompt": "blue sky"}, {"seed": 8}, {"guidance_scale": 4.0}):
        spec = job_service_pb2.JobSpec.FromString(base.spec.SerializeToString())
        for name, value in change.items():
            setattr(spec, name, value)
        other, _ = run(refiner(model), replace(base, spec=spec))
        assert np.abs(other - made).mean() > 1e-3, change
    stronger, task = run(refiner(model), assignment(floats(20, 25), strength=1.0, **sizes))
    assert np.abs(stronger - made).mean() > 1e-3
    assert task.denoiser_calls == 4 * 4, "all four steps of four tiles"


def test_a_denoised_picture_still_shows_what_it_was_made_from(model: StableDiffusion15) -> None:
    source = floats(20, 25)
    seen = {}
    for strength in (0.3, 0.9):
        made, _ = run(refiner(model), assignment(source, width_px=100, height_px=80, strength=strength))
        small = region(made, Size(25, 20), Span(0, 25), Span(0, 20), Tiling.NONE)
        plain = region(source, Size(100, 80), Span(0, 100), Span(0, 80), Tiling.NONE)
        assert np.abs(made - plain).mean() > 0.01, "something was added"
        seen[strength] = float(np.abs(small - source).mean())
    # This network's pictures are noise: with more strength, more of that is let in.
    assert 2 * seen[0.3] < seen[0.9], seen


def test_what_is_held_is_coarse_and_less_with_more_strength() -> None:
    given, made = floats(48, 48), floats(48, 48, 1)

    def coarse(one: np.ndarray, other: np.ndarray) -> float:
        return float(np.abs(cv2.GaussianBlur(one - other, (0, 0), 12.0)).mean())

    kept = {s: held(made, given, s, 2.0, (False, False)) for s in (0.0, 0.1, 0.3, 0.6, 1.0)}
    assert np.array_equal(kept[0.0], given) and np.array_equal(kept[1.0], made)
    away = [float(np.abs(kept[s] - given).mean()) for s in (0.1, 0.3, 0.6)]
    assert away == sorted(away) and away[0] > 0
    assert coarse(kept[0.3], given) < 0.1 * coarse(made, given)
    # Where edges meet, what is held looks across them.
    rolled = held(np.roll(made, 9, (0, 1)), np.roll(given, 9, (0, 1)), 0.5, 2.0, (True, True))
    assert np.abs(np.roll(rolled, -9, (0, 1)) - held(made, given, 0.5, 2.0, (True, True))).max() < 1e-5


def test_one_step_is_one_forward_pass_and_one_tile_is_held(model: StableDiffusion15) -> None:
    calls = [0]

    def each(task: UpscaleTask) -> None:
        assert task.denoiser_calls - calls[0] <= 1
        calls[0] = task.denoiser_calls

    made, task = run(
        refiner(model), assignment(floats(40, 40), width_px=160, height_px=160, strength=0.5), each
    )
    tiles = 9
    denoising = next(stage for stage in task.plan if stage.kind is StageKind.DENOISING)
    assert denoising.steps == tiles * (2 + 1), "two of four steps at half strength, and the decoding"
    assert calls[0] == tiles * 2
    assert task.tile is None and task.probe is None


@needs_spandrel
def test_a_network_first_and_a_denoiser_after_it(model: StableDiffusion15, tmp_path: Path) -> None:
    path = upscalers.compact(tmp_path / "c.safetensors")
    source = worker_service_pb2.UpscalerSource(name="c", path=str(path))
    both = Upscaling(source, model, Shelf(), "cpu", "float32")
    seen: list[np.ndarray] = []

    def each(task: UpscaleTask) -> None:
        if isinstance(task.tile, DiffusionTask) and task.tile.image.source is not None and not seen:
            seen.append(task.tile.image.source.rgb)

    asked = assignment(floats(20, 24), width_px=96, height_px=80, strength=0.25)
    _, task = run(both, asked, each)
    assert [stage.kind for stage in task.plan] == [
        StageKind.LOADING,
        StageKind.UPSCALING,
        StageKind.DENOISING,
        StageKind.POST_PROCESSING,
    ]
    enlarged, _ = run(network(path), assignment(floats(20, 24), width_px=96, height_px=80))
    assert np.abs(seen[0] - enlarged[:64, :64]).max() < 1e-4, "it starts from what the network made"
    assert "upscaler/c.safetensors" in both.weights() and len(both.weights()) > 3


def test_a_picture_that_did_not_come_is_named(model: StableDiffusion15) -> None:
    asked = replace(assignment(floats(8, 8), width_px=16, height_px=16), inputs={})
    with pytest.raises(InvalidRequest) as refused:
        refiner(model).prepare(asked)
    assert refused.value.violations[0].field == "spec.upscale.image"


def test_memory_does_not_grow_with_the_result(tiny_root: Path) -> None:
    script = Path(__file__).with_name("upscale_memory.py")
    arguments = [str(script), str(tiny_root / "tiny"), "64", "96>192", "96>768", "64=4096"]
    done = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, timeout=600, check=True
    )
    small, large, scaled = (json.loads(line) for line in done.stdout.splitlines() if line.startswith("{"))
    assert (small["calls"], large["calls"], scaled["calls"]) == (16, 256, 0)
    assert (large["result"], scaled["result"]) == (768 * 768 * 3, 4096 * 4096 * 3)
    # Sixteen times the tiles, and a result of 48 MiB: what an allocator wastes, and strips on their way.
    assert large["peak"] - small["peak"] < 8 << 20
    assert scaled["peak"] - large["peak"] < 16 << 20
