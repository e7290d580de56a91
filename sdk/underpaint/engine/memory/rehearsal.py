"""One job played through on a device that nobody has: which choices would be made there, and what they cost.

The broker, the ladder and the estimates are those of real jobs; networks are stand-ins that take the bytes of
full-size ones and compute nothing.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import torch

from underpaint.engine.diffusion.vae_tiles import count_tiles, smaller
from underpaint.engine.family import Assignment, Picture, Task
from underpaint.engine.memory.broker import Broker
from underpaint.engine.memory.estimates import TEXT_BYTES, Need, denoiser_bytes, vae_bytes
from underpaint.engine.memory.ladder import Ladder
from underpaint.engine.memory.simulated import SimulatedDevice
from underpaint.engine.memory.states import Held, State
from underpaint.errors import OutOfMemory
from underpaint.geometry import Size
from underpaint.types import PlannedStage, Preview, StageKind, Tiling
from underpaint.v1 import job_service_pb2

WIDTH = 2
"""Bytes of a number in bfloat16."""
FACTOR = 8
DENOISING_STEPS = 2


@dataclass(eq=False)
class StandIn:
    """A network that has a size and nothing else; bytes."""

    name: str
    nbytes: int
    layer_nbytes: int
    """Of its largest layer."""


@dataclass(frozen=True)
class Cast:
    """The networks of one model, and what its steps take by their configurations."""

    name: str
    encoders: tuple[StandIn, ...]
    denoiser: StandIn
    vae: StandIn
    denoiser_config: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    vae_config: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    rows: int = 2
    """Pictures in a forward pass: two with guidance."""


@dataclass(frozen=True)
class Outcome:
    """What became of the job. Bytes."""

    encoders: str
    denoiser: str
    tiles: int
    """In which the picture was decoded; 1: in one piece."""
    peak: int
    notes: tuple[str, ...]
    needed: int = 0
    """What would have been needed, where nothing helped; else 0."""


def rehearse(cast: Cast, total: int, size: Size, *, host_budget: int = 64 << 30) -> Outcome:
    """A picture of `size` from words, on a device of `total` bytes with the default reserve for hosts."""
    family = _Rehearsal(cast, Broker(SimulatedDevice(total), host_budget=host_budget), size)
    task = family.task
    ladder = Ladder(family.broker)
    try:
        while not task.ready_to_finish:
            ladder.step(family, [task], loading=False)
    except OutOfMemory as error:
        return Outcome("–", "–", 0, family.peak, tuple(task.notes), int(error.metadata["needed_bytes"]))
    first, *_ = family.encoders
    return Outcome(
        family.where(first, *family.encoders),
        family.where(family.denoiser),
        family.tiles,
        family.peak,
        tuple(task.notes),
    )


class _Rehearsal:
    """The family of the stand-ins; see `underpaint.engine.family.Family`."""

    loaded = True

    def __init__(self, cast: Cast, broker: Broker, size: Size) -> None:
        self._cast, self.broker, self._size = cast, broker, size
        held = [Held(one, one.nbytes, one.name) for one in (*cast.encoders, cast.denoiser, cast.vae)]
        *self.encoders, self.denoiser, self._vae = held
        for one in held:
            broker.admit(one)
        self._edge = 0
        self.peak = 0
        self.left: set[str] = set()
        """What was put out while the job ran."""
        room = broker.capacity - cast.vae.nbytes
        while broker.estimates.bytes(self._decoding()) > room and (less := self._smaller()) is not None:
            self._edge = less
        stages = (
            PlannedStage(StageKind.ENCODING_TEXT, len(self.encoders)),
            PlannedStage(StageKind.DENOISING, DENOISING_STEPS),
            PlannedStage(StageKind.DECODING, self.tiles),
            PlannedStage(StageKind.POST_PROCESSING),
        )
        self.task = Task(job="rehearsal", plan=stages, resolved=job_service_pb2.JobSpec())

    @property
    def tiles(self) -> int:
        """Tiles that the picture is decoded in."""
        return count_tiles(self._size.height // FACTOR, self._size.width // FACTOR, self._edge, Tiling.NONE)

    def where(self, *held: Held) -> str:
        """In words: where these networks were for the job."""
        if any(one.streamed for one in held):
            return "layer by layer from RAM"
        return "on the card until done" if any(one.name in self.left for one in held) else "on the card"

    def needs(self, tasks: Sequence[Task]) -> Need:
        """See `underpaint.engine.memory.ladder.Estimated`."""
        match tasks[0].plan[tasks[0].stage_index].kind:
            case StageKind.ENCODING_TEXT:
                return Need("text", TEXT_BYTES)
            case StageKind.DENOISING:
                config = self._cast.denoiser_config
                return Need("denoise", denoiser_bytes(config, self._size, FACTOR, self._cast.rows, WIDTH))
            case _:
                return self._decoding()

    def save_memory(self, tasks: Sequence[Task]) -> str | None:
        """See `underpaint.engine.memory.ladder.Thrifty`."""
        if tasks[0].plan[tasks[0].stage_index].kind is not StageKind.DECODING or self._smaller() is None:
            return None
        self._edge = self._smaller() or self._edge
        return "in tiles"

    def step(self, tasks: Sequence[Task]) -> None:
        """Takes the step's memory and gives it back."""
        (task,) = tasks
        needs = self.needs(tasks).bytes
        match task.plan[task.stage_index].kind:
            case StageKind.ENCODING_TEXT:
                used = self.encoders[task.stage_step]
            case StageKind.DENOISING:
                used = self.denoiser
            case _:
                used = self._vae
        self.broker.use(used)
        device = self.broker.device
        if needs > device.free():
            raise torch.OutOfMemoryError(f"{needs} bytes are wanted, {device.free()} are free")
        self.peak = max(self.peak, device.total() - device.free() + needs)
        others = (*self.encoders, self.denoiser)
        self.left |= {one.name for one in others if one.state is not State.VRAM and one.uploads}
        task.advance()

    def bucket(self, task: Task) -> Hashable:
        """There is one job."""
        return task.job

    def batch_limit(self, task: Task) -> int:
        """It is alone."""
        return 1

    def prepare(self, assignment: Assignment) -> Task:
        """The job was planned with the rehearsal."""
        return self.task

    def preview(self, task: Task) -> Preview | None:
        """There is nothing to see."""
        return None

    def finish(self, task: Task) -> Sequence[Picture]:
        """Nothing was made."""
        return ()

    def weights(self) -> Mapping[str, str]:
        """There are none."""
        return {}

    def load(self) -> None:
        """All are in RAM."""

    def _decoding(self) -> Need:
        edge = self._edge * FACTOR or max(self._size.width, self._size.height)
        tile = Size(min(self._size.width, edge), min(self._size.height, edge))
        return Need("decode", vae_bytes(self._cast.vae_config, tile, 1, WIDTH, encoding=False))

    def _smaller(self) -> int | None:
        return smaller(self._edge, max(self._size.width, self._size.height) // FACTOR)
