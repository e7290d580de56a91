"""FLUX.1 Redux on disk: found at any depth, fitted to its models, listed with what is wrong with it."""

from __future__ import annotations

import json
import shutil
from functools import partial
from pathlib import Path

import pytest

from tests.tiny_flux import build_tiny_flux, build_tiny_redux
from underpaint.daemon.controls import ControlIndex, fits, roles_of
from underpaint.daemon.models import ModelIndex
from underpaint.daemon.plugins import Plugins
from underpaint.errors import ModelUnusable


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("built")
    build_tiny_flux(root / "dev")
    build_tiny_redux(root / "downloads" / "redux")
    return root


@pytest.fixture
def root(built: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(built, tmp_path / "root"))


def index_of(root: Path) -> tuple[ModelIndex, ControlIndex]:
    models = ModelIndex([root], load_plugins=partial(Plugins, installed_models=False))
    return models, ControlIndex(models)


async def test_redux_is_a_control_model_for_references_of_flux(root: Path) -> None:
    models, controls = index_of(root)
    (found,) = await controls.all()
    redux = root / "downloads" / "redux"
    assert found.traits is not None
    assert (found.name, found.folder, found.encoder) == ("downloads/redux", redux, redux / "image_encoder")
    assert (found.traits.kind, found.traits.roles) == ("redux", ("reference",))
    assert found.size_bytes == sum(path.stat().st_size for path in redux.rglob("*.safetensors"))
    dev = await models.find("dev")
    assert fits(found, dev)
    assert [role.role for role in roles_of(dev, [found])] == ["reference"]
    assert (await controls.find(str(redux))).encoder == redux / "image_encoder"
    # It is listed among models, too, as one that steers.
    with pytest.raises(ModelUnusable, match="it steers other models, see 'underpaint models controls'"):
        await models.find("downloads/redux")
    assert "downloads/redux" not in [model.name for model in await models.all("")]


async def test_redux_for_another_text_fits_nothing_here(root: Path) -> None:
    path = root / "downloads" / "redux" / "image_embedder" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "txt_in_features": 4096}))
    models, controls = index_of(root)
    (found,) = await controls.all()
    assert found.traits is not None and not fits(found, await models.find("dev"))


@pytest.mark.parametrize(
    ("broken", "problem"),
    [
        (
            "feature_extractor/preprocessor_config.json",
            "feature_extractor/preprocessor_config.json is missing",
        ),
        (
            "image_embedder/diffusion_pytorch_model.safetensors",
            "its image_embedder has no safetensors weights",
        ),
        ("image_encoder/config.json", "image_encoder/config.json is missing"),
    ],
)
async def test_redux_that_is_not_whole_says_what_is_missing(root: Path, broken: str, problem: str) -> None:
    (root / "downloads" / "redux" / broken).unlink()
    _, controls = index_of(root)
    with pytest.raises(ModelUnusable, match=problem):
        await controls.find("downloads/redux")
