"""How long it takes to list a thousand weight files, looked at for the first time and again."""

from __future__ import annotations

import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import underpaint
from underpaint.cli.measure import Figure, scratch_daemon

COLD_S = 2.0
WARM_S = 0.2
CHECKPOINTS, LORAS = 200, 800
CHECKPOINT_TENSORS, LORA_TENSORS = 2500, 1500
PER_HEADER = 10
"""Files that share one header: fine-tunes of one model that one program wrote do."""


def measure(rounds: int) -> Iterator[Figure]:
    """1,000 files with headers of the size of SDXL's and its LoRAs', in a scratch folder; medians."""
    from underpaint.daemon.catalog import Catalog
    from underpaint.daemon.plugins import Plugins

    plugins = Plugins(installed_models=False)
    with tempfile.TemporaryDirectory(prefix="underpaint-bench-") as scratch:
        root = Path(scratch) / "models"
        shared, headers = _fill(root, PER_HEADER)
        lone = Path(scratch) / "lone"
        _fill(lone, 1)

        def look(folder: Path, cache: str) -> float:
            catalog = Catalog([folder], cache_file=Path(scratch) / cache)
            return _timed(lambda: catalog.scan(plugins))

        cold = [look(root, f"{number}.sqlite") for number in range(rounds)]
        different, again = look(lone, "lone.sqlite"), look(root, "0.sqlite")
        detail = (
            f"{headers} different headers, {shared / 1e6:.0f} MB of them; all different: {different:.2f} s"
        )
        yield Figure("1,000 models, first look", statistics.median(cold), COLD_S, "s", detail)
        environment = {"UNDERPAINT_MODEL_ROOTS": str(root), "UNDERPAINT_INSTALLED_MODELS": "no"}
        with (
            mock.patch.dict(os.environ, environment),
            scratch_daemon(),
            underpaint.connect(start=False) as client,
        ):
            count = len(client.models("all").models)
            warm = [_timed(lambda: client.models("all")) for _ in range(rounds)]
        detail = f"{count} models over the wire; after a restart of the daemon: {again:.2f} s"
        yield Figure("1,000 models, listed again", statistics.median(warm), WARM_S, "s", detail)


def _fill(root: Path, per_header: int) -> tuple[int, int]:
    """Writes the files; the bytes of all headers and how many of them differ."""
    total, headers = 0, set()
    for index in range(CHECKPOINTS + LORAS):
        variant = index // per_header
        checkpoint = index < CHECKPOINTS
        raw = _checkpoint(variant) if checkpoint else _lora(variant)
        folder = root / ("checkpoints" if checkpoint else "loras")
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / f"{index}.safetensors").open("wb") as file:
            file.write(len(raw).to_bytes(8, "little") + raw)
            # A hole: a thousand models take a few hundred megabytes of headers and nothing else.
            file.truncate(8 + len(raw) + (1 << 34))
        total += len(raw)
        headers.add(raw)
    return total, len(headers)


def _checkpoint(variant: int) -> bytes:
    first = "model.diffusion_model."
    block = first + "input_blocks.8.1.transformer_blocks"
    shapes = {
        f"{first}input_blocks.0.0.weight": [320, 4, 3, 3],
        f"{first}out.2.weight": [4, 320, 3, 3],
        f"{block}.9.attn2.to_k.weight": [1280, 2048],
        f"first_stage_model.decoder.{variant}.weight": [4],
    }
    for index in range(CHECKPOINT_TENSORS):
        shapes[f"{block}.{index % 10}.attn1.{index // 10}.to_out.0.weight"] = [1280, 1280]
    return _header(shapes)


def _lora(variant: int) -> bytes:
    rank = 4 + variant
    shapes = {}
    for index in range(LORA_TENSORS // 2):
        base = f"lora_unet_input_blocks_{index}_1_transformer_blocks_0_attn2_to_k"
        shapes[f"{base}.lora_down.weight"], shapes[f"{base}.lora_up.weight"] = [rank, 2048], [640, rank]
    return _header(shapes)


def _header(shapes: dict[str, list[int]]) -> bytes:
    entries, end = {}, 0
    for name, shape in shapes.items():
        begin, size = end, 2
        for edge in shape:
            size *= edge
        end += size
        entries[name] = {"dtype": "F16", "shape": shape, "data_offsets": [begin, end]}
    return json.dumps(entries, separators=(",", ":")).encode()


def _timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
