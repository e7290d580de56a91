"""IP-Adapters with their image encoders and T2I adapters on disk, and references through a real daemon."""

from __future__ import annotations

import json
import shutil
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.support.weight_files import write_weights
from tests.unit.daemon.harness import Caller, Home, connect, image_layout, write_control, write_model
from underpaint.daemon.controls import ControlIndex, fits, roles_of
from underpaint.daemon.models import ModelIndex
from underpaint.daemon.plugins import Plugins
from underpaint.engine.flux.describe_net import base_of_transformer
from underpaint.errors import InvalidRequest, ModelNotFound, ModelUnusable
from underpaint.types import ControlRole
from underpaint.v1 import job_service_pb2 as pb
from underpaint.v1 import model_service_pb2

# Of the cross-attentions of harness.write_model's U-Net: down, up, middle.
WIDTHS = [320] * 2 + [640] * 2 + [1280] * 2 + [1280] * 3 + [640] * 3 + [320] * 3 + [1280]
TEXT = 1280
PLAIN = {"image_proj.proj.weight": (4 * TEXT, 1024), "image_proj.norm.weight": (TEXT,)}
PLUS = {"image_proj.latents": (1, 16, 768), "image_proj.proj_in.weight": (768, 1280)}
FACE = {"image_proj.proj.0.weight": (1024, 512), "image_proj.norm.weight": (TEXT,)}
ALL = ("reference", "style", "composition")


def write_reference(
    path: Path,
    projection: dict[str, tuple[int, ...]] = PLAIN,
    widths: list[int] = WIDTHS,
    text: int = TEXT,
    **facts: object,
) -> Path:
    """An IP-Adapter's header; nobody reads its tensors here."""
    path.parent.mkdir(parents=True, exist_ok=True)
    keys = {f"ip_adapter.{2 * n + 1}.to_k_ip.weight": (width, text) for n, width in enumerate(widths)}
    if facts:
        path.with_name(f"{path.stem}.underpaint.json").write_text(json.dumps(facts))
    return write_weights(path, {**projection, **keys})


def write_encoder(folder: Path, width: int = 1280, projection: int = 1024) -> Path:
    """An image encoder's folder, ViT-H unless said otherwise."""
    folder.mkdir(parents=True)
    config = {"model_type": "clip_vision_model", "hidden_size": width, "projection_dim": projection}
    (folder / "config.json").write_text(json.dumps(config))
    write_weights(
        folder / "model.safetensors", {"vision_model.embeddings.patch_embedding.weight": (width, 3, 14, 14)}
    )
    return folder


async def index_of(root: Path) -> tuple[ModelIndex, ControlIndex]:
    models = ModelIndex([root], load_plugins=partial(Plugins, installed_models=False))
    return models, ControlIndex(models)


async def test_an_adapter_is_found_at_any_depth_with_the_encoder_beside_it(tmp_path: Path) -> None:
    write_model(tmp_path, "tiny")
    write_reference(tmp_path / "ip" / "models" / "plain.safetensors", title="Plain one")
    encoder = write_encoder(tmp_path / "ip" / "models" / "image_encoder")
    write_encoder(tmp_path / "another")
    models, controls = await index_of(tmp_path)
    (found,) = await controls.all()
    assert found.traits is not None
    assert (found.name, found.traits.kind, found.traits.title) == (
        "ip/models/plain",
        "ip-adapter",
        "Plain one",
    )
    assert (found.traits.roles, found.encoder) == (ALL, encoder)
    tiny = await models.find("tiny")
    assert fits(found, tiny)
    assert [role.role for role in roles_of(tiny, [found])] == ["composition", "reference", "style"]


@pytest.mark.parametrize(
    ("projection", "encoder", "fits_it"),
    [
        (PLAIN, (1280, 1024), True),
        (PLAIN, (1664, 1280), False),
        (PLUS, (1280, 1024), True),
        (PLUS, (1664, 1280), False),
    ],
)
async def test_an_encoder_anywhere_in_the_roots_serves_if_its_shape_fits(
    tmp_path: Path, projection: dict[str, tuple[int, ...]], encoder: tuple[int, int], fits_it: bool
) -> None:
    write_reference(tmp_path / "a.safetensors", projection)
    folder = write_encoder(tmp_path / "clip" / "vision", *encoder)
    (found,) = await (await index_of(tmp_path))[1].all()
    assert found.encoder == (folder if fits_it else None)
    assert (found.traits is not None) is fits_it


