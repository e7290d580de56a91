"""`FakeLink`: the scripted daemon in its own process, seen from the suite."""

from __future__ import annotations

import base64
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from underpaint.types import Alpha, Channels, ColorSpace, DataType, Image, PixelFormat, RowOrder

START_S: Final = 120.0
_ANSWER_S: Final = 60.0
_LOG: Final = "fake.log"
# Not a literal: the suite also lives inside plug-ins' own packages.
_PROCESS: Final = f"{__name__.rpartition('.conformance.')[0]}.fake_process"


class FakeLink:
    """Use `start` for a daemon of one's own, `attach` for one that somebody started with `--folder`.

    `folder` is the daemon's run-time folder, where clients find it.
    """

    def __init__(self, folder: Path, process: subprocess.Popen[bytes] | None = None) -> None:
        self.folder = folder
        self._process = process
        self._socket, self._lines = _reach(folder, process)

    @classmethod
    def start(cls) -> FakeLink:
        """Starts the daemon with this Python, which needs `underpaint[daemon]`. Close the link at the end."""
        # Short: a Unix socket's path holds about a hundred bytes.
        folder = Path(tempfile.mkdtemp(prefix="up-"))
        command = [sys.executable, "-m", _PROCESS, "--folder", str(folder), "--until-stdin-ends"]
        with (folder / _LOG).open("wb") as log:
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log)
        try:
            return cls(folder, process)
        except BaseException:
            _end(process)
            shutil.rmtree(folder, ignore_errors=True)
            raise

    @classmethod
    def attach(cls, folder: Path) -> FakeLink:
        """A daemon that runs already, perhaps outside the host's sandbox."""
        return cls(folder)

    def close(self) -> None:
        """Ends a daemon that `start` started; one that was attached to goes on."""
        if self._process is not None:
            self.ask("quit")
        self._lines.close()
        self._socket.close()
        if self._process is not None:
            _end(self._process)
            shutil.rmtree(self.folder, ignore_errors=True)

    # What the suite asks for.

    def script(self, **fields: Any) -> None:
        """What happens to jobs: the fields of `underpaint.testing.fake_script.Script`."""
        self.ask("script", **fields)

    def delay(self, call: str, seconds: float) -> None:
        """Makes every call of this name wait."""
        self.ask("delay", call=call, seconds=seconds)

    def go_on(self) -> None:
        """Lets jobs continue that a script stopped."""
        self.ask("go_on")

    def vanish(self) -> None:
        """The daemon is gone, as if it had been killed."""
        self.ask("stop")

    def come_back(self) -> None:
        """It is there again, with the jobs that it had."""
        self.ask("start")

    def forget(self) -> None:
        """All jobs, blobs and scripts: a fresh daemon for the next check."""
        self.ask("forget")

    def jobs(self) -> list[dict[str, Any]]:
        """Jobs: name, state, client_id, document_id, title, prompt, operation, step."""
        return list(self.ask("jobs"))

    def blobs(self) -> list[dict[str, Any]]:
        """Pixels that are still held: name, size, leases, jobs."""
        return list(self.ask("blobs"))

    def calls(self) -> list[str]:
        """Names of the protocol's calls that arrived."""
        return list(self.ask("calls"))

    def arrived(self, job: str) -> list[Image]:
        """What came with a job that is not final yet: the picture, then the mask."""
        return [_image(fields) for fields in self.ask("arrived", job=job)]

    def ask(self, do: str, **fields: Any) -> Any:
        """One request. Raises `RuntimeError` with what the other side says."""
        self._socket.sendall(json.dumps({"do": do, **fields}).encode() + b"\n")
        line = self._lines.readline()
        if not line:
            raise RuntimeError(f"the fake daemon in {self.folder} went away at {do!r}")
        answer = json.loads(line)
        if "error" in answer:
            raise RuntimeError(f"the fake daemon refused {do!r}: {answer['error']}")
        return answer["value"]


def _reach(folder: Path, process: subprocess.Popen[bytes] | None) -> tuple[socket.socket, Any]:
    deadline = time.monotonic() + START_S
    place = folder / "control.json"
    while not place.exists():
        if process is not None and process.poll() is not None:
            said = (folder / _LOG).read_text("utf-8", "replace")
            raise RuntimeError(
                f"The fake daemon did not start: install underpaint[daemon] for {sys.executable}, or start "
                f"`python -m {_PROCESS} --folder F` elsewhere and name F.\n{said.strip()[-2000:]}"
            )
        if time.monotonic() > deadline:
            raise RuntimeError(
                f"No fake daemon in {folder}: python -m {_PROCESS} --folder {folder} starts it."
            )
        time.sleep(0.02)
    where = json.loads(place.read_text("utf-8"))
    found = socket.create_connection(("127.0.0.1", where["port"]), timeout=_ANSWER_S)
    found.sendall(where["secret"].encode() + b"\n")
    return found, found.makefile("rb")


def _end(process: subprocess.Popen[bytes]) -> None:
    """It quits when its standard input ends; if not, it is killed."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _image(fields: dict[str, Any]) -> Image:
    format = PixelFormat(
        Channels(fields["channels"]),
        DataType(fields["data_type"]),
        Alpha(fields["alpha"]),
        ColorSpace(fields["color_space"]),
        RowOrder(fields["row_order"]),
    )
    size = (fields["width"], fields["height"])
    data = base64.b64decode(fields["data"])
    return Image(*size, data, format, fields["x"], fields["y"], fields["stride"])
