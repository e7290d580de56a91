"""Upscales with a model, tile by tile, in a process of its own, and prints the peak of its memory after each.

Arguments: the model's folder, its native edge, and for each picture "source>target" in pixels a side, or
"source=target" for one that is scaled, without the model.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from underpaint.engine.families.sd15 import StableDiffusion15
from underpaint.engine.family import Assignment
from underpaint.engine.pixels import Raster
from underpaint.engine.residency import Shelf
from underpaint.engine.upscale.family import Upscaling
from underpaint.types import Alpha, Channels, PixelFormat
from underpaint.v1 import image_pb2, job_service_pb2
from underpaint.wire.images import format_to_layout
from underpaint.worker_v1 import worker_service_pb2

RGB = PixelFormat(Channels.RGB, alpha=Alpha.NONE)


def peak() -> int:
    """Bytes of resident memory at most, so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main(folder: str, native: str, *sizes: str) -> None:
    source = worker_service_pb2.ModelSource(name="model", path=folder)
    model, shelf = StableDiffusion15(source, Shelf(), "cpu", "float32"), Shelf()
    for size in sizes:
        denoised = ">" in size
        before, after = map(int, size.replace("=", ">").split(">"))
        picture = np.random.default_rng(1).integers(0, 255, (before, before, 3)).astype(np.uint8)
        spec = job_service_pb2.JobSpec(
            prompt="moss",
            seed=1,
            steps=4,
            guidance_scale=1.0,
            scheduler="ddim",
            output_layout=format_to_layout(RGB),
        )
        spec.upscale.CopyFrom(
            job_service_pb2.Upscale(
                image=image_pb2.ImageRef(blob="b"),
                width_px=after,
                height_px=after,
                strength=0.25 if denoised else 0.0,
                tile_px=int(native),
            )
        )
        started = time.monotonic()
        family = Upscaling(None, model if denoised else None, shelf, "cpu", "float32")
        with tempfile.TemporaryDirectory() as made_here:
            given = Assignment("jobs/1", spec, {"b": Raster(picture, RGB)}, folder=Path(made_here))
            task = family.prepare(given)
            while not task.ready_to_finish:
                family.step([task])
            (made,) = family.finish(task)
        told = {"size": size, "peak": peak(), "result": made.samples.nbytes, "calls": task.denoiser_calls}
        print(json.dumps({**told, "seconds": time.monotonic() - started}), flush=True)
        del task, made, family


if __name__ == "__main__":
    main(*sys.argv[1:])
