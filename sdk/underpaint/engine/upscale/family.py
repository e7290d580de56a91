"""Upscaling as the worker's loop runs it: a tile of a network, or a step of a tile's denoising, at a time."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch

from underpaint.engine.family import Assignment, Family, Picture, Task
from underpaint.engine.pixels import canonicalise, fill_transparent
from underpaint.engine.pixels.color import Floats
from underpaint.engine.pixels.pixelfile import PixelFile
from underpaint.engine.provenance import file_sha256
from underpaint.engine.residency import Shelf, Slot
from underpaint.engine.upscale.faithful import held
from underpaint.engine.upscale.lanczos import region
from underpaint.engine.upscale.passes import TilePass, cut, strips
from underpaint.engine.upscale.refine import tile_job
from underpaint.engine.upscale.sinks import Encoded, Stored
from underpaint.engine.upscale.spandrels import load_upscaler, scale_of
from underpaint.errors import InvalidRequest, Violation
from underpaint.geometry import Size, Span
from underpaint.types import PlannedStage, Preview, StageKind, Tiling
from underpaint.v1 import job_service_pb2
from underpaint.wire.images import format_of
from underpaint.wire.limits import check_spec, raise_for
from underpaint.worker_v1 import worker_service_pb2

NETWORK_TILE, NETWORK_OVERLAP = 256, 48
"""Pixels of a network's input: what it needs in memory, and how far it looks."""
RESULT = "upscaled.raw"
"""The file of the result, in the job's folder."""
_OVERLAP_SHARE = 4
"""Neighbouring tiles of a denoiser share this part of a tile, at least."""
_COUNTED = (StageKind.DENOISING, StageKind.DECODING)
"""Stages of a tile's own job that are told as steps."""


@dataclass(kw_only=True)
class UpscaleTask(Task):
    """One job: the picture so far, and the passes that are left."""

    assignment: Assignment
    tiling: Tiling
    rgb: Floats
    """The source, `(height, width, 3)`."""
    encoded: Encoded
    networks: list[TilePass] = field(default_factory=list)
    refining: TilePass | None = None
    probe: Task | None = None
    """The first tile's job, made to be checked and to load the model; its pixels are not used."""
    tile: Task | None = None
    """The job of the tile at hand."""
    given: Floats | None = None
    """What that tile starts from, `(height, width, 3)`."""
    stored: Stored | None = None
    """What the last whole pass made."""
    sink: Stored | Encoded | None = None

    @property
    def picture(self) -> npt.NDArray[Any] | PixelFile:
        """What the pass at hand starts from."""
        return self.rgb if self.stored is None else self.stored.picture

    @property
    def target(self) -> Size:
        """The size that was asked for."""
        return Size(self.resolved.upscale.width_px, self.resolved.upscale.height_px)

    @property
    def between(self) -> Path:
        """A file for what the pass at hand makes, where another pass follows."""
        return self.encoded.picture.path.with_name(f"between-{len(self.networks)}.raw")


