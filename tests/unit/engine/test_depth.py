"""Depth by a network that lies in a model root, of every kind that is offered."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoConfig, AutoImageProcessor, AutoModelForDepthEstimation, Dinov2Config, DPTConfig

from tests import tiny_estimators
from tests.unit.engine.stock import RGB, photo
from underpaint.engine.family import Assignment
from underpaint.engine.pixels import Raster
from underpaint.engine.preprocessing import Preprocessing
from underpaint.engine.preprocessors import underpaint_preprocessors
from underpaint.engine.preprocessors.depth import answers_in_metres, depth, normal
from underpaint.engine.preprocessors.surfaces import normal_from_depth
from underpaint.errors import JobCancelled, PluginFailed
from underpaint.types import PixelFormat
from underpaint.v1 import job_service_pb2
from underpaint.wire.images import format_to_layout
from underpaint.worker_v1.worker_service_pb2 import PluginFunction

SIZE = (48, 72)


def metric(folder: Path) -> Path:
    return tiny_estimators.depth_anything(folder, metric=True)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_estimators.dpt(tmp_path_factory.mktemp("depth") / "tiny-dpt")


def shown(width: int = SIZE[1], height: int = SIZE[0], seed: int = 0) -> np.ndarray:
    colors = photo(width, height, seed).astype(np.float32) / 255
    return np.concatenate([colors, np.ones((height, width, 1), np.float32)], axis=2)


def go_on() -> None:
    """A job that nobody cancels."""


def stock(weights: Path, metric: bool = False, **more: Any) -> np.ndarray:
    """What stock transformers says, of metres their inverse."""
    processor = AutoImageProcessor.from_pretrained(weights)
    network = AutoModelForDepthEstimation.from_pretrained(weights).eval()
    with torch.inference_mode():
        outputs = network(**processor(images=photo(SIZE[1], SIZE[0]), return_tensors="pt"))
    if metric:
        outputs.predicted_depth = 1.0 / outputs.predicted_depth.clamp(min=1e-3)
    (found,) = processor.post_process_depth_estimation(outputs, target_sizes=[SIZE], **more)
    return found["predicted_depth"].numpy()


class Scaling:
    """As torchvision.transforms.functional has it."""

    InterpolationMode = types.SimpleNamespace(BICUBIC="bicubic")

    @staticmethod
    def resize(depth: torch.Tensor, size: list[int], interpolation: str, antialias: bool) -> torch.Tensor:
        assert not antialias
        return torch.nn.functional.interpolate(depth[None], size, mode=interpolation)[0]


def stretched(values: np.ndarray) -> np.ndarray:
    return (values - values.min()) / (values.max() - values.min())


def is_depth(made: np.ndarray) -> None:
    assert made.shape == SIZE and made.dtype == np.float32
    assert (made.min(), made.max()) == (0.0, 1.0)
    assert made.std() > 0.02


@pytest.mark.parametrize("build", [tiny_estimators.dpt, tiny_estimators.depth_anything])
def test_nearness_is_what_stock_transformers_says_from_the_farthest_to_the_nearest(
    build: Callable[[Path], Path], tmp_path: Path
) -> None:
    weights = build(tmp_path / "net")
    made = depth(shown(), {}, go_on, weights)
    is_depth(made)
    np.testing.assert_allclose(made, stretched(stock(weights)), atol=1e-5)
    assert np.abs(depth(shown(seed=3), {}, go_on, weights) - made).mean() > 1e-2


@pytest.mark.parametrize("build", [metric, tiny_estimators.glpn, tiny_estimators.zoe_depth])
def test_metres_become_nearness(
    build: Callable[[Path], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = build(tmp_path / "net")
    made = depth(shown(), {}, go_on, weights)
    is_depth(made)
    more = {"source_sizes": [SIZE]} if build is tiny_estimators.zoe_depth else {}
    # Stock's way to scale what ZoeDepth says wants torchvision, which is not there.
    module = sys.modules[type(AutoImageProcessor.from_pretrained(weights)).__module__]
    monkeypatch.setattr(module, "tvF", Scaling, raising=False)
    wanted = stock(weights, metric=True, **more)
    np.testing.assert_allclose(made, stretched(wanted), atol=1e-5)
    metres = stock(weights, **more)
    assert np.median(made[metres > np.median(metres)]) < np.median(made[metres < np.median(metres)])
    assert np.abs(depth(shown(seed=3), {}, go_on, weights) - made).mean() > 1e-2


def test_depth_pro_needs_no_torchvision(tmp_path: Path) -> None:
    weights = tiny_estimators.depth_pro(tmp_path / "net")
    made = depth(shown(), {}, go_on, weights)
    is_depth(made)
    network = AutoModelForDepthEstimation.from_pretrained(weights).eval()
    pixels = torch.from_numpy(photo(SIZE[1], SIZE[0])).permute(2, 0, 1)[None].float() / 127.5 - 1.0
    with torch.inference_mode():
        scaled = torch.nn.functional.interpolate(pixels, (64, 64), mode="bilinear", align_corners=False)
        said = network(pixel_values=scaled).predicted_depth[None]
    said = torch.nn.functional.interpolate(said, SIZE, mode="bilinear", align_corners=False)[0, 0]
    np.testing.assert_allclose(made, stretched(said.numpy()), atol=1e-5)
    assert np.abs(depth(shown(seed=3), {}, go_on, weights) - made).mean() > 1e-2


def test_a_dpt_answers_in_metres_if_dinov2_is_under_it(weights: Path) -> None:
    assert not answers_in_metres(AutoConfig.from_pretrained(weights))
    assert answers_in_metres(DPTConfig(backbone_config=Dinov2Config(), is_hybrid=False))


def test_normals_are_those_of_the_depth(weights: Path) -> None:
    parameters = {"relief": 20.0, "smooth": 1.0}
    made = normal(shown(), parameters, go_on, weights)
    near = depth(shown(), {}, go_on, weights)[..., None].repeat(3, axis=2)
    wanted = normal_from_depth(near, {**parameters, "near_is_black": 0.0}, go_on)
    np.testing.assert_array_equal(made, wanted)
    lengths = np.linalg.norm(made * 2.0 - 1.0, axis=2)
    np.testing.assert_allclose(lengths, 1.0, atol=1e-4)
    assert made[..., :2].std() > 0.05


def test_a_cancelled_job_stops_before_the_network_runs(weights: Path) -> None:
    def cancelled() -> None:
        raise JobCancelled("The job was cancelled.")

    with pytest.raises(JobCancelled):
        depth(shown(), {}, cancelled, weights)


def function(weights: Path) -> PluginFunction:
    (descriptor,) = (one for one in underpaint_preprocessors() if one.name == "depth")
    assert "DPTForDepthEstimation" in descriptor.weights
    return PluginFunction(name="depth", engine=descriptor.engine, weights=str(weights))


def job() -> Assignment:
    spec = job_service_pb2.JobSpec()
    spec.preprocess.preprocessor, spec.preprocess.image.blob = "depth", "b"
    spec.output_layout.CopyFrom(format_to_layout(PixelFormat()))
    return Assignment("jobs/1", spec, {"b": Raster.over(photo(72, 48).tobytes(), RGB, 72, 48)})


def test_a_job_gets_the_weights_that_the_daemon_found(weights: Path) -> None:
    family = Preprocessing(function(weights))
    (picture,) = family.finish(family.prepare(job()))
    made = depth(shown(), {}, go_on, weights)
    np.testing.assert_allclose(picture.samples[..., 0] / 255, made, atol=3e-3)


def test_weights_that_cannot_be_read_are_the_plug_ins_fault(tmp_path: Path) -> None:
    family = Preprocessing(function(tmp_path))
    with pytest.raises(PluginFailed, match="'depth' failed"):
        family.finish(family.prepare(job()))
