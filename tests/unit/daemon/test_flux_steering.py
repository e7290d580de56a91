"""What steers FLUX.1 on disk (Redux, IP-Adapters, models that read an image themselves), as indexed."""

from __future__ import annotations

import json
import shutil
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import CLIPConfig, CLIPModel

from tests.tiny_flux import (
    build_tiny_control_lora,
    build_tiny_flux,
    build_tiny_flux_reference,
    build_tiny_redux,
)
from tests.tiny_models import build_tiny, build_tiny_reference
from tests.unit.daemon.harness import image_layout
from underpaint.daemon.blobs.folder import PixelFolder
from underpaint.daemon.blobs.store import BlobStore
from underpaint.daemon.control_specs import check_shown, control_sources, resolve_controls
from underpaint.daemon.controls import ControlIndex, fits, roles_of, to_control_info
from underpaint.daemon.loras import LoraIndex
from underpaint.daemon.models import ModelIndex
from underpaint.daemon.plugins import Plugins
from underpaint.engine.controls.encoder import ImageEncoders
from underpaint.engine.residency import Shelf
from underpaint.errors import InvalidRequest, ModelUnusable
from underpaint.types import Bounds
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


def no_blobs(root: Path) -> BlobStore:
    (root / "pixels").mkdir()
    return BlobStore(PixelFolder(root / "pixels"), quota_bytes=1 << 20, lease_s=60, max_pixels=1 << 20)


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


async def test_an_ip_adapter_is_found_for_the_models_that_it_fits_and_no_other(tmp_path: Path) -> None:
    build_tiny_flux(tmp_path / "dev")
    build_tiny_flux(tmp_path / "deep", double_blocks=2)
    build_tiny(tmp_path / "sd15")
    build_tiny_flux_reference(tmp_path / "xlabs" / "ip_adapter.safetensors")
    build_tiny_flux_reference(tmp_path / "xlabs" / "renamed.safetensors", xlabs=False)
    build_tiny_reference(tmp_path / "h94" / "ip-adapter_sd15.safetensors")
    models, controls = index_of(tmp_path)
    found = {one.name: one for one in await controls.all()}
    whole = [await models.find(name) for name in ("deep", "dev", "sd15")]
    for name in ("ip_adapter", "renamed"):
        info = to_control_info(found[f"xlabs/{name}"], whole)
        assert (info.family, info.kind, info.roles, info.models) == (
            "flux",
            "ip-adapter",
            ("reference",),
            ("dev",),
        )
        assert found[f"xlabs/{name}"].encoder == tmp_path / "xlabs" / "image_encoder"
    assert to_control_info(found["h94/ip-adapter_sd15"], whole).models == ("sd15",)
    spec = JobSpec(model="dev")
    spec.controls.add(role="reference", model="h94/ip-adapter_sd15")
    dev, plugins, blobs = await models.find("dev"), await models.plugins(), no_blobs(tmp_path)
    with pytest.raises(
        InvalidRequest, match="not for 1 double blocks 16 wide, text 16; these fit: xlabs/ip_a"
    ):
        await resolve_controls(spec, dev, Bounds(0, 0, 64, 64), controls, blobs, plugins)


async def test_an_ip_adapter_of_another_make_is_refused_with_the_one_to_get(tmp_path: Path) -> None:
    path = build_tiny_flux_reference(tmp_path / "instantx.safetensors", xlabs=False)
    tensors = {name: tensor for name, tensor in load_file(path).items() if name.startswith("ip_adapter.")}
    tensors |= {"image_proj.proj.0.weight": torch.zeros(8, 12), "image_proj.norm.weight": torch.ones(16)}
    save_file(tensors, path)
    _, controls = index_of(tmp_path)
    with pytest.raises(ModelUnusable, match="Get XLabs-AI/flux-ip-adapter"):
        await controls.find("instantx")


async def test_the_whole_of_clip_serves_as_an_image_encoder(tmp_path: Path) -> None:
    path = build_tiny_flux_reference(tmp_path / "ip_adapter.safetensors")
    shutil.rmtree(tmp_path / "image_encoder")
    _, controls = index_of(tmp_path)
    with pytest.raises(ModelUnusable, match="looks through an image encoder that projects to 12"):
        await controls.find("ip_adapter")
    shape = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    vision = {**shape, "image_size": 28, "patch_size": 7, "projection_dim": 12}
    clip = CLIPModel(CLIPConfig(text_config=shape, vision_config=vision, projection_dim=12)).eval()
    clip.save_pretrained(tmp_path / "clip-vit-large-patch14")
    found = await index_of(tmp_path)[1].find("ip_adapter")
    assert found.encoder == tmp_path / "clip-vit-large-patch14"
    pixels = torch.randn(1, 3, 28, 28, generator=torch.Generator().manual_seed(1))
    encoder, _ = ImageEncoders(Shelf(), "dev", "cpu", torch.float32).load(found.encoder)
    with torch.no_grad():
        read, whole = encoder(pixels).image_embeds, clip.visual_projection(clip.vision_model(pixels)[1])
    assert torch.equal(read, whole) and path.is_file()


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


async def test_a_lora_that_reads_an_image_is_a_control_model_and_no_lora(tmp_path: Path) -> None:
    build_tiny_flux(tmp_path / "dev")
    build_tiny_flux(tmp_path / "FLUX.1-Depth-dev", kind="flux-depth")
    build_tiny_control_lora(tmp_path / "loras" / "flux1-depth-dev-lora.safetensors")
    build_tiny_control_lora(tmp_path / "loras" / "flux1-canny-dev-lora.safetensors", whole=False)
    models, controls = index_of(tmp_path)
    found = {one.name: one for one in await controls.all()}
    dev, plugins, blobs = await models.find("dev"), await models.plugins(), no_blobs(tmp_path)
    info = to_control_info(found["loras/flux1-depth-dev-lora"], [dev, await models.find("FLUX.1-Depth-dev")])
    assert (info.kind, info.roles, info.models) == ("control-lora", ("depth",), ("dev",))
    assert [one.role for one in roles_of(dev, found.values())] == ["canny", "depth"]
    loras = LoraIndex(models)
    assert await loras.all() == []
    with pytest.raises(ModelUnusable, match="--control depth=IMAGE,model=loras/flux1-depth-dev-lora"):
        await loras.find("flux1-depth-dev-lora")

    picture = await blobs.create(image_layout(64, 64))
    await blobs.seal(picture.name)

    async def refused(*roles: str, mask: bool = False) -> str:
        spec = JobSpec(model="dev")
        for role in roles:
            control = spec.controls.add(role=role)
            control.image.blob = picture.name
            if mask:
                control.mask.blob = "blobs/mask"
        with pytest.raises(InvalidRequest) as raised:
            await resolve_controls(spec, dev, Bounds(0, 0, 64, 64), controls, blobs, plugins)
        return raised.value.message

    assert "changes the model as a whole: it takes no mask" in await refused("depth", mask=True)
    assert "one control LoRA can be worn at a time" in await refused("depth", "canny")


async def test_the_role_is_asked_for_where_nothing_tells_it(tmp_path: Path) -> None:
    folder = build_tiny_flux(tmp_path / "mine", kind="flux-depth")
    models, _ = index_of(tmp_path)
    with pytest.raises(ModelUnusable, match="nothing says of which role"):
        await models.find("mine")
    facts = json.loads((folder / "underpaint.json").read_text())
    (folder / "underpaint.json").write_text(json.dumps({**facts, "shown_role": "canny"}))
    model = (await models.all())[0]
    assert model.traits is not None and model.traits.shown_role == "canny"
