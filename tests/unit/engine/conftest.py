from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TQDM_DISABLE", "1")

import torch

from tests.tiny_flux import build_tiny_flux
from tests.tiny_models import build_tiny
from tests.unit.engine.worker_process import WorkerProcess


@pytest.fixture(scope="session", autouse=True)
def one_torch_thread() -> None:
    # Tiny networks: more threads only fight for the cores.
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of tiny models: plain, inpaint, swatch-like."""
    root = tmp_path_factory.mktemp("models")
    build_tiny(root / "plain")
    build_tiny(root / "inpaint", kind="sd15-inpaint", seed=1)
    build_tiny(
        root / "small",
        seed=2,
        vae="tiny",
        prediction_type="v_prediction",
        pooled_text=True,
        text_length=16,
    )
    build_tiny(root / "distilled", seed=7, guidance_width=8)
    for seed, kind in enumerate(("sdxl", "sdxl-inpaint", "sdxl-refiner"), 4):
        build_tiny(root / kind, kind=kind, seed=seed)
    for seed, flux in enumerate(("flux-dev", "flux-schnell", "flux-fill", "flux-kontext"), 8):
        build_tiny_flux(root / flux, kind=flux, seed=seed)
    build_tiny(root / "sdxl-refined", kind="sdxl", seed=4, refiner="../sdxl-refiner")
    build_tiny(root / "small-inpaint", seed=3, kind="sd15-inpaint", pooled_text=True, shared_from="../small")
    return root


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkerProcess]:
    with WorkerProcess(tmp_path_factory.mktemp("worker")) as process:
        yield process
