"""UV islands of a document: read with a verb, made for what is painted."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from tests.support.recording import RecordingHost
from tests.unit.host.test_regions import HOLE, daemon, finish, host
from underpaint.client import connect
from underpaint.host import AttachedIslands, HostAdapter, Session, Settings, TaskState, islands_from
from underpaint.host.extensions import Extensions
from underpaint.testing.fake_daemon import FakeDaemon
from underpaint.testing.fake_script import Script
from underpaint.types import MASK_FORMAT, Bounds, Image
from underpaint.v1 import job_service_pb2 as pb

__all__ = ["daemon", "host"]  # fixtures


class Islands:
    """A reader that notes what it is asked for."""

    def __init__(self) -> None:
        self.read: list[tuple[str, Bounds]] = []
        self.made: list[Bounds] = []

    def __call__(self, adapter: HostAdapter, document: str, bounds: Bounds) -> Callable[[Bounds], Image]:
        self.read.append((document, bounds))
        return self._mask

    def _mask(self, part: Bounds) -> Image:
        self.made.append(part)
        data = b"\xff" * (part.width * part.height)
        return Image(part.width, part.height, data, MASK_FORMAT, part.x, part.y)


@pytest.fixture
def specs(daemon: FakeDaemon) -> list[pb.JobSpec]:
    found: list[pb.JobSpec] = []

    def look(spec: pb.JobSpec) -> Script:
        found.append(spec)
        daemon.blobs.sealed(spec.islands.mask.blob)
        return Script()

    daemon.script = look
    return found


@pytest.fixture
def session(host: RecordingHost, daemon: FakeDaemon) -> Iterator[Session]:
    session = Session(host, lambda: connect(start=False))
    yield session
    session.close()


def test_a_fill_sends_the_islands_of_its_context_with_room_for_their_padding(
    host: RecordingHost, session: Session, specs: list[pb.JobSpec]
) -> None:
    islands = Islands()
    settings = Settings(islands=AttachedIslands(read=islands, padding=40))
    assert finish(host, session.fill("moss", settings)).state is TaskState.PLACED
    (spec,) = specs
    (document, read), (part,) = islands.read[0], islands.made
    image, mask = spec.inpaint.image, spec.islands.mask
    assert document == host.active_document.document_id
    assert (mask.x_px, mask.y_px) == (image.x_px, image.y_px) == (part.x, part.y)
    assert read.contains(part) and spec.islands.padding_px == 40
    around = Bounds(HOLE.x - 40, HOLE.y - 40, HOLE.width + 80, HOLE.height + 80)
    assert part.contains(around.intersect(Bounds(0, 0, 300, 200)))


def test_a_new_texture_has_its_islands_at_its_own_size(
    host: RecordingHost, session: Session, specs: list[pb.JobSpec]
) -> None:
    islands = Islands()
    settings = Settings(islands=AttachedIslands(read=islands))
    task = finish(host, session.texture("moss", settings, width=128, height=64))
    assert task.state is TaskState.PLACED
    assert islands.read[0][0] == "" and islands.made == [Bounds(0, 0, 128, 64)]
    assert specs[0].islands.padding_px == 16


def test_of_a_picture_painted_over_only_the_islands_come_back_as_a_layer(
    host: RecordingHost, session: Session, specs: list[pb.JobSpec]
) -> None:
    settings = Settings(islands=AttachedIslands(read=Islands()))
    finish(host, session.generate("moss", settings, from_picture=True))
    assert specs[0].result_form == pb.RESULT_FORM_LAYER


def test_a_layer_can_say_where_the_islands_are(
    host: RecordingHost, session: Session, specs: list[pb.JobSpec], daemon: FakeDaemon
) -> None:
    masks: list[np.ndarray] = []

    def look(spec: pb.JobSpec) -> Script:
        blob = daemon.blobs.sealed(spec.islands.mask.blob)
        masks.append(np.frombuffer(blob.path.read_bytes(), np.uint8).copy())
        return Script()

    daemon.script = look
    source = Extensions(()).control_sources["layer"]
    assert source.choices is not None
    titles = source.choices(host, host.active_document.document_id)
    (patch,) = (key for key, title in titles.items() if title == "Patch")
    settings = Settings(islands=islands_from(source, patch, padding=4))
    assert finish(host, session.generate("moss", settings, from_picture=True)).state is TaskState.PLACED
    assert int((masks[0] == 128).sum()) == 60 * 30
