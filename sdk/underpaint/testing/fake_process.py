"""A `FakeDaemon` in a process of its own, steered through a socket: for hosts whose Python has no grpcio.

    python -m underpaint.testing.fake_process --folder /tmp/fake

`FOLDER/control.json` says where it listens and with which secret; `conformance.daemon.FakeLink` is the other
side. A line of JSON asks (`{"do": "stop"}`), a line answers (`{"value": ...}` or `{"error": "..."}`).
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import secrets
import socketserver
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from underpaint.errors import for_reason
from underpaint.testing.fake_daemon import FakeDaemon, Script
from underpaint.testing.fake_script import inputs_of
from underpaint.wire.images import format_of
from underpaint.wire.jobs import state_from
from underpaint.wire.paths import private_dir

CONTROL_FILE: Final = "control.json"


def script_from(fields: Mapping[str, Any]) -> Script:
    """A script from JSON: its fields by name; `error` is {"reason", "message"}, `pixels` is base64."""
    values = dict(fields)
    if error := values.get("error"):
        values["error"] = for_reason(error["reason"], error["message"])
    if pixels := values.get("pixels"):
        values["pixels"] = base64.b64decode(pixels)
    values["notes"] = tuple(values.get("notes", ()))
    return Script(**values)


class Desk:
    """Answers what the other process asks; each method of a name without underscore is a request."""

    def __init__(self, daemon: FakeDaemon) -> None:
        self._daemon = daemon

    def script(self, **fields: Any) -> None:
        """What happens to jobs from now on."""
        self._daemon.script = script_from(fields)

    def delay(self, call: str, seconds: float) -> None:
        """Makes every call of this name wait before it is answered."""
        self._daemon.delays[call] = seconds

    def go_on(self) -> None:
        """Jobs that a script stopped continue."""
        self._daemon.go_on()

    def stop(self) -> None:
        """The daemon vanishes; its jobs are remembered."""
        self._daemon.stop()

    def start(self) -> None:
        """It is there again, with the jobs it had; those that were not final begin anew."""
        self._daemon.start()

    def forget(self) -> None:
        """All jobs, blobs and scripts."""
        self._daemon.start()
        self._daemon.forget()

    def calls(self) -> list[str]:
        """Names of the calls that arrived, oldest first."""
        return self._daemon.ask(lambda: list(self._daemon.calls))

    def jobs(self) -> list[dict[str, Any]]:
        """Jobs that it has, oldest first."""
        return self._daemon.ask(self._jobs)

    def blobs(self) -> list[dict[str, Any]]:
        """Pixels that it holds, and for whom."""
        return self._daemon.ask(self._blobs)

    def arrived(self, job: str) -> list[dict[str, Any]]:
        """The images that came with a job (picture, then mask), while it still needs them."""
        return self._daemon.ask(lambda: self._arrived(job))

    def _jobs(self) -> list[dict[str, Any]]:
        return [
            {
                "name": record.job.name,
                "state": state_from(record.job.state).value,
                "client_id": record.job.origin.client_id,
                "document_id": record.job.origin.document_id,
                "title": record.job.origin.title,
                "prompt": record.job.spec.prompt,
                "operation": record.job.spec.WhichOneof("operation") or "",
                "step": record.job.progress.step,
            }
            for record in self._daemon.jobs.records.values()
        ]

    def _blobs(self) -> list[dict[str, Any]]:
        blobs = self._daemon.blobs
        blobs.sweep()
        return [
            {"name": blob.name, "size": blob.size, "leases": blob.leases, "jobs": blob.jobs}
            for blob in blobs.found.values()
        ]

    def _arrived(self, job: str) -> list[dict[str, Any]]:
        spec = self._daemon.jobs.records[job].job.spec
        operation = spec.WhichOneof("operation") or ""
        place = getattr(spec, operation).image if operation != "text_to_image" else None
        images = []
        for name in inputs_of(spec):
            blob = self._daemon.blobs.sealed(name)
            format = format_of(blob.layout)
            images.append(
                {
                    "x": place.x_px if place is not None else 0,
                    "y": place.y_px if place is not None else 0,
                    "width": blob.layout.width_px,
                    "height": blob.layout.height_px,
                    "stride": blob.layout.stride_bytes,
                    "channels": format.channels.value,
                    "data_type": format.data_type.value,
                    "alpha": format.alpha.value,
                    "color_space": format.color_space.value,
                    "row_order": format.row_order.value,
                    "data": base64.b64encode(blob.path.read_bytes()).decode(),
                }
            )
        return images


class Control(socketserver.ThreadingTCPServer):
    """The control socket: loopback only, and only for whoever read the secret."""

    daemon_threads = True
    allow_reuse_address = False

    def __init__(self, desk: Desk) -> None:
        super().__init__(("127.0.0.1", 0), _Visitor)
        self.desk = desk
        self.secret = secrets.token_hex(16)


class _Visitor(socketserver.StreamRequestHandler):
    server: Control

    def handle(self) -> None:
        if not secrets.compare_digest(self.rfile.readline().strip(), self.server.secret.encode()):
            return
        for line in self.rfile:
            asked = json.loads(line)
            name = str(asked.pop("do"))
            if name == "quit":
                # Not from here: `shutdown` waits for the loop that waits for nobody.
                threading.Thread(target=self.server.shutdown, daemon=True).start()
                self._answer({"value": None})
                return
            method: Callable[..., Any] | None = None
            if not name.startswith("_"):
                method = getattr(self.server.desk, name, None)
            if method is None:
                self._answer({"error": f"there is no request {name!r}"})
                continue
            try:
                self._answer({"value": method(**asked)})
            except Exception as error:  # noqa: BLE001 - whoever asked is told, in its own process
                self._answer({"error": f"{type(error).__name__}: {error}"})

    def _answer(self, answer: Mapping[str, Any]) -> None:
        self.wfile.write(json.dumps(answer).encode() + b"\n")


def main(arguments: Sequence[str] | None = None) -> None:
    """Serves until it is told to quit."""
    parser = argparse.ArgumentParser(prog="python -m underpaint.testing.fake_process", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="run-time folder; a short path")
    parser.add_argument("--until-stdin-ends", action="store_true", help="quit when the parent is gone")
    parser.add_argument("--chunks", action="store_true", help="pixels travel in messages, not in files")
    chosen = parser.parse_args(arguments)
    folder = private_dir(chosen.folder.absolute())
    with FakeDaemon(folder, mapped=not chosen.chunks) as daemon, Control(Desk(daemon)) as control:
        where = {"port": control.server_address[1], "secret": control.secret, "pid": os.getpid()}
        place = folder / CONTROL_FILE
        draft = place.with_suffix(".draft")
        draft.touch(mode=0o600)
        draft.write_text(json.dumps(where), "utf-8")
        draft.replace(place)
        try:
            if chosen.until_stdin_ends:
                threading.Thread(target=_quit_with_parent, args=(control,), daemon=True).start()
            control.serve_forever(poll_interval=0.05)
        finally:
            place.unlink(missing_ok=True)


def _quit_with_parent(control: Control) -> None:
    sys.stdin.buffer.read()
    control.shutdown()


if __name__ == "__main__":
    main()
