"""A safetensors file into a descriptor that is open already: the library would open a path.

The format: https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import IO

import torch

DTYPES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.float8_e4m3fn: "F8_E4M3",
    torch.float8_e5m2: "F8_E5M2",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}


def write_tensors(tensors: Mapping[str, torch.Tensor], stream: IO[bytes]) -> str:
    """Writes them in order of name, one at a time, and returns the SHA-256 of the file in hex.

    Raises `ValueError` for a number format that safetensors files do not have.
    """
    names, end = sorted(tensors), 0
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    for name in names:
        tensor = tensors[name]
        if tensor.dtype not in DTYPES or tensor.layout is not torch.strided:
            raise ValueError(f"its tensor {name!r} is {tensor.dtype}, {tensor.layout}, which cannot be kept")
        size = tensor.numel() * tensor.element_size()
        header[name] = {
            "dtype": DTYPES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [end, end + size],
        }
        end += size
    raw = json.dumps(header, separators=(",", ":")).encode()
    raw += b" " * (-len(raw) % 8)
    digest = hashlib.sha256()
    for piece in (len(raw).to_bytes(8, "little"), raw):
        stream.write(piece)
        digest.update(piece)
    for name in names:
        # Views of one storage are written out each.
        data = tensors[name].contiguous().reshape(-1).view(torch.uint8).numpy().data
        stream.write(data)
        digest.update(data)
    stream.flush()
    return digest.hexdigest()
