"""Stable Diffusion 1.5 in one file, as the daemon sees it: its parts, its tokenizer, or what is missing."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest

from tests.support import weight_files as files
from tests.support.weight_files import write_tokenizer, write_weights
from tests.unit.daemon.harness import write_model
from underpaint.daemon import tokenizers
from underpaint.daemon.models import ModelIndex as AnyIndex
from underpaint.daemon.models import to_info, to_source
from underpaint.daemon.plugins import Plugins
from underpaint.errors import ModelUnusable

ModelIndex = partial(AnyIndex, load_plugins=partial(Plugins, installed_models=False))


@pytest.fixture(autouse=True)
def no_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if no package with a vocabulary were installed here."""
    monkeypatch.setattr(tokenizers, "PACKAGES", ())


def _comfyui(root: Path) -> Path:
    write_tokenizer(root / "comfy" / "sd1_tokenizer")
    write_weights(root / "models" / "checkpoints" / "photo.safetensors", files.SD15)
    write_weights(root / "models" / "checkpoints" / "mend.safetensors", files.SD15_INPAINT)
    return root


async def test_a_checkpoint_is_a_model_with_parts_of_one_file(tmp_path: Path) -> None:
    root = _comfyui(tmp_path)
    index = ModelIndex([root])
    assert await index.defaults() == ("photo", "mend")
    photo, mend = await index.find("photo"), await index.find("mend")
    info = to_info(photo, loaded=False)
    assert (info.kind, info.family, info.title, info.native_size) == ("checkpoint", "sd15", "photo", 512)
    assert info.operations == ("txt2img", "img2img", "inpaint") and not info.native_inpainting
    assert (info.default_scheduler, info.problem) == ("ddim", "")
    assert to_info(mend, loaded=False).native_inpainting

    source, file = to_source(photo), str(root / "models" / "checkpoints" / "photo.safetensors")
    assert source.path == file
    assert {source.components[part] for part in ("unet", "vae", "text_encoder")} == {file}
    assert source.components["tokenizer"] == str(root / "comfy" / "sd1_tokenizer")
    for kind, found in (("sd15", photo), ("sd15-inpaint", mend)):
        config = Path(to_source(found).components["config"])
        assert config.name == kind
        channels = json.loads((config / "unet" / "config.json").read_text())["in_channels"]
        assert channels == (9 if found is mend else 4)


async def test_sdxl_and_its_refiner_have_two_text_encoders_or_one_and_one_tokenizer(tmp_path: Path) -> None:
    root = _comfyui(tmp_path)
    folder, words = root / "models" / "checkpoints", root / "comfy" / "sd1_tokenizer"
    for name, shapes in (
        ("xl", files.SDXL),
        ("xl-fill", files.SDXL_INPAINT),
        ("xl-end", files.SDXL_REFINER),
    ):
        write_weights(folder / f"{name}.safetensors", shapes)
    index = ModelIndex([root])
    xl, fill, end = [await index.find(name) for name in ("xl", "xl-fill", "xl-end")]
    told = [to_info(found, loaded=False) for found in (xl, fill, end)]
    assert [info.family for info in told] == ["sdxl"] * 3
    assert [info.operations for info in told] == [
        ("txt2img", "img2img", "inpaint"),
        ("inpaint",),
        ("img2img", "inpaint"),
    ]
    assert [(info.native_size, info.default_scheduler) for info in told] == [(1024, "euler")] * 3
    for found, with_words in ((xl, {"tokenizer", "tokenizer_2"}), (end, {"tokenizer_2"})):
        components = to_source(found).components
        assert {name for name in components if components[name] == str(words)} == with_words
        assert ("text_encoder" in components) == ("tokenizer" in with_words)
        assert components["text_encoder_2"] == str(found.path)


async def test_a_base_model_in_one_file_that_names_a_refiner_is_told_that_it_cannot(tmp_path: Path) -> None:
    root = _comfyui(tmp_path)
    file = write_weights(root / "models" / "checkpoints" / "xl.safetensors", files.SDXL)
    file.with_name("xl.underpaint.json").write_text(json.dumps({"refiner": "../xl-end"}))
    with pytest.raises(ModelUnusable, match="names a refiner, which only a base model in a diffusers folder"):
        await ModelIndex([root]).find("xl")


async def test_a_file_beside_the_checkpoint_tells_what_it_cannot(tmp_path: Path) -> None:
    root = _comfyui(tmp_path)
    beside = root / "models" / "checkpoints" / "photo.underpaint.json"
    beside.write_text(json.dumps({"title": "Photo", "default_steps": 7, "native_size_px": 768}))
    info = to_info(await ModelIndex([root]).find("photo"), loaded=False)
    assert (info.title, info.default_steps, info.native_size, info.max_size) == ("Photo", 7, 768, 3072)