class Upscaling:
    """One job's `underpaint.engine.family.Family`: a network's tiles, then the tiles of `model`'s family.

    Either may be missing; without both, the picture is scaled.
    """

    def __init__(
        self,
        source: worker_service_pb2.UpscalerSource | None,
        model: Family | None,
        shelf: Shelf,
        device: str,
        dtype: str,
    ) -> None:
        self._source, self._model = source, model
        self._shelf, self._device, self._dtype = shelf, device, dtype
        self._fresh: Any = None

    loaded = True

    def prepare(self, assignment: Assignment) -> UpscaleTask:
        """Checks and plans the job; reads the network's file, to know how much it enlarges. Any thread."""
        spec = job_service_pb2.JobSpec()
        spec.CopyFrom(assignment.spec)
        raise_for(check_spec(spec))
        raster = assignment.inputs.get(spec.upscale.image.blob)
        if raster is None:
            fault = Violation("spec.upscale.image", "did not come with the job")
            raise InvalidRequest(f"{fault.field} {fault.description}. Upload it again.", violations=[fault])
        rgba = canonicalise(raster)
        size, target = Size(raster.width, raster.height), Size(spec.upscale.width_px, spec.upscale.height_px)
        tiling = Tiling(("x" if spec.tile_x else "") + ("y" if spec.tile_y else "") or "none")
        format = format_of(spec.output_layout, field="spec.output_layout")
        networks = self._networks(size, target, tiling)
        assert assignment.folder is not None, "whoever runs a job has a folder for its results"
        alpha, path = np.clip(rgba[..., 3:], 0.0, 1.0), assignment.folder / RESULT
        task = UpscaleTask(
            job=assignment.job,
            plan=(),
            resolved=spec,
            assignment=assignment,
            tiling=tiling,
            rgb=fill_transparent(rgba),
            encoded=Encoded(path, target, format, alpha, tiling),
            networks=networks,
        )
        task.plan = self._stages(task, size)
        return task

    def step(self, tasks: Sequence[Task]) -> None:
        """Loads, or makes one tile, or does one step of one. Device thread."""
        (job,) = (cast(UpscaleTask, task) for task in tasks)
        match job.plan[job.stage_index].kind:
            case StageKind.LOADING:
                self._load_next(job)
            case StageKind.UPSCALING:
                self._enlarge(job)
            case _:
                self._refine(job)

    def finish(self, task: Task) -> Sequence[Picture]:
        """Scales to the size that was asked for, where the last pass made another. Any thread."""
        job = cast(UpscaleTask, task)
        if job.sink is not job.encoded:
            for row, pixels in strips(job.picture, job.target, job.tiling):
                job.assignment.check()
                job.encoded.keep(row, 0, pixels)
        image = job.resolved.upscale.image
        format = format_of(job.resolved.output_layout)
        if job.stored is not None:
            job.stored.picture.remove()
        made = job.encoded.picture
        return [Picture(made.finish(), format, image.x_px, image.y_px, file=made.path)]

    def bucket(self, task: Task) -> Hashable:
        """Alone; see `Family.bucket`."""
        return task.job

    def batch_limit(self, task: Task) -> int:
        """Alone; see `Family.batch_limit`."""
        return 1

    def preview(self, task: Task) -> Preview | None:
        """There is none: a tile is not the picture."""
        return None

    def weights(self) -> Mapping[str, str]:
        """Content hashes of the network's file and, where it takes part, of the model's."""
        found: dict[str, str] = {}
        if self._source is not None:
            path = Path(self._source.path)
            found[f"upscaler/{path.name}"] = file_sha256(path)
        return found if self._model is None else {**found, **self._model.weights()}

    def load(self) -> None:
        """Jobs load what they need."""

    def _networks(self, size: Size, target: Size, tiling: Tiling) -> list[TilePass]:
        if self._source is None:
            return []
        scale, self._fresh = scale_of(Path(self._source.path))
        wanted = max(target.width / size.width, target.height / size.height)
        passes: list[TilePass] = []
        # As often as it takes, and once at least; 1e-9: a logarithm's last bit is no reason for another.
        for _ in range(max(1, math.ceil(math.log(max(wanted, 1.0), scale) - 1e-9))):
            passes.append(TilePass(size, tiling, NETWORK_TILE, NETWORK_OVERLAP, scale))
            size = passes[-1].target
        return passes

    def _stages(self, task: UpscaleTask, size: Size) -> tuple[PlannedStage, ...]:
        stages = [PlannedStage(StageKind.UPSCALING, len(one)) for one in task.networks]
        loading = 1 if task.networks else 0
        if self._model is not None:
            tile = task.resolved.upscale.tile_px
            task.refining = TilePass(task.target, task.tiling, tile, tile // _OVERLAP_SHARE, closed=True)
            task.probe = self._tile_job(task, size, task.rgb)
            task.notes += task.probe.notes
            loading += task.probe.plan[0].steps
            each = sum(stage.steps for stage in task.probe.plan if stage.kind in _COUNTED)
            stages.append(PlannedStage(StageKind.DENOISING, each * len(task.refining)))
        if loading:
            stages.insert(0, PlannedStage(StageKind.LOADING, loading))
        return (*stages, PlannedStage(StageKind.POST_PROCESSING))

    def _load_next(self, job: UpscaleTask) -> None:
        if job.networks and job.stage_step == 0:
            self._network()
        elif job.probe is not None and self._model is not None:
            self._model.step([job.probe])
            if job.probe.stage_index > 0:
                job.stage_step = job.plan[job.stage_index].steps - 1
        job.advance()
        if job.stage_index > 0:
            job.probe = None

    @torch.inference_mode()
    def _enlarge(self, job: UpscaleTask) -> None:
        work = job.networks[0]
        if job.sink is None:
            last = len(job.networks) == 1 and job.refining is None and work.target == job.target
            job.sink = job.encoded if last else Stored(job.between, work.target)
        _, network = self._network()
        pixels = torch.from_numpy(cut(job.picture, work.at)).permute(2, 0, 1)[None]
        made = network(pixels.to(self._device, self._precision(network)))
        work.take(np.ascontiguousarray(made[0].float().permute(1, 2, 0).cpu().numpy()), job.sink)
        job.denoiser_calls += 1
        if work.finished:
            job.networks.pop(0)
            self._pass_on(job)
        job.advance()

    def _refine(self, job: UpscaleTask) -> None:
        work, model = job.refining, self._model
        assert work is not None and model is not None, "the plan says so"
        job.sink = job.encoded
        if job.tile is None:
            job.tile = self._tile_job(job, Size(job.rgb.shape[1], job.rgb.shape[0]), job.picture)
        tile = job.tile
        kind, calls = tile.plan[tile.stage_index].kind, tile.denoiser_calls
        model.step([tile])
        job.denoiser_calls += tile.denoiser_calls - calls
        if tile.ready_to_finish:
            (picture,) = model.finish(tile)
            work.take(self._held(job, np.asarray(picture.samples, np.float32)), job.sink)
            job.tile = job.given = None
        if kind in _COUNTED:
            job.advance()

    def _tile_job(self, job: UpscaleTask, size: Size, picture: npt.NDArray[Any] | PixelFile) -> Task:
        assert job.refining is not None and self._model is not None
        tile = job.refining.at
        job.given = rgb = region(picture, job.target, tile.x, tile.y, job.tiling)
        return self._model.prepare(tile_job(job.assignment, job.resolved, size, tile, rgb))

    def _held(self, job: UpscaleTask, made: Floats) -> Floats:
        assert job.refining is not None and job.given is not None, "a tile was at work"
        tile, target, upscale = job.refining.at, job.target, job.resolved.upscale
        factor = math.sqrt(target.width * target.height / (job.rgb.shape[0] * job.rgb.shape[1]))
        closed = (
            job.tiling.x and tile.x == Span(0, target.width),
            job.tiling.y and tile.y == Span(0, target.height),
        )
        return held(made, job.given, upscale.strength, factor, closed)

    def _pass_on(self, job: UpscaleTask) -> None:
        if isinstance(job.sink, Stored):
            if job.stored is not None:
                job.stored.picture.remove()
            job.stored, job.sink = job.sink, None

    def _network(self) -> tuple[torch.nn.Module, Any]:
        """The network and its descriptor, on the device."""
        assert self._source is not None
        path, slot_dtype = Path(self._source.path), self._dtype

        def load() -> tuple[torch.nn.Module, Any]:
            found = self._fresh if self._fresh is not None else load_upscaler(path)
            found.model.to(self._precision(found)).requires_grad_(False)
            return found.model, found

        held: tuple[torch.nn.Module, Any] = self._shelf.get(
            Slot(str(path), slot_dtype), f"upscaler {self._source.name}", load
        )
        self._fresh = None
        return held

    def _precision(self, network: Any) -> torch.dtype:
        wanted: torch.dtype = getattr(torch, self._dtype)
        return wanted if wanted is not torch.bfloat16 or network.supports_bfloat16 else torch.float32
