"""The client's dependency closure holds no compiled wheel, and runs a job under every Python of hosts."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import tomllib

from tests.unit.cli.packaging import pythons
from underpaint.testing.fake_daemon import FakeDaemon

ROOT = Path(__file__).parents[2]
# Named because pip asks the Python that it runs under whether multidict needs it.
FOR_3_10 = "typing_extensions>=4.1"
REQUIREMENTS: list[str] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"][
    "dependencies"
]
PATIENT = ("--quiet", "--disable-pip-version-check", "--retries=8", "--timeout=60")
# No wheel but py3-none-any will do; 3.10 asks for the most (typing_extensions).
ONLY_PURE = [
    "--only-binary=:all:",
    "--platform=any",
    "--implementation=py",
    "--abi=none",
    "--python-version=3.10",
]

JOB = """
import sys
import time
from pathlib import Path

begun = time.process_time()
import underpaint
from underpaint.types import MASK_FORMAT
underpaint.connect
spent = time.process_time() - begun

assert sys.path[0] in underpaint.__file__
for pixels in ("auto", "chunks"):
    with underpaint.connect(start=False, pixels=pixels) as client:
        image = underpaint.Image(16, 16, bytes(range(256)) * 4, x=2, y=3)
        mask = underpaint.Image(16, 16, bytes(128) + b"\\xff" * 128, MASK_FORMAT, x=2, y=3)
        seen = []
        job = client.submit(underpaint.GenerateRequest(prompt="moss", seed=1, image=image, mask=mask))
        assert job.wait(120, on_update=seen.append, on_preview=seen.append).state.value == "succeeded"
        (result,) = job.fetch()
        alpha = bytes(result.data[3::4])
        assert alpha == bytes(128) + b"\\xff" * 128, alpha
        assert (result.x, result.y) == (2, 3)
        try:
            client.submit(underpaint.GenerateRequest(model="nothing"))
        except underpaint.UnderpaintError as error:
            assert error.reason == "MODEL_NOT_FOUND", error
        else:
            raise AssertionError("an unknown model was taken")

from google.protobuf.internal import api_implementation
assert api_implementation.Type() == "python"
place = Path(sys.path[1])
files = [str(getattr(module, "__file__", "")) for module in sys.modules.values()]
ours = [file for file in files if file.startswith(str(place))]
assert len(ours) > 50 and all(file.endswith(".py") for file in ours), ours
print(f"{spent:.3f}")
"""


@pytest.fixture(scope="session")
def closure() -> Path:
    """The closure, installed from pure wheels only; kept between runs, outside the checkout."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "underpaint-tests"
    digest = hashlib.sha256("\n".join([*REQUIREMENTS, FOR_3_10, *ONLY_PURE]).encode()).hexdigest()[:16]
    folder = cache / f"closure-{digest}"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "closure.lock").open("w") as lock:
        # Two runs of the tests at once: the second one waits and finds it there.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            with tempfile.TemporaryDirectory(dir=cache) as scratch:
                target = Path(scratch) / "site"
                command = [sys.executable, "-m", "pip", "install", *PATIENT, "--target", str(target)]
                subprocess.run([*command, *ONLY_PURE, FOR_3_10, *REQUIREMENTS], check=True)
                target.rename(folder)
    return folder


@pytest.fixture
def places() -> Iterator[dict[str, str]]:
    """A running daemon, and the environment in which a client finds it."""
    folder = Path(tempfile.mkdtemp(prefix="up-"))
    with FakeDaemon(folder):
        yield {f"UNDERPAINT_{kind}_DIR": str(folder) for kind in ("RUNTIME", "STATE", "CONFIG")}
    shutil.rmtree(folder)


def test_every_wheel_of_the_closure_is_pure(closure: Path) -> None:
    tags = {
        wheel.parent.name: re.findall(r"^Tag: (.*)$", wheel.read_text("utf-8"), re.MULTILINE)
        for wheel in closure.glob("*.dist-info/WHEEL")
    }
    names = {name.partition("-")[0] for name in tags}
    assert {
        "grpclib",
        "h2",
        "hpack",
        "hyperframe",
        "multidict",
        "platformdirs",
        "pluggy",
        "protobuf",
    } <= names
    assert all(tag.endswith("-none-any") for found in tags.values() for tag in found), tags
    assert not [path for path in closure.rglob("*") if path.suffix in (".so", ".pyd", ".dylib")]


@pytest.mark.parametrize("version", pythons.VERSIONS)
def test_a_job_runs_from_pure_wheels(
    version: str, closure: Path, places: dict[str, str], tmp_path: Path
) -> None:
    python = pythons.find(version)
    if python is None:
        pytest.skip(f"python{version} is not on this machine")
    script = tmp_path / "job.py"
    paths = [str(ROOT / "sdk"), str(closure)]
    script.write_text(f"import sys; sys.path[:0] = {paths!r}\n" + JOB)
    done = subprocess.run(
        # Isolated and without site-packages: the closure is all there is.
        [python, "-I", "-S", "-W", "error", str(script)],
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", **places},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    print(f"python{version}: importing the client took {done.stdout.strip()} s of processor time")
