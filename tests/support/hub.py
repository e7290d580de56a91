"""A hub on this machine that speaks what importing needs: a repository's listing, and its files in parts."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

COMMIT = "c0ffee" * 6 + "c0ff"
LARGE = (".safetensors", ".gguf", ".bin", ".ckpt")


@dataclass
class Hub:
    """Repositories by name, each with its files; `spoiled` ones come with other bytes than are listed."""

    repositories: dict[str, dict[str, bytes]]
    address: str = ""
    gated: set[str] = field(default_factory=set)
    spoiled: set[str] = field(default_factory=set)
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    """Method, path and range of every request."""

    def listing(self, name: str) -> dict[str, object]:
        """As `/api/models/NAME?blobs=true` answers."""
        siblings = []
        for file, content in self.repositories[name].items():
            blob = hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()
            entry: dict[str, object] = {"rfilename": file, "size": len(content), "blobId": blob}
            if file.endswith(LARGE):
                sha256 = hashlib.sha256(content).hexdigest()
                entry["lfs"] = {"sha256": sha256, "size": len(content), "pointerSize": 134}
            siblings.append(entry)
        return {
            "id": name,
            "modelId": name,
            "sha": COMMIT,
            "private": False,
            "tags": [],
            "downloads": 0,
            "likes": 0,
            "cardData": {"license": "openrail"},
            "siblings": siblings,
        }


@contextmanager
def serving(repositories: dict[str, dict[str, bytes]]) -> Iterator[Hub]:
    """The hub, on 127.0.0.1 only, until the block ends."""
    hub = Hub(repositories)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self._answer(body=False)

        def do_GET(self) -> None:
            self._answer(body=True)

        def _answer(self, *, body: bool) -> None:
            path = unquote(urlsplit(self.path).path)
            hub.asked.append((self.command, path, self.headers.get("Range", "")))
            words = path.strip("/").split("/")
            if path.startswith("/api/models/"):
                name, revision = "/".join(words[2:4]), words[5] if len(words) > 5 else "main"
                if self._refused(name, revision):
                    return
                self._send(200, json.dumps(hub.listing(name)).encode(), {}, body)
                return
            name, file = "/".join(words[:2]), "/".join(words[4:])
            if words[2] != "resolve" or self._refused(name, words[3]):
                return
            content = hub.repositories[name][file]
            headers = {"X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
            digest = hashlib.sha256 if file.endswith(LARGE) else hashlib.sha1
            headers["ETag"] = f'"{digest(content).hexdigest()}"'
            if file in hub.spoiled:
                content = content[:-1] + bytes([content[-1] ^ 1])
            begin = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")[0])
            if begin:
                headers["Content-Range"] = f"bytes {begin}-{len(content) - 1}/{len(content)}"
            self._send(206 if begin else 200, content[begin:], headers, body)

        def _refused(self, name: str, revision: str) -> bool:
            if name not in hub.repositories:
                self._send(404, b"", {"X-Error-Code": "RepoNotFound"}, True)
            elif revision not in ("main", COMMIT):
                self._send(404, b"", {"X-Error-Code": "RevisionNotFound"}, True)
            elif name in hub.gated:
                self._send(403, b"", {"X-Error-Code": "GatedRepo"}, True)
            else:
                return False
            return True

        def _send(self, status: int, content: bytes, headers: dict[str, str], body: bool) -> None:
            self.send_response(status)
            for key, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(key, value)
            self.end_headers()
            if body:
                try:
                    self.wfile.write(content)
                except ConnectionError:
                    self.close_connection = True  # the client hung up on purpose

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    hub.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
