"""Built plug-ins, Pythons of other versions, and a daemon to talk to."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.unit.cli.packaging import pythons
from underpaint.cli.packaging.archive import Files
from underpaint.cli.packaging.build import files_of
from underpaint.cli.packaging.layouts import Layout, plugins_folder
from underpaint.errors import ModelNotFound
from underpaint.testing.fake_daemon import FakeDaemon

SAMPLE = Layout("sample", "Sample", "sample_host", "sample_host")
TALKING = """\
import underpaint.wire.headers
from underpaint.errors import UnderpaintError
from underpaint.types import GenerateRequest, Image, PixelFormat


def talk():
    from underpaint import connect

    source = Image(32, 16, bytes(32 * 16 * 4), PixelFormat())
    request = GenerateRequest(prompt="old brick wall", seed=7, image=source)
    with connect(start=False) as client:
        version = client.server_info().version
        job = client.submit(request)
        state = job.wait(120).state.name
        image = job.fetch()[0]
        pixels = bytes(image.data)[: image.size_bytes]
        try:
            client.load_model("missing")
        except UnderpaintError as error:
            refused = type(error).__name__, error.metadata
    return version, state, image.width, image.height, pixels.hex()[:8], refused


def protocol():
    return underpaint.wire.headers.PROTOCOL_VERSION
"""


@pytest.fixture
def daemon() -> Iterator[FakeDaemon]:
    """A daemon without a model, over a Unix socket and mapped files."""
    folder = Path(tempfile.mkdtemp(prefix="up-"))
    with FakeDaemon(folder) as one:
        one.failures["LoadModel"] = [ModelNotFound("No such model.", metadata={"looked_in": "here"})] * 9
        yield one
    shutil.rmtree(folder)


@pytest.fixture
def places(daemon: FakeDaemon, tmp_path: Path) -> dict[str, str]:
    """The environment in which a client finds that daemon and nothing else."""
    return {
        "UNDERPAINT_RUNTIME_DIR": str(daemon.folder),
        "UNDERPAINT_STATE_DIR": str(tmp_path / "state"),
        "UNDERPAINT_CONFIG_DIR": str(tmp_path / "config"),
    }


@pytest.fixture(scope="session")
def sample_files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """A small plug-in, built as the real ones are. Its `talk` runs a job and returns what came back."""
    plugins = tmp_path_factory.mktemp("plugins")
    package = plugins / "sample" / "sample_host"
    package.mkdir(parents=True)
    (plugins / "LICENSE").write_bytes((plugins_folder() / "LICENSE").read_bytes())
    (package / "__init__.py").write_text(
        "import underpaint\nfrom sample_host.talking import protocol, talk\n"
    )
    (package / "icon.svg").write_text("<svg/>")
    (package / "talking.py").write_text(TALKING)
    return files_of(SAMPLE, plugins)


def unpack(files: Files, folder: Path, *, rename: str = "sample_host") -> Path:
    """Writes a built plug-in's package below `folder`, under another name if a second copy is wanted."""
    for path, file in files.items():
        target = folder / rename / path.removeprefix("sample_host/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.content)
    return folder


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., str]:
    """Runs code under a Python of that version, alone, with warnings as errors; returns what it printed."""

    def run_code(version: str, code: str, *paths: Path, **environ: str) -> str:
        python = pythons.find(version)
        if python is None:
            pytest.skip(f"python{version} is not on this machine")
        script = tmp_path / "script.py"
        script.write_text(
            "".join(f"import sys; sys.path.insert(0, {str(path)!r})\n" for path in paths) + code
        )
        done = subprocess.run(
            [python, "-I", "-W", "error", str(script)],
            env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", **environ},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run_code
