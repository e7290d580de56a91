"""The client in JavaScript, as the protocol guide shows it, against the fake daemon and the real one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image as Pictures

from tests.docs.node import EXAMPLE, NodeUnavailable, installed, node
from tests.support.installation import Installation
from underpaint.errors import OutOfMemory
from underpaint.testing.fake_daemon import FakeDaemon, Script

PROTO = EXAMPLE.parents[2] / "proto"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example as somebody has it who followed its README; skipped by name where Node is missing."""
    try:
        node()
        packages = installed()
    except NodeUnavailable as problem:
        reason = f"the client in a second language was NOT tested: {problem}"
        if os.environ.get("CI") == "true" or os.environ.get("UNDERPAINT_HOSTS_REQUIRED") == "1":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    place = tmp_path_factory.mktemp("node")
    for script in EXAMPLE.glob("*.js"):
        shutil.copy(script, place)
    (place / "node_modules").symlink_to(packages / "node_modules")
    return place


@pytest.fixture
def fake() -> Iterator[FakeDaemon]:
    runtime = Path(tempfile.mkdtemp(prefix="up-"))
    with FakeDaemon(runtime) as daemon:
        yield daemon
    shutil.rmtree(runtime)


def paint(folder: Path, runtime: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environ = {"PATH": os.environ["PATH"], "UNDERPAINT_RUNTIME_DIR": str(runtime)}
    return subprocess.run(
        [node(), "paint.js", *arguments],
        cwd=folder,
        env={**environ, "UNDERPAINT_PROTO_DIR": str(PROTO)},
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_a_picture_of_the_fake_daemon(folder: Path, fake: FakeDaemon, tmp_path: Path) -> None:
    target = tmp_path / "moss.ppm"
    done = paint(folder, fake.folder, "moss", str(target), "--seed", "7", "--size", "48x32")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"file": str(target), "width": 48, "height": 32, "seed": "7"}
    with Pictures.open(target) as picture:
        assert (picture.size, picture.mode) == ((48, 32), "RGB")
    assert fake.calls == ["SubmitJob", "WatchJob", "ReadBlob", "DeleteJob"]
    assert list(fake.blobs.found) == []


def test_over_tcp_and_in_many_chunks(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "moss.ppm"
    with FakeDaemon(tmp_path / "runtime", tcp=True) as daemon:
        pixels = os.urandom(1024 * 1024 * 3)
        daemon.script = Script(pixels=pixels)
        done = paint(folder, daemon.folder, "moss", str(target), "--size", "1024x1024")
    assert done.returncode == 0, done.stderr
    with Pictures.open(target) as picture:
        assert picture.tobytes() == pixels


def test_refusals_come_as_a_reason_and_a_sentence(folder: Path, fake: FakeDaemon, tmp_path: Path) -> None:
    target = str(tmp_path / "x.ppm")
    refused = paint(folder, fake.folder, "moss", target, "--model", "nobody")
    assert (refused.returncode, refused.stderr.split(":")[0]) == (1, "MODEL_NOT_FOUND")
    fake.script = Script(error=OutOfMemory("Too large: try 512x512."))
    failed = paint(folder, fake.folder, "moss", target)
    assert failed.returncode == 1
    assert failed.stderr.splitlines()[-1] == "OUT_OF_MEMORY: Too large: try 512x512."
    discovery = json.loads((fake.folder / "daemon.json").read_text("utf-8"))
    (fake.folder / "daemon.json").write_text(json.dumps({**discovery, "token": "wrong"}))
    assert "TOKEN_REFUSED" in paint(folder, fake.folder, "moss", target).stderr
    (fake.folder / "daemon.json").write_text(json.dumps({**discovery, "protocol_minimum": 2}))
    assert "speaks protocol 2" in paint(folder, fake.folder, "moss", target).stderr
    assert not Path(target).exists()


def test_the_real_daemon_gives_node_the_picture_that_it_gives_the_command_line(
    folder: Path, installation: Installation, tmp_path: Path
) -> None:
    target, ours = tmp_path / "wall.ppm", tmp_path / "wall.png"
    jobs = installation.json("jobs", "list")
    arguments = ("old brick wall", str(target), "--seed", "7", "--size", "96x64", "--model", "tiny")
    done = paint(folder, installation.runtime, *arguments)
    assert done.returncode == 0, done.stderr
    installation.json(
        *("txt2img", "old brick wall", "--seed", "7", "--size", "96x64", "--model", "tiny", "-o", str(ours))
    )
    with Pictures.open(target) as theirs, Pictures.open(ours) as picture:
        assert theirs.size == (96, 64)
        assert len(theirs.getcolors(96 * 64) or ()) > 100
        assert theirs.tobytes() == picture.convert("RGB").tobytes()
    assert installation.json("jobs", "list") == jobs
