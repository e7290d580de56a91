"""Upscaling from the shell and the client down to a real worker."""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pictures

import underpaint
from tests.support.folders import remove
from tests.support.installation import Installation
from tests.unit.engine import upscalers
from underpaint.errors import InvalidRequest, JobCancelled, ModelNotFound
from underpaint.types import Alpha, Channels, Image, PixelFormat, StageKind, UpscaleRequest

pytestmark = pytest.mark.slow

RGB = PixelFormat(Channels.RGB, alpha=Alpha.NONE)
WITH = importlib.util.find_spec("spandrel") is not None
needs_spandrel = pytest.mark.skipif(not WITH, reason="needs spandrel: pip install 'underpaint[upscale]'")


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory, tiny_root: Path) -> Iterator[Installation]:
    """A daemon with the tiny models and, in a second root, a tiny upscaler where ComfyUI would keep it."""
    folder = tmp_path_factory.mktemp("installation")
    root = folder / "comfy" / "models" / "upscale_models"
    root.mkdir(parents=True)
    (root.parent / "checkpoints").mkdir()
    upscalers.compact(root / "tiny-x4.safetensors", seed=3)
    runtime = Path(tempfile.mkdtemp(prefix="up-"))
    shared = Installation(folder, runtime, tiny_root)
    shared.run("models", "roots", "add", str(folder / "comfy" / "models"))
    shared.serve()
    yield shared
    shared.close()
    remove(runtime)


@pytest.fixture
def client(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> Iterator[underpaint.Client]:
    for name, value in installation.places.items():
        monkeypatch.setenv(name, value)
    with underpaint.connect(start=False) as found:
        yield found


def pixels(height: int = 30, width: int = 44) -> np.ndarray:
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([x * 5 % 256, y * 7 % 256, (x + y) * 3 % 256], axis=2).astype(np.uint8)


def image(height: int = 30, width: int = 44) -> Image:
    return Image(width, height, pixels(height, width).tobytes(), RGB, x=2, y=3)


def run(client: underpaint.Client, request: UpscaleRequest) -> tuple[np.ndarray, dict[str, object]]:
    job = client.submit(request)
    update = job.wait()
    (made,) = job.fetch()
    array = np.frombuffer(bytes(made.data), np.uint8).reshape(made.height, made.width, -1)
    assert (made.x, made.y) == (2, 3)
    job.delete()
    return array, dict(update.resolved)


@needs_spandrel
def test_an_upscaler_is_found_where_it_lies_and_used_first(client: underpaint.Client) -> None:
    (found,) = client.models("upscaler").models
    assert (found.name, found.problem) == ("upscaler:tiny-x4", "")
    made, resolved = run(client, UpscaleRequest(image=image()))
    assert made.shape == (120, 176, 3)
    asked = resolved["upscale"]
    assert isinstance(asked, dict)
    assert (asked["upscaler"], asked["strength"]) == ("upscaler:tiny-x4", 0.0)
    assert resolved["model"] == ""
    same, _ = run(client, UpscaleRequest(image=image(), upscaler="tiny-x4", width=176))
    assert np.array_equal(made, same)
    odd, _ = run(client, UpscaleRequest(image=image(), upscaler=found.path, factor=2.5))
    assert odd.shape == (75, 110, 3)


def test_without_an_upscaler_a_model_refines_and_says_how_far_it_is(client: underpaint.Client) -> None:
    request = UpscaleRequest(image=image(), upscaler="lanczos", factor=3.0, prompt="moss", seed=4, steps=4)
    job = client.submit(request)
    update = job.wait()
    assert [stage.kind for stage in update.plan] == [
        StageKind.LOADING,
        StageKind.DENOISING,
        StageKind.POST_PROCESSING,
    ]
    asked = update.resolved["upscale"]
    assert isinstance(asked, dict)
    assert (asked["strength"], asked["width_px"], asked["height_px"]) == (0.3, 132, 90)
    (made,) = job.fetch()
    assert (made.width, made.height) == (132, 90)
    job.delete()
    plain, resolved = run(client, UpscaleRequest(image=image(), upscaler="lanczos", strength=0.0, factor=3.0))
    assert plain.shape == (90, 132, 3) and resolved["model"] == ""
    closeness = np.abs(plain[45::3, 45::3].astype(int) - pixels()[15:, 15:].astype(int)[:15, :29])
    assert np.median(closeness) < 12


def test_a_cancelled_upscaling_stops_after_a_tile(client: underpaint.Client) -> None:
    request = UpscaleRequest(image=image(), upscaler="lanczos", factor=16.0, strength=1.0, steps=200)
    job = client.submit(request)
    job.cancel()
    with pytest.raises(JobCancelled):
        job.wait()


def test_what_makes_no_sense_is_refused_before_it_is_queued(client: underpaint.Client) -> None:
    with pytest.raises(InvalidRequest) as both:
        client.submit(UpscaleRequest(image=image(), factor=2.0, width=90))
    assert both.value.violations[0].field == "spec.upscale.factor"
    with pytest.raises(InvalidRequest) as large:
        client.submit(UpscaleRequest(image=image(64, 4096), factor=64.0))
    assert "smaller factor" in str(large.value)
    with pytest.raises(ModelNotFound, match="lanczos"):
        client.submit(UpscaleRequest(image=image(), upscaler="nobody"))


def test_the_shell_makes_a_larger_picture_that_tiles(installation: Installation, tmp_path: Path) -> None:
    x = np.arange(40)
    wave = np.tile(128 + 90 * np.sin(2 * np.pi * x / 40), (40, 1))[..., None].repeat(3, axis=2)
    Pictures.fromarray(wave.astype(np.uint8)).save(tmp_path / "wave.png")
    target = tmp_path / "large.png"
    said = installation.json(
        "upscale", str(tmp_path / "wave.png"), "-o", str(target), "--factor", "3", "--tile", "x",
        "--upscaler", "lanczos", "--strength", "0",
    )  # fmt: skip
    assert said["request"]["upscale"]["width_px"] == 120
    with Pictures.open(target) as made:
        assert made.size == (120, 120)
        row = np.asarray(made.convert("L"))[60].astype(int)
    assert abs(row[0] - row[-1]) <= np.abs(np.diff(row)).max()
    assert said["request"]["tile_x"] is True