async def test_an_adapter_without_an_encoder_says_which_it_needs_and_is_usable_once_there_is_one(
    tmp_path: Path,
) -> None:
    write_reference(tmp_path / "a.safetensors")
    models, controls = await index_of(tmp_path)
    with pytest.raises(ModelUnusable, match="that projects to 1024, and there is none. Put its file"):
        await controls.find("a")
    write_encoder(tmp_path / "image_encoder")
    await models.all()
    assert (await controls.find("a")).encoder == tmp_path / "image_encoder"


@pytest.mark.parametrize(
    ("write", "problem"),
    [
        (lambda path: write_reference(path, FACE), "reads faces (FaceID)"),
        (lambda path: write_reference(path, {"image_proj.x": (4, 4)}), "of no known kind"),
        (lambda path: write_reference(path, roles="style"), "list of names"),
    ],
)
async def test_an_adapter_that_cannot_be_used_is_listed_with_its_problem(
    tmp_path: Path, write: object, problem: str
) -> None:
    assert callable(write)
    write(tmp_path / "bad.safetensors")
    write_reference(tmp_path / "good.safetensors")
    write_encoder(tmp_path / "image_encoder")
    bad, good = await (await index_of(tmp_path))[1].all()
    assert problem in bad.problem and good.traits is not None


async def test_an_adapter_for_another_shape_does_not_fit(tmp_path: Path) -> None:
    write_model(tmp_path, "tiny")
    write_reference(tmp_path / "narrow.safetensors", text=768)
    write_reference(tmp_path / "short.safetensors", widths=WIDTHS[:-1])
    write_reference(tmp_path / "wide.safetensors", text=2048)
    write_encoder(tmp_path / "image_encoder")
    models, controls = await index_of(tmp_path)
    tiny = await models.find("tiny")
    found = await controls.all()
    assert [one.traits is not None and not fits(one, tiny) for one in found] == [True] * 3
    families = [one.family.name for one in found if one.family is not None]
    assert families == ["sd15", "sd15", "sdxl"]
    assert roles_of(tiny, found) == ()


async def test_a_file_outside_the_roots_is_found_by_its_path_only(tmp_path: Path) -> None:
    path = write_reference(tmp_path / "outside" / "a.safetensors")
    write_encoder(tmp_path / "outside" / "image_encoder")
    (tmp_path / "models").mkdir()
    controls = (await index_of(tmp_path / "models"))[1]
    found = await controls.find(str(path))
    assert found.encoder == tmp_path / "outside" / "image_encoder"
    assert await controls.all() == []


async def test_a_control_net_deep_below_a_root_is_found_as_its_folder(tmp_path: Path) -> None:
    write_model(tmp_path, "tiny")
    folder = write_control(tmp_path / "nets" / "of", "mine", "depth")
    weights = {"controlnet_cond_embedding.conv_in.weight": (16, 3, 3, 3)}
    write_weights(folder / "diffusion_pytorch_model.safetensors", weights)
    models, controls = await index_of(tmp_path)
    (found,) = await controls.all()
    assert (found.name, found.folder) == ("nets/of/mine", folder)
    assert roles_of(await models.find("tiny"), [found]) == (ControlRole("depth", ("nets/of/mine",)),)


def write_adapter(root: Path, name: str, **config: object) -> Path:
    """A T2I adapter's folder for Stable Diffusion 1.5."""
    folder = root / name
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"_class_name": "T2IAdapter", **config}))
    write_weights(folder / "diffusion_pytorch_model.safetensors", adapter_shapes())
    return folder


def adapter_shapes(
    channels: int = 192, widths: tuple[int, ...] = (320, 640, 1280, 1280)
) -> dict[str, tuple[int, ...]]:
    """Names and shapes of an adapter under diffusers' names."""
    blocks = {
        f"adapter.body.{block}.resnets.{layer}.block1.weight": (width, width, 3, 3)
        for block, width in enumerate(widths)
        for layer in range(2)
    }
    return {"adapter.conv_in.weight": (widths[0], channels, 3, 3), **blocks}


