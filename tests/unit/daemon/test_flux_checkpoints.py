"""FLUX out of files, as the daemon sees it: its parts wherever they lie, or what is missing."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest
import torch

from tests.support import weight_files as files
from tests.support.gguf_files import write_gguf
from tests.support.weight_files import Shapes, write_t5_tokenizer, write_tokenizer, write_weights
from underpaint.daemon import tokenizers
from underpaint.daemon.controls import roles_of
from underpaint.daemon.models import ModelIndex as AnyIndex
from underpaint.daemon.models import to_info, to_source
from underpaint.daemon.plugins import Plugins
from underpaint.errors import ModelUnusable

ModelIndex = partial(AnyIndex, load_plugins=partial(Plugins, installed_models=False))
PARTS: dict[str, Shapes] = {
    "vae/ae.safetensors": files.FLUX_VAE,
    "text_encoders/clip_l.safetensors": files.CLIP_L,
    "text_encoders/t5xxl_fp16.safetensors": files.T5_XXL,
}


@pytest.fixture(autouse=True)
def no_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if no package with a vocabulary were installed here."""
    monkeypatch.setattr(tokenizers, "PACKAGES", ())


def _comfyui(root: Path) -> Path:
    write_tokenizer(root / "comfy" / "sd1_tokenizer")
    write_t5_tokenizer(root / "comfy" / "text_encoders" / "t5_tokenizer")
    (root / "models" / "checkpoints").mkdir(parents=True)
    for name, shapes in PARTS.items():
        write_weights(root / "models" / name, shapes)
    return root


def _transformer(root: Path, name: str, shapes: Shapes) -> Path:
    return write_weights(root / "models" / "diffusion_models" / f"{name}.safetensors", shapes)


@pytest.mark.parametrize(
    ("name", "shapes", "family", "steps", "operations"),
    [
        ("flux1-dev", files.FLUX_DEV, "flux-dev", 28, ("txt2img", "img2img", "inpaint")),
        ("flux1-schnell", files.FLUX_SCHNELL, "flux-schnell", 4, ("txt2img", "img2img", "inpaint")),
        ("flux1-fill-dev", files.FLUX_FILL, "flux-fill", 50, ("inpaint",)),
        (
            "prefixed",
            {f"model.diffusion_model.{name}": shape for name, shape in files.FLUX_DEV.items()},
            "flux-dev",
            28,
            ("txt2img", "img2img", "inpaint"),
        ),
    ],
)
async def test_a_transformer_alone_runs_with_the_parts_in_other_folders(
    tmp_path: Path, name: str, shapes: Shapes, family: str, steps: int, operations: tuple[str, ...]
) -> None:
    root = _comfyui(tmp_path)
    file = _transformer(root, name, shapes)
    found = await ModelIndex([root]).find(f"transformer:{name}")
    components = to_source(found).components
    assert {part: Path(place).name for part, place in components.items()} == {
        "transformer": file.name,
        "vae": "ae.safetensors",
        "text_encoder": "clip_l.safetensors",
        "text_encoder_2": "t5xxl_fp16.safetensors",
        "tokenizer": "sd1_tokenizer",
        "tokenizer_2": "t5_tokenizer",
        "scheduler": "scheduler",
        "config": family,
    }
    info = to_info(found, loaded=False)
    assert (info.family, info.default_steps, info.operations) == ("flux", steps, operations)
    assert (info.native_size, info.native_inpainting) == (1024, family == "flux-fill")


async def test_a_transformer_is_listed_among_what_paints_once_its_parts_are_there(tmp_path: Path) -> None:
    root = _comfyui(tmp_path)
    _transformer(root, "flux1-dev", files.FLUX_DEV)
    index = ModelIndex([root])
    assert [model.name for model in await index.all("")] == ["transformer:flux1-dev"]
    assert await index.defaults() == ("transformer:flux1-dev", "transformer:flux1-dev")
    (root / "models" / "vae" / "ae.safetensors").unlink()
    assert await index.all("") == []
    assert [model.name for model in await index.all("transformer")] == ["transformer:flux1-dev"]


async def test_kontext_is_told_by_its_name(tmp_path: Path) -> None:
    root = _comfyui(tmp_path)
    _transformer(root, "flux1-kontext-dev", files.FLUX_DEV)
    found = await ModelIndex([root]).find("transformer:flux1-kontext-dev")
    assert Path(to_source(found).components["config"]).name == "flux-kontext"


async def test_a_gguf_file_runs_as_the_transformer_that_it_is(tmp_path: Path) -> None:
    root = _comfyui(tmp_path)
    file = root / "models" / "diffusion_models" / "flux1-dev-Q4_K_S.gguf"
    file.parent.mkdir()
    state = {name: torch.empty(shape, device="meta") for name, shape in files.FLUX_DEV.items()}
    write_gguf(file, state, "flux")
    found = await ModelIndex([root]).find("transformer:flux1-dev-Q4_K_S")
    assert to_source(found).components["transformer"] == str(file)
    write_gguf(file.with_name("odd.gguf"), state, "flux", {"img_in.weight": 16})
    with pytest.raises(ModelUnusable, match="GGUF's IQ2_XXS, by its tensor 'img_in.weight'"):
        await ModelIndex([root]).find("transformer:odd")


