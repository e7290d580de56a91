"""What upscaling takes of memory: peaks of real workers, each beside that of the first target.

    python -m tests.measure.upscaling network            # 512² to 1024², 2048² and 8192²: minutes
    python -m tests.measure.upscaling denoising          # the same by the model in the box: an hour
    python -m tests.measure.upscaling both --targets 1024 2048

A worker of its own for each size: the peak of its resident memory (VmHWM, Linux), whatever was in it. The
bound is the first target's peak and the larger result's bytes. The network is Real-ESRGAN's compact one with
random weights, four times a pass; the denoiser does one step a tile. Ends with 1 if a bound is missed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from underpaint_swatch import model_root

from tests.unit.engine import upscalers
from tests.unit.engine.worker_process import WorkerProcess, image_ref
from underpaint.types import Alpha, Channels, PixelFormat
from underpaint.v1 import job_service_pb2
from underpaint.wire.images import format_to_layout
from underpaint.wire.status import status_to_error
from underpaint.worker_v1 import worker_service_pb2 as pb

RGB = PixelFormat(Channels.RGB, alpha=Alpha.NONE)
HALVES = ("network", "denoising", "both")
SOURCE, TILE = 512, 256
TARGETS = (1024, 2048, 8192)
COLUMNS = (
    "half",
    "to",
    "steps",
    "seconds",
    "peak, MiB",
    "bound, MiB",
    "of the bound",
    "above the first, MiB",
)
MIB = 1 << 20
LONGEST_S = 6 * 3600.0


@dataclass(frozen=True)
class Figure:
    """One picture, made by a worker of its own. Sizes are bytes."""

    half: str
    target: int
    peak: int
    result: int
    tiles: int
    seconds: float


def measure(half: str, target: int, folder: Path) -> Figure:
    """Enlarges a picture of noise in a new worker."""
    spec = job_service_pb2.JobSpec(
        prompt="" if half == "network" else "moss",
        seed=1,
        steps=4,
        guidance_scale=1.0,
        scheduler="ddim",
        output_layout=format_to_layout(RGB),
    )
    # A quarter of four steps is one.
    strength = 0.0 if half == "network" else 0.25
    spec.upscale.CopyFrom(
        job_service_pb2.Upscale(
            image=image_ref("b"), width_px=target, height_px=target, strength=strength, tile_px=TILE
        )
    )
    picture = np.random.default_rng(1).integers(0, 256, (SOURCE, SOURCE, 3)).astype(np.uint8)
    with WorkerProcess(folder) as worker:
        request = worker.request(model_root() / "swatch", spec, [worker.blob("b", picture, RGB)])
        if half == "network":
            request.ClearField("model")
        if half != "denoising":
            path = folder / "network.safetensors"
            upscalers.compact(path, width=64, layers=16)
            request.upscaler.CopyFrom(pb.UpscalerSource(name="network", path=str(path)))
        started, tiles = time.monotonic(), 0
        for event in worker.stub.RunJob(request, metadata=worker.metadata, timeout=LONGEST_S):
            if event.HasField("failed"):
                raise status_to_error(event.failed)
            if event.HasField("planned"):
                tiles = sum(stage.steps for stage in event.planned.stages[1:-1])
            if event.HasField("stepped") and event.stepped.step and event.stepped.step % 100 == 0:
                print(f"{half} {target}²: {event.stepped.step} of {tiles} steps", file=sys.stderr, flush=True)
        seconds = time.monotonic() - started
        peak = _peak(worker.process.pid)
        (made,) = list(Path(request.output_folder).iterdir())
        size = made.stat().st_size
        assert size == target * target * 3, "the whole result lies on disk, and nothing else"
        made.unlink()
    return Figure(half, target, peak, size, tiles, seconds)


def rows(figures: list[Figure]) -> Iterator[tuple[str, bool]]:
    """A line of the table for each figure, and whether its bound is kept."""
    first = figures[0]
    for one in figures:
        bound = first.peak + (one.result if one is not first else 0)
        yield (
            f"| {one.half} | {one.target}² | {one.tiles} | {one.seconds:.0f} | {one.peak / MIB:.0f} | "
            f"{bound / MIB:.0f} | {one.peak / bound:.2f} | {(one.peak - first.peak) / MIB:+.0f} |",
            one.peak <= bound,
        )


def _peak(process: int) -> int:
    lines = Path(f"/proc/{process}/status").read_text("utf-8").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.measure.upscaling")
    parser.add_argument("halves", nargs="+", choices=HALVES)
    parser.add_argument("--targets", nargs="+", type=int, default=TARGETS)
    asked = parser.parse_args()
    print(f"| {' | '.join(COLUMNS)} |\n|{' --- |' * len(COLUMNS)}", flush=True)
    kept = True
    for half in asked.halves:
        figures: list[Figure] = []
        for target in asked.targets:
            with tempfile.TemporaryDirectory(prefix="underpaint-measure-") as scratch:
                figures.append(measure(half, target, Path(scratch)))
            line, met = list(rows(figures))[-1]
            kept &= met
            print(line, flush=True)
    sys.exit(0 if kept else 1)


if __name__ == "__main__":
    main()