async def test_t2i_adapters_are_found_as_folders_and_files_and_fit_by_their_features(tmp_path: Path) -> None:
    write_model(tmp_path, "tiny")
    write_adapter(tmp_path, "t2i-adapter-canny")
    write_adapter(tmp_path / "deeper", "sketchy", downscale_factor=16, adapter_type="full_adapter_xl")
    write_weights(tmp_path / "t2i_depth.safetensors", adapter_shapes())
    write_weights(tmp_path / "t2i_xl.safetensors", adapter_shapes(768))
    write_weights(tmp_path / "t2i_narrow.safetensors", adapter_shapes(64, (64, 128, 256, 256)))
    models, controls = await index_of(tmp_path)
    tiny = await models.find("tiny")
    found = {one.name: one for one in await controls.all()}
    families = {name: one.family.name for name, one in found.items() if one.family is not None}
    assert families == {
        "deeper/sketchy": "sdxl",
        "t2i-adapter-canny": "sd15",
        "t2i_depth": "sd15",
        "t2i_narrow": "sd15",
        "t2i_xl": "sdxl",
    }
    assert [name for name, one in found.items() if fits(one, tiny)] == ["t2i-adapter-canny", "t2i_depth"]
    assert {one.traits.kind for one in found.values() if one.traits is not None} == {"t2i-adapter"}
    assert roles_of(tiny, found.values()) == (
        ControlRole("canny", ("t2i-adapter-canny",)),
        ControlRole("depth", ("t2i_depth",)),
    )


async def test_a_file_with_a_part_of_an_adapter_is_refused(tmp_path: Path) -> None:
    shapes = {"conv_in.weight": (320, 192, 3, 3), "body.0.block1.weight": (320, 320, 3, 3)}
    write_weights(tmp_path / "old.safetensors", shapes)
    with pytest.raises(ModelUnusable, match="not those of a T2I adapter"):
        await (await index_of(tmp_path))[1].find("old")


async def test_a_union_net_has_a_role_for_each_of_its_modes(tmp_path: Path) -> None:
    write_model(tmp_path, "tiny")
    write_control(tmp_path, "six", _class_name="ControlNetUnionModel")
    write_control(tmp_path, "eight", _class_name="ControlNetUnionModel", num_control_type=8)
    own = write_control(tmp_path, "own", _class_name="ControlNetUnionModel")
    (own / "underpaint.json").write_text('{"modes": {"moss": 0, "stone": 5}}')
    bad = write_control(tmp_path, "bad", _class_name="ControlNetUnionModel")
    (bad / "underpaint.json").write_text('{"modes": {"moss": 6}}')
    models, controls = await index_of(tmp_path)
    found = {one.name: one for one in await controls.all()}
    roles = {name: one.traits.roles for name, one in found.items() if one.traits is not None}
    assert roles["own"] == ("moss", "stone") and roles["eight"] == (*roles["six"], "tile")
    assert {"pose", "depth", "canny", "line-art", "scribble", "normal", "segmentation"} < set(roles["six"])
    assert "numbers from 0 to 5 by role" in found["bad"].problem
    assert {one.traits.kind for one in found.values() if one.traits is not None} == {"control-net-union"}
    assert fits(found["six"], await models.find("tiny"))


async def test_flux_control_nets_are_told_by_their_configuration_and_fit_plain_models_only(
    tmp_path: Path,
) -> None:
    build_flux = {"in_channels": 64, "guidance_embeds": True}
    write_control(tmp_path, "flux-canny", _class_name="FluxControlNetModel", **build_flux)
    write_control(tmp_path, "flux-union", _class_name="FluxControlNetModel", num_mode=7, **build_flux)
    write_control(tmp_path, "narrow", "depth", _class_name="FluxControlNetModel", num_attention_heads=2)
    found = {one.name: one for one in await (await index_of(tmp_path))[1].all()}
    assert {one.family.name for one in found.values() if one.family is not None} == {"flux"}
    traits = {name: one.traits for name, one in found.items() if one.traits is not None}
    assert traits["flux-canny"].roles == ("canny",)
    assert set(traits["flux-union"].roles) == {
        *("canny", "tile", "depth", "blur", "pose", "grey", "low-quality")
    }
    assert {name: one.kind for name, one in traits.items()} == {
        "flux-canny": "control-net",
        "flux-union": "control-net-union",
        "narrow": "control-net",
    }
    whole = base_of_transformer({})
    assert {name for name, one in traits.items() if one.base == whole} == {"flux-canny", "flux-union"}