@pytest.mark.parametrize(
    ("gone", "words"),
    [
        ("vae/ae.safetensors", "FLUX's VAE was not found. Put ae.safetensors"),
        ("text_encoders/clip_l.safetensors", "the text encoder CLIP L was not found. Put clip_l.safetensors"),
        ("text_encoders/t5xxl_fp16.safetensors", "T5 XXL was not found. Put t5xxl_fp16.safetensors"),
    ],
)
async def test_what_is_missing_is_named_with_the_way_to_it(tmp_path: Path, gone: str, words: str) -> None:
    root = _comfyui(tmp_path)
    _transformer(root, "flux1-dev", files.FLUX_DEV)
    (root / "models" / gone).unlink()
    with pytest.raises(ModelUnusable) as raised:
        await ModelIndex([root]).find("transformer:flux1-dev")
    assert words in raised.value.message and "underpaint models roots add" in raised.value.message


@pytest.mark.parametrize(
    ("gone", "words"),
    [
        ("comfy/text_encoders/t5_tokenizer/tokenizer.json", "T5's tokenizer was not found. Add a folder"),
        ("comfy/sd1_tokenizer/vocab.json", "none with 49408 words was found"),
    ],
)
async def test_a_missing_tokenizer_is_named_with_the_way_to_it(tmp_path: Path, gone: str, words: str) -> None:
    root = _comfyui(tmp_path)
    _transformer(root, "flux1-dev", files.FLUX_DEV)
    (root / gone).unlink()
    with pytest.raises(ModelUnusable, match=words):
        await ModelIndex([root]).find("transformer:flux1-dev")


async def test_of_several_parts_the_named_one_is_taken_else_the_one_that_says_flux(tmp_path: Path) -> None:
    root = _comfyui(tmp_path)
    file = _transformer(root, "flux1-dev", files.FLUX_DEV)
    write_weights(root / "models" / "vae" / "a-sd3.safetensors", files.FLUX_VAE, dtype="F32")
    write_weights(root / "models" / "text_encoders" / "t5_fp8.safetensors", files.T5_XXL, dtype="F8_E4M3")
    scaled = {**files.T5_XXL, "scaled_fp8": (2,)}
    write_weights(root / "models" / "text_encoders" / "a_scaled.safetensors", scaled, dtype="F32")
    index = ModelIndex([root])
    components = to_source(await index.find("transformer:flux1-dev")).components
    assert Path(components["vae"]).name == "ae.safetensors"
    assert Path(components["text_encoder_2"]).name == "t5xxl_fp16.safetensors"
    file.with_name("flux1-dev.underpaint.json").write_text(json.dumps({"text_encoder_2": "t5_fp8"}))
    await index.all()
    components = to_source(await index.find("transformer:flux1-dev")).components
    assert Path(components["text_encoder_2"]).name == "t5_fp8.safetensors"


async def test_a_checkpoint_that_holds_everything_needs_tokenizers_only(tmp_path: Path) -> None:
    root = _comfyui(tmp_path)
    for name in PARTS:
        (root / "models" / name).unlink()
    shapes = {
        **{f"model.diffusion_model.{name}": shape for name, shape in files.FLUX_DEV.items()},
        **{f"vae.{name}": shape for name, shape in files.FLUX_VAE.items()},
        **{f"text_encoders.clip_l.transformer.{name}": shape for name, shape in files.CLIP_L.items()},
        **{f"text_encoders.t5xxl.transformer.{name}": shape for name, shape in files.T5_XXL.items()},
    }
    file = write_weights(
        root / "models" / "checkpoints" / "flux1-dev-fp8.safetensors", shapes, dtype="F8_E4M3"
    )
    components = to_source(await ModelIndex([root]).find("flux1-dev-fp8")).components
    parts = ("transformer", "vae", "text_encoder", "text_encoder_2")
    assert {components[part] for part in parts} == {str(file)}


async def test_flux_canny_and_depth_in_one_file_read_an_image_of_the_role_that_their_name_says(
    tmp_path: Path,
) -> None:
    root = _comfyui(tmp_path)
    reads = {**files.FLUX_DEV, "img_in.weight": (3072, 128)}
    _transformer(root, "flux1-canny-dev", reads)
    file = _transformer(root, "drawn", reads)
    index = ModelIndex([root])
    canny = await index.find("transformer:flux1-canny-dev")
    assert canny.traits is not None and canny.traits.shown_role == "canny"
    assert Path(to_source(canny).components["config"]).name == "flux-control"
    with pytest.raises(
        ModelUnusable, match=r'"shown_role": "depth" \} \(or "canny"\) into drawn.underpaint.json'
    ):
        await index.find("transformer:drawn")
    file.with_name("drawn.underpaint.json").write_text('{"shown_role": "depth"}')
    await index.all()
    depth = await index.find("transformer:drawn")
    assert depth.traits is not None and depth.traits.shown_role == "depth"
    assert [(one.role, one.models) for one in roles_of(depth, [])] == [("depth", ("transformer:drawn",))]
