from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

# The training code is no part of the installed package.
sys.path.insert(0, str(Path(__file__).parents[3] / "sdk" / "swatch"))


@pytest.fixture(scope="session", autouse=True)
def one_torch_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def one_seed() -> None:
    """The same numbers in every run and in any order of the tests."""
    torch.manual_seed(0)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for checkpoints and data, with the latent of mid-grey."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = tmp_path / "underpaint-swatch"
    (folder / "latents").mkdir(parents=True)
    np.save(folder / "latents" / "grey.npy", np.asarray([0.1, -0.2, 0.3, -0.4], np.float16))
    return folder
