"""Depth by a network that lies in a model root."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import DPTConfig, DPTForDepthEstimation, DPTImageProcessor

from tests.unit.engine.stock import RGB, photo
from underpaint.engine.family import Assignment
from underpaint.engine.pixels import Raster
from underpaint.engine.preprocessing import Preprocessing
from underpaint.engine.preprocessors import underpaint_preprocessors
from underpaint.engine.preprocessors.depth import depth
from underpaint.errors import JobCancelled, PluginFailed
from underpaint.types import PixelFormat
from underpaint.v1 import job_service_pb2
from underpaint.wire.images import format_to_layout
from underpaint.worker_v1.worker_service_pb2 import PluginFunction


def build_depth(folder: Path) -> Path:
    """Writes a tiny random DPT into `folder`, as transformers does."""
    config = DPTConfig(
        hidden_size=16,
        num_hidden_layers=4,
        num_attention_heads=2,
        intermediate_size=32,
        image_size=32,
        patch_size=8,
        is_hybrid=False,
        backbone_out_indices=[0, 1, 2, 3],
        neck_hidden_sizes=[8, 8, 8, 8],
        fusion_hidden_size=8,
        reassemble_factors=[4, 2, 1, 0.5],
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = DPTForDepthEstimation(config)
        for weight in network.parameters():
            if weight.ndim > 1:
                torch.nn.init.normal_(weight, std=0.2)
    network.save_pretrained(folder)
    DPTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_depth(tmp_path_factory.mktemp("depth") / "tiny-dpt")


def shown(width: int = 72, height: int = 48, seed: int = 0) -> np.ndarray:
    colors = photo(width, height, seed).astype(np.float32) / 255
    return np.concatenate([colors, np.ones((height, width, 1), np.float32)], axis=2)


def test_depth_is_what_the_network_says_from_its_farthest_to_its_nearest(weights: Path) -> None:
    made = depth(shown(), {}, lambda: None, weights)
    assert made.shape == (48, 72) and made.dtype == np.float32
    assert (made.min(), made.max()) == (0.0, 1.0)
    network = DPTForDepthEstimation.from_pretrained(weights).eval()
    pixels = DPTImageProcessor.from_pretrained(weights)(images=photo(72, 48), return_tensors="pt")
    with torch.inference_mode():
        said = network(**pixels).predicted_depth[None]
    said = torch.nn.functional.interpolate(said, (48, 72), mode="bicubic")[0, 0].numpy()
    said = (said - said.min()) / (said.max() - said.min())
    # OpenCV's cubic is torch's up to the weights at the border.
    assert np.abs(made - said).mean() < 1e-3
    assert np.abs(depth(shown(seed=3), {}, lambda: None, weights) - made).mean() > 1e-2


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
    made = depth(shown(), {}, lambda: None, weights)
    np.testing.assert_allclose(picture.samples[..., 0] / 255, made, atol=3e-3)


def test_weights_that_cannot_be_read_are_the_plug_ins_fault(tmp_path: Path) -> None:
    family = Preprocessing(function(tmp_path))
    with pytest.raises(PluginFailed, match="'depth' failed"):
        family.finish(family.prepare(job()))