@pytest.fixture(scope="module")
def steered_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    home = Home(tmp_path_factory.mktemp("home"))
    write_model(home.models, "tiny")
    write_control(home.models, "lines", "line-art")
    write_reference(home.models / "look.safetensors")
    write_encoder(home.models / "image_encoder")
    with home.daemon():
        yield home
    shutil.rmtree(home.runtime, ignore_errors=True)


@pytest.fixture
async def steered(steered_home: Home) -> AsyncIterator[Caller]:
    caller = connect(steered_home)
    yield caller
    await caller.channel.close()


async def reference(caller: Caller, role: str, x: int = 0) -> pb.Control:
    blob = await caller.upload(image_layout(24, 16), b"\x80" * (24 * 16 * 4))
    made = pb.Control(role=role)
    made.image.blob, made.image.x_px = blob, x
    return made


async def submit(caller: Caller, *controls: pb.Control) -> pb.Job:
    return await caller.submit(spec=pb.JobSpec(text_to_image=pb.TextToImage(), controls=controls))


async def test_a_reference_may_lie_beside_the_picture_and_reaches_the_worker_with_its_encoder(
    steered: Caller, steered_home: Home
) -> None:
    job = await submit(steered, await reference(steered, "style", x=900))
    assert job.resolved.controls[0].model == "look"
    done = await steered.finish(job.name)
    assert done.state == pb.JOB_STATE_SUCCEEDED, done.error
    home = steered_home.models
    assert list(done.notes)[1:] == [
        f"control look at {home / 'look.safetensors'} after nothing "
        f"(ip-adapter, through {home / 'image_encoder'})"
    ]
    with pytest.raises(InvalidRequest, match=r"controls\[0\]\.image lies beside the picture"):
        await submit(steered, await reference(steered, "line-art", x=900))


async def test_a_preprocessor_that_needs_weights_gets_those_in_the_roots_or_says_what_to_put_there(
    steered: Caller, steered_home: Home
) -> None:
    control = await reference(steered, "line-art")
    control.preprocessor = "depth"
    with pytest.raises(ModelNotFound, match="'depth' needs weights.*DepthAnythingForDepthEstimation or DPT"):
        await submit(steered, control)
    spec = pb.JobSpec(preprocess=pb.Preprocess(image=control.image, preprocessor="depth"))
    with pytest.raises(ModelNotFound, match="'depth' needs weights"):
        await steered.submit(spec=spec)

    folder = steered_home.models / "estimators" / "dpt"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text('{"architectures": ["DPTForDepthEstimation"]}')
    write_weights(folder / "model.safetensors", {"neck.convs.0.weight": (8, 8, 3, 3)})
    # A scan of a moment ago is still taken for true.
    await steered.call(steered.models.ListModels, model_service_pb2.ListModelsRequest())
    done = await steered.finish((await submit(steered, control)).name)
    assert done.state == pb.JOB_STATE_SUCCEEDED, done.error
    assert list(done.notes)[1].endswith(f"after underpaint.engine.preprocessors.depth:depth with {folder}")
    assert (await steered.finish((await steered.submit(spec=spec)).name)).state == pb.JOB_STATE_SUCCEEDED


async def test_the_lists_say_what_kind_a_control_model_is(steered: Caller) -> None:
    request = model_service_pb2.ListControlModelsRequest()
    listed = await steered.call(steered.models.ListControlModels, request)
    assert [(one.name, one.kind, list(one.models)) for one in listed.control_models] == [
        ("lines", "control-net", ["tiny"]),
        ("look", "ip-adapter", ["tiny"]),
    ]
