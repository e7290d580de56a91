"""GGUF files with a header and no weights."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path

import torch


def write_gguf(
    path: Path, state: Mapping[str, torch.Tensor], architecture: str, kinds: Mapping[str, int] | None = None
) -> Path:
    """Version 3, every tensor as Q4_K but for `kinds`, with values of each kind before the tensors."""

    def text(value: str) -> bytes:
        return struct.pack("<Q", len(value.encode())) + value.encode()

    pairs = [
        text("general.architecture") + struct.pack("<I", 8) + text(architecture),
        text("general.file_type") + struct.pack("<II", 4, 14),
        text("general.small") + struct.pack("<IB", 7, 1),
        text("general.large") + struct.pack("<IQ", 10, 1),
        text("tokenizer.tokens") + struct.pack("<IIQ", 9, 8, 2) + text("a") + text("bc"),
        text("tokenizer.scores") + struct.pack("<IIQ", 9, 6, 2) + struct.pack("<ff", 0.5, 1.5),
    ]
    infos = []
    for name, tensor in state.items():
        axes = tuple(tensor.shape)[::-1]
        infos.append(
            text(name) + struct.pack(f"<I{len(axes)}QIQ", len(axes), *axes, (kinds or {}).get(name, 12), 0)
        )
    head = b"GGUF" + struct.pack("<IQQ", 3, len(infos), len(pairs))
    path.write_bytes(head + b"".join(pairs) + b"".join(infos))
    return path
