"""FLUX.1 Redux on disk, and models that read a control image themselves: what the daemon makes of them."""

from __future__ import annotations

import json
import shutil
from functools import partial
from pathlib import Path

import pytest

from tests.tiny_flux import build_tiny_flux, build_tiny_redux
from underpaint.daemon.control_specs import check_shown, control_sources
from underpaint.daemon.controls import ControlIndex, fits, roles_of
from underpaint.daemon.models import ModelIndex
from underpaint.daemon.plugins import Plugins
from underpaint.errors import InvalidRequest, ModelUnusable
from underpaint.v1.job_service_pb2 import JobSpec
from underpaint.weights import kinds


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


async def test_a_model_that_reads_an_image_itself_is_the_control_model_for_it(tmp_path: Path) -> None:
    folder = build_tiny_flux(tmp_path / "FLUX.1-Depth-dev", kind="flux-depth")
    build_tiny_flux(tmp_path / "plain")
    models, controls = index_of(tmp_path)
    model = await models.find(folder.name)
    assert [(one.role, one.models) for one in roles_of(model, [])] == [("depth", (folder.name,))]
    spec = JobSpec(model=folder.name)
    with pytest.raises(InvalidRequest, match="reads one 'depth' image; there are 0"):
        check_shown(spec, model)
    spec.controls.add(role="depth", model=folder.name)
    check_shown(spec, model)
    (source,) = await control_sources(spec, controls, await models.plugins())
    assert (source.kind, source.path) == (kinds.PIPELINE, str(folder))
    # A request that names no model paints with one that needs nothing else.
    assert (await models.defaults())[0] == "plain"


async def test_the_role_is_asked_for_where_nothing_tells_it(tmp_path: Path) -> None:
    folder = build_tiny_flux(tmp_path / "mine", kind="flux-depth")
    models, _ = index_of(tmp_path)
    with pytest.raises(ModelUnusable, match="nothing says of which role"):
        await models.find("mine")
    facts = json.loads((folder / "underpaint.json").read_text())
    (folder / "underpaint.json").write_text(json.dumps({**facts, "shown_role": "canny"}))
    model = (await models.all())[0]
    assert model.traits is not None and model.traits.shown_role == "canny"