async def test_a_checkpoint_that_says_so_predicts_velocity(tmp_path: Path) -> None:
    root = _comfyui(tmp_path)
    write_weights(root / "models" / "checkpoints" / "v.safetensors", {**files.SD15, "v_pred": ()})
    plain, velocity = await ModelIndex([root]).find("photo"), await ModelIndex([root]).find("v")
    told = [
        json.loads((Path(to_source(found).components["scheduler"]) / "scheduler_config.json").read_text())
        for found in (plain, velocity)
    ]
    assert [config["prediction_type"] for config in told] == ["epsilon", "v_prediction"]


async def test_sdxl_that_was_trained_down_to_no_signal_says_so(tmp_path: Path) -> None:
    root = _comfyui(tmp_path)
    shapes = {**files.SDXL, "v_pred": (), "ztsnr": ()}
    write_weights(root / "models" / "checkpoints" / "noob.safetensors", shapes)
    scheduler = Path(to_source(await ModelIndex([root]).find("noob")).components["scheduler"])
    told = json.loads((scheduler / "scheduler_config.json").read_text())
    assert (told["prediction_type"], told["rescale_betas_zero_snr"]) == ("v_prediction", True)


async def test_without_a_tokenizer_the_way_to_one_is_told(tmp_path: Path) -> None:
    write_weights(tmp_path / "photo.safetensors", files.SD15)
    with pytest.raises(ModelUnusable) as raised:
        await ModelIndex([tmp_path]).find("photo")
    message = raised.value.message
    assert "none with 49408 words was found" in message
    assert "underpaint models roots add" in message and "pip install openai-clip" in message


@pytest.mark.parametrize("part", ["first_stage_model.", "cond_stage_model."])
async def test_a_checkpoint_without_all_its_parts_is_told(tmp_path: Path, part: str) -> None:
    root = _comfyui(tmp_path)
    shapes = {name: shape for name, shape in files.SD15.items() if not name.startswith(part)}
    write_weights(root / "models" / "checkpoints" / "part.safetensors", shapes)
    what = "VAE" if part.startswith("first") else "text encoder"
    with pytest.raises(ModelUnusable, match=f"it holds no {what}. Get the file that has it baked in"):
        await ModelIndex([root]).find("part")


async def test_a_tokenizer_comes_from_a_diffusers_folder_with_as_many_words(tmp_path: Path) -> None:
    write_weights(tmp_path / "photo.safetensors", files.SD15)
    for name, words, pad in (("a", 500, "<|endoftext|>"), ("b", 49408, "!"), ("c", 49408, "<|endoftext|>")):
        write_tokenizer(write_model(tmp_path, name) / "tokenizer", words, pad)
    found = await ModelIndex([tmp_path]).find("photo")
    assert to_source(found).components["tokenizer"] == str(tmp_path / "c" / "tokenizer")


async def test_a_tokenizer_comes_from_the_hugging_face_cache(tmp_path: Path) -> None:
    snapshot = tmp_path / "hub" / "models--openai--clip-vit-large-patch14" / "snapshots" / "abc"
    write_tokenizer(snapshot)
    write_weights(tmp_path / "own" / "photo.safetensors", files.SD15)
    found = await ModelIndex([tmp_path / "own", tmp_path / "hub"]).find("photo")
    assert to_source(found).components["tokenizer"] == str(snapshot)


async def test_a_tokenizer_comes_from_a_package_that_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "site" / "clip_for_this_test"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise ImportError('nobody may import this')")
    (package / tokenizers.VOCABULARY).write_bytes(b"")
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.setattr(tokenizers, "PACKAGES", ("clip_for_this_test",))
    write_weights(tmp_path / "own" / "photo.safetensors", files.SD15)
    found = await ModelIndex([tmp_path / "own"]).find("photo")
    assert to_source(found).components["tokenizer"] == str(package / tokenizers.VOCABULARY)


async def test_a_checkpoint_can_be_named_by_its_absolute_path(tmp_path: Path) -> None:
    root = _comfyui(tmp_path / "ui")
    file = write_weights(tmp_path / "elsewhere" / "mine.safetensors", files.SD15)
    found = await ModelIndex([root]).find(str(file))
    assert (found.name, found.path, found.kind) == (str(file), file, "checkpoint")
    (tmp_path / "elsewhere" / "bad.ckpt").write_bytes(b"")
    with pytest.raises(ModelUnusable, match="are pickles"):
        await ModelIndex([root]).find(str(tmp_path / "elsewhere" / "bad.ckpt"))
