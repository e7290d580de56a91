"""Headers that are broken, hostile or quantised are told by name; nothing raises, nothing is read twice."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.support import architectures as full
from tests.support import original_names as original
from tests.support.architectures import write_header
from tests.support.gguf_files import write_gguf
from underpaint.errors import ModelUnusable
from underpaint.weights import Prober
from underpaint.weights.safetensors import MAX_HEADER, read_safetensors

TENSOR = {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}


def _file(path: Path, header: bytes, data: int = 16, length: int | None = None) -> Path:
    path.write_bytes(struct.pack("<Q", len(header) if length is None else length) + header + b"\0" * data)
    return path


def _json(**changed: Any) -> bytes:
    return json.dumps({"a": {**TENSOR, **changed}}).encode()


BROKEN: dict[str, tuple[bytes, int, int | None, str]] = {
    "an empty file's length": (b"", 0, None, "no safetensors file"),
    "a length beyond the file": (b"{}", 0, 1 << 40, "download stopped early"),
    "a negative length": (b"{}", 0, (1 << 64) - 1, "download stopped early"),
    "no JSON": (b"hello there", 0, None, "not valid JSON"),
    "no UTF-8": (b'{"\xff\xfe": 1}', 0, None, "not valid JSON"),
    "endless nesting": (b"[" * 200_000, 0, None, "not valid JSON"),
    "endless nesting in the metadata": (b'{"__metadata__":' + b"[" * 200_000, 0, None, "not valid JSON"),
    "a list": (b"[1, 2]", 0, None, "holds no object"),
    "metadata that are none": (b'{"__metadata__":5}', 0, None, "metadata hold no object"),
    "an entry that is none": (b'{"a": 5}', 0, None, "'a' is malformed"),
    "an unknown number format": (_json(dtype="F12"), 16, None, "'a' is malformed"),
    "a list for a number format": (_json(dtype=[]), 16, None, "'a' is malformed"),
    "a text for a shape": (_json(shape="22"), 16, None, "'a' is malformed"),
    "nested lists for a shape": (_json(shape=[[2], [2]]), 16, None, "'a' is malformed"),
    "a negative shape": (_json(shape=[-2, -2]), 16, None, "do not agree"),
    "a shape that does not fit its bytes": (_json(shape=[2, 3]), 16, None, "do not agree"),
    "bytes before the file": (_json(data_offsets=[-16, 0]), 16, None, "do not agree"),
    "one offset": (_json(data_offsets=[16]), 16, None, "'a' is malformed"),
    "a download that stopped": (_json(), 12, None, "4 bytes are missing at its end"),
}


@pytest.mark.parametrize(("header", "data", "length", "problem"), BROKEN.values(), ids=BROKEN.keys())
def test_a_malformed_file_is_an_error_by_name(
    tmp_path: Path, header: bytes, data: int, length: int | None, problem: str
) -> None:
    path = _file(tmp_path / "broken.safetensors", header, data, length)
    found = Prober().probe(path)
    assert (found.kind, found.family) == ("unknown", "unknown")
    assert problem in found.problem
    assert "'broken.safetensors'" in found.problem and "Download it again" in found.problem
    with pytest.raises(ModelUnusable) as raised:
        read_safetensors(path)
    assert raised.value.metadata == {"path": str(path)}


def test_a_header_too_large_to_read_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.safetensors"
    with path.open("wb") as file:
        file.write(struct.pack("<Q", MAX_HEADER + 1))
        file.truncate(MAX_HEADER + 100)
    assert f"at most {MAX_HEADER:,} are read" in Prober().probe(path).problem


def test_metadata_before_the_tensors_in_any_writing_are_read(tmp_path: Path) -> None:
    header = json.dumps({"__metadata__": {"title": "Грунт 🎨", "n": 5}, "a": TENSOR}, ensure_ascii=False)
    compact = header.replace('": ', '":').replace(", ", ",").encode()
    listing = read_safetensors(_file(tmp_path / "it.safetensors", compact))
    assert (listing.metadata, listing.shapes) == ({"title": "Грунт 🎨"}, {"a": (2, 2)})
    other = json.dumps({"a": TENSOR, "__metadata__": {"title": "after"}}).encode()
    assert read_safetensors(_file(tmp_path / "it.safetensors", other)).metadata == {"title": "after"}


def test_a_file_that_is_cut_short_is_told_even_where_its_header_is_known(tmp_path: Path) -> None:
    prober, whole = Prober(), write_header(tmp_path / "a.safetensors", full.vae())
    assert prober.probe(whole).problem == ""
    cut = tmp_path / "b.safetensors"
    cut.write_bytes(whole.read_bytes()[:-100])
    assert "100 bytes are missing" in prober.probe(cut).problem


QUANTISED = {
    "scaled_fp8": "scaled fp8",
    "model.diffusion_model.input_blocks.1.0.in_layers.2.scale_weight": "scaled fp8",
    "double_blocks.0.img_attn.qkv.weight_scale": "scaled weights",
    "double_blocks.0.img_attn.qkv.comfy_quant": "ComfyUI's mixed precision",
    "double_blocks.0.img_attn.qkv.weight.absmax": "bitsandbytes",
    "double_blocks.0.img_attn.qkv.weight.quant_state.bitsandbytes__nf4": "bitsandbytes nf4",
    "transformer_blocks.0.qkv_proj.wscales": "nunchaku (svdq)",
    "transformer_blocks.0.qkv_proj.qweight": "nunchaku, GPTQ or AWQ",
    "encoder.block.0.layer.0.SelfAttention.q.weight._data": "quanto",
    "double_blocks.0.img_attn.qkv.future_scale_v9": "a kind that is unknown here",
    "double_blocks.0.img_attn.qkv.dequantiser": "a kind that is unknown here",
}


@pytest.mark.parametrize(("tensor", "scheme"), QUANTISED.items())
def test_scales_that_nothing_here_applies_are_an_error_by_name(
    tmp_path: Path, tensor: str, scheme: str
) -> None:
    state = {**full.sd15_checkpoint(), tensor: torch.empty(())}
    found = Prober().probe(write_header(tmp_path / "it.safetensors", state))
    assert (found.kind, found.family) == ("checkpoint", "sd15")
    assert f"quantised ({scheme}, by its tensor {tensor!r})" in found.problem
    assert "Get the fp16, bf16 or plain fp8 file" in found.problem


def test_packed_weights_without_any_scale_are_an_error_and_plain_fp8_is_none(tmp_path: Path) -> None:
    packed = write_header(tmp_path / "packed.safetensors", original.flux(full.flux()), dtype="U8")
    plain = write_header(tmp_path / "plain.safetensors", original.flux(full.flux()), dtype="F8_E4M3")
    assert "packed U8 weights" in Prober().probe(packed).problem
    assert (Prober().probe(plain).problem, Prober().probe(plain).dtype) == ("", "F8_E4M3")


@pytest.mark.parametrize("suffix", [".ckpt", ".pt", ".pth", ".bin", ".PT"])
def test_a_pickle_is_refused_unopened_with_a_way_out(tmp_path: Path, suffix: str) -> None:
    found = Prober().probe(tmp_path / f"never-opened{suffix}")
    assert found.format == "pickle"
    assert "runs whatever code" in found.problem and "underpaint models convert" in found.problem


@pytest.mark.parametrize(
    ("architecture", "make", "kind", "family"),
    [
        ("flux", lambda: original.flux(full.flux()), "transformer", "flux-dev"),
        ("flux", lambda: original.flux(full.flux(guidance=False)), "transformer", "flux-schnell"),
        ("sd1", lambda: original.unet(full.unet("sd15"), 2, ""), "unet", "sd15"),
        ("sdxl", lambda: original.unet(full.unet("sdxl"), 2, ""), "unet", "sdxl"),
        ("llama", lambda: {"blk.0.attn_q.weight": torch.empty(8, 8)}, "unknown", "unknown"),
    ],
)
def test_a_gguf_file_is_told_by_its_tensors(
    tmp_path: Path, architecture: str, make: Any, kind: str, family: str
) -> None:
    found = Prober().probe(write_gguf(tmp_path / "it.gguf", make(), architecture))
    assert (found.kind, found.family, found.problem) == (kind, family, "")
    assert (found.format, found.dtype, found.architecture) == ("gguf", "Q4_K", architecture)


@pytest.mark.parametrize(("kind", "name"), [(16, "IQ2_XXS"), (29, "IQ1_M"), (77, "GGML_77")])
def test_a_kind_of_gguf_that_nothing_unpacks_is_an_error_by_name(
    tmp_path: Path, kind: int, name: str
) -> None:
    state, strange = original.flux(full.flux()), "double_blocks.3.img_attn.qkv.weight"
    found = Prober().probe(write_gguf(tmp_path / "it.gguf", state, "flux", {strange: kind}))
    assert (found.kind, found.family) == ("transformer", "flux-dev")
    assert f"quantised (GGUF's {name}, by its tensor {strange!r})" in found.problem
    assert "GGUF of another kind, Q4_K or Q8_0" in found.problem


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda raw: b"GGML" + raw[4:], "no GGUF file"),
        (lambda raw: raw[:4] + struct.pack("<I", 9) + raw[8:], "GGUF of version 9"),
        (lambda raw: raw[:-40], "ends early"),
        (lambda raw: raw[:8] + struct.pack("<Q", 1 << 60) + raw[16:], "ends early"),
        (lambda raw: raw[:24] + struct.pack("<Q", 1 << 60) + raw[32:], "ends early"),
        (lambda raw: b"", "ends early"),
    ],
)
def test_a_malformed_gguf_file_is_an_error_by_name(tmp_path: Path, change: Any, problem: str) -> None:
    path = write_gguf(tmp_path / "it.gguf", {"blk.0.attn_q.weight": torch.empty(8, 8)}, "llama")
    path.write_bytes(change(path.read_bytes()))
    assert problem in Prober().probe(path).problem
