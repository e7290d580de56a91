"""Every family through every operation with random weights: what they take of the card, and do without.

    python -m tests.gpu.memory --folder /scratch

Full-size networks in bfloat16, all within 24 GB, and SDXL within 8 GB besides. Some 45 GB of disk for the
largest model, which is removed before the next one is made. Without a CUDA device nothing is measured, and
the script says what was not.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from tests.tiny_flux import build_tiny_flux
from tests.tiny_models import build_tiny
from tests.unit.engine.stock import RGB, disc, photo
from underpaint.engine.families.single_file import CONFIGS
from underpaint.engine.loop import DeviceLoop
from underpaint.engine.memory.broker import Broker
from underpaint.engine.memory.device import Device, TorchDevice
from underpaint.engine.registry import Families
from underpaint.engine.residency import Shelf
from underpaint.types import MASK_FORMAT
from underpaint.v1 import job_service_pb2
from underpaint.wire.images import layout_for
from underpaint.wire.status import status_to_error
from underpaint.worker_v1 import worker_service_pb2 as pb

GIB = 1 << 30
ENGINES = {
    "sd15": "underpaint.engine.families.sd15:StableDiffusion15",
    "sdxl": "underpaint.engine.families.sdxl:StableDiffusionXL",
    "flux-dev": "underpaint.engine.families.flux:Flux",
}
OPERATIONS = ("txt2img", "img2img", "inpaint")
SIZES = {"sd15": 512, "sdxl": 1024, "flux-dev": 1024}
ROWS = (("sd15", 24), ("sdxl", 24), ("sdxl", 8), ("flux-dev", 24))
"""Families, each with the GiB that it has to do with."""


@dataclass(frozen=True)
class Figure:
    """What one picture took."""

    family: str
    operation: str
    limit_gib: float
    seconds: float
    peak_gib: float | None
    """None where the device does not count."""
    notes: tuple[str, ...]
    problem: str = ""


def build(folder: Path, family: str, *, full: bool, device: str = "cpu") -> Path:
    """A model with random weights: tiny, or of the released size in bfloat16."""
    if family.startswith("flux"):
        build_tiny_flux(folder, kind="flux-dev")
    else:
        build_tiny(folder, kind="sdxl" if family == "sdxl" else "sd15")
    if full:
        tokenizers = {name: _special(folder / name) for name in ("tokenizer", "tokenizer_2")}
        for part in ("text_encoder", "text_encoder_2", "unet", "transformer", "vae"):
            if (folder / part).is_dir():
                words = tokenizers[part.replace("text_encoder", "tokenizer")] if "text" in part else {}
                _write_full(CONFIGS / family / part / "config.json", folder / part, words, device)
        traits = json.loads((folder / "underpaint.json").read_text("utf-8"))
        traits |= {"native_size_px": SIZES[family], "max_size_px": 2048}
        (folder / "underpaint.json").write_text(json.dumps(traits), "utf-8")
    return folder


def _special(folder: Path) -> dict[str, int]:
    """The tiny tokenizer's own numbers, which the encoder has to know its end mark by."""
    if not (folder / "tokenizer_config.json").is_file():
        return {}
    from transformers import AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    named = {name: getattr(tokenizer, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    return {name: number for name, number in named.items() if number is not None}


def _write_full(config: Path, folder: Path, words: dict[str, int], device: str) -> None:
    import diffusers
    import transformers

    told = json.loads(config.read_text("utf-8")) | words
    shutil.rmtree(folder)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        with torch.device(device):
            if "_class_name" in told:
                network: Any = getattr(diffusers, told["_class_name"]).from_config(told)
            else:
                kind = getattr(transformers, told["architectures"][0])
                network = kind(kind.config_class.from_dict(told))
    finally:
        torch.set_default_dtype(before)
    network.save_pretrained(folder)


def measure(folder: Path, family: str, limit: int, device: Device, size: int, dtype: str) -> Iterator[Figure]:
    """One picture for each operation, through the device's loop and its broker; `limit` in bytes."""
    broker = Broker(device)
    loop = DeviceLoop(Families(Shelf(broker=broker), device.name, dtype))
    loop.start()
    try:
        for operation in OPERATIONS:
            yield _one(loop, folder, family, operation, limit, device, size)
    finally:
        loop.stop(60)


def _one(
    loop: DeviceLoop, folder: Path, family: str, operation: str, limit: int, device: Device, size: int
) -> Figure:
    last: list[pb.RunJobResponse] = []
    done = threading.Event()

    def sink(event: pb.RunJobResponse) -> None:
        if event.WhichOneof("event") in ("finished", "failed", "cancelled"):
            last.append(event)
            done.set()

    counts = device.name.startswith("cuda")
    if counts:
        torch.cuda.reset_peak_memory_stats(device.name)
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch:
        request = pb.RunJobRequest(job=f"jobs/{family}-{operation}", output_folder=scratch)
        request.model.CopyFrom(pb.ModelSource(name=family, engine=ENGINES[family], path=str(folder)))
        request.spec.CopyFrom(_spec(operation, size))
        for name, pixels, layout in (("i", photo(size, size), RGB), ("m", disc(size, size), MASK_FORMAT)):
            path = Path(scratch) / f"{name}.raw"
            path.write_bytes(pixels.tobytes())
            request.inputs.add(name=f"blobs/{name}", path=str(path), layout=layout_for(layout, size, size))
        loop.submit(request, sink)
        if not done.wait(3600):
            raise TimeoutError(f"{family}: {operation} did not end within an hour")
    peak = torch.cuda.max_memory_reserved(device.name) / GIB if counts else None
    problem = str(status_to_error(last[0].failed)) if last[0].HasField("failed") else ""
    if peak is not None and peak > limit / GIB and not problem:
        problem = f"it took {peak:.2f} GiB"
    seconds = time.perf_counter() - began
    return Figure(family, operation, limit / GIB, seconds, peak, tuple(last[0].finished.notes), problem)


def _spec(operation: str, size: int) -> job_service_pb2.JobSpec:
    spec = job_service_pb2.JobSpec(prompt="old brick wall", seed=1, steps=4)
    if operation == "txt2img":
        spec.text_to_image.width_px = spec.text_to_image.height_px = size
    elif operation == "img2img":
        spec.image_to_image.image.blob = "blobs/i"
        spec.image_to_image.strength = 0.5
    else:
        spec.inpaint.image.blob, spec.inpaint.mask.blob = "blobs/i", "blobs/m"
    return spec


def main() -> int:
    """Prints a row for each picture, as Markdown; 1 if one failed or took more than it had."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--device", default="cuda:0")
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        print("No CUDA device here. Not measured, at full size in bfloat16:")
        for family, gib in ROWS:
            print(f"- {family} within {gib} GiB: {', '.join(OPERATIONS)} at {SIZES[family]} px")
        return 0
    print("| family | operation | limit, GiB | peak, GiB | seconds | problem | told |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    failed = False
    for family, gib in ROWS:
        folder = arguments.folder / f"underpaint-{family}"
        try:
            build(folder, family, full=True, device=arguments.device)
            torch.cuda.empty_cache()
            device = TorchDevice(arguments.device, gib * GIB)
            share = gib * GIB / torch.cuda.mem_get_info(arguments.device)[1]
            torch.cuda.set_per_process_memory_fraction(min(1.0, share), arguments.device)
            for one in measure(folder, family, gib * GIB, device, SIZES[family], "bfloat16"):
                failed = failed or bool(one.problem)
                print(
                    f"| {one.family} | {one.operation} | {one.limit_gib:.0f} | {one.peak_gib or 0:.2f} | "
                    f"{one.seconds:.1f} | {one.problem} | {' '.join(one.notes)} |"
                )
            torch.cuda.set_per_process_memory_fraction(1.0, arguments.device)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main())
