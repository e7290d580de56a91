"""The built package, imported for real by every Python that hosts bring along."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.cli.packaging import pythons
from tests.unit.cli.packaging.conftest import Files, unpack

Run = Callable[..., str]
# Version, state, size, the first pixel (which the fake daemon makes of prompt and seed), the typed error.
EXPECTED = re.compile(
    r"\('0\.0\.0\.fake', 'SUCCEEDED', 32, 16, '(?!0{8})[0-9a-f]{8}', "
    r"\('ModelNotFound', \{'looked_in': 'here'\}\)\)"
)
NONE_ABSOLUTE = """
import sys
ours = {"google", "grpclib", "h2", "hpack", "hyperframe", "multidict", "platformdirs", "pluggy",
        "typing_extensions", "underpaint"}
leaked = sorted(name for name in sys.modules if name.partition(".")[0] in ours)
assert not leaked, leaked
"""


@pytest.fixture(scope="session")
def old_protobuf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """protobuf 4.25 as another plug-in would carry it."""
    folder = tmp_path_factory.mktemp("protobuf425")
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(folder), "protobuf==4.25.*"],
        check=True,
    )
    return folder


@pytest.mark.parametrize(
    ("version", "choice"), list(zip(pythons.VERSIONS, ("upb", "nonsense", "cpp", ""), strict=True))
)
def test_runs_a_job_under_every_python_and_leaves_no_absolute_module(
    version: str, choice: str, run: Run, sample_files: Files, places: dict[str, str], tmp_path: Path
) -> None:
    place = unpack(sample_files, tmp_path / "host")
    # Another plug-in may have chosen an implementation of protobuf for the whole process.
    code = f"import os\nos.environ['PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION'] = {choice!r}\n" if choice else ""
    code += "import sample_host\nprint(sample_host.talk())\n" + NONE_ABSOLUTE
    assert EXPECTED.fullmatch(run(version, code, place, **places).strip())


@pytest.mark.parametrize("version", pythons.VERSIONS)
def test_every_packed_module_compiles_and_imports(
    version: str, run: Run, sample_files: Files, tmp_path: Path
) -> None:
    place = unpack(sample_files, tmp_path / "host")
    code = """
import compileall, importlib, pathlib, sys
root = pathlib.Path(%r)
assert compileall.compile_dir(root, quiet=1)
# What is written for another system.
elsewhere = {"platformdirs.windows", "platformdirs.android"}
loaded = 0
for file in sorted(root.rglob("*.py")):
    name = ".".join(file.relative_to(root.parent).with_suffix("").parts).removesuffix(".__init__")
    if name.removeprefix("sample_host._vendor.") not in elsewhere:
        importlib.import_module(name)
        loaded += 1
assert loaded > 90, loaded
"""
    run(version, code % str(place / "sample_host") + NONE_ABSOLUTE, place)


@pytest.mark.parametrize("version", pythons.VERSIONS)
def test_works_beside_protobuf_4_25_that_came_first(
    version: str,
    run: Run,
    sample_files: Files,
    places: dict[str, str],
    old_protobuf: Path,
    tmp_path: Path,
) -> None:
    place = unpack(sample_files, tmp_path / "host")
    # protobuf 4.25 is older than Python 3.12 and warns there; that is its affair.
    code = """
import warnings
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import google.protobuf
    from google.protobuf import timestamp_pb2, descriptor_pool
assert google.protobuf.__version__.startswith("4.25."), google.protobuf.__version__
before = dict(sys.modules)
import sample_host
print(sample_host.talk())
theirs = {n: m for n, m in sys.modules.items() if n.partition(".")[0] == "google"}
assert all(before.get(n) is m for n, m in theirs.items()), "we touched their protobuf"
assert timestamp_pb2.Timestamp(seconds=7).SerializeToString() == b"\\x08\\x07"
from sample_host._vendor.google import protobuf as ours
assert ours is not google.protobuf and not ours.__version__.startswith("4.")
"""
    assert EXPECTED.fullmatch(run(version, code, old_protobuf, place, **places).strip())


@pytest.mark.parametrize("version", pythons.VERSIONS)
def test_two_copies_of_us_call_in_one_process(
    version: str, run: Run, sample_files: Files, places: dict[str, str], tmp_path: Path
) -> None:
    place = unpack(sample_files, tmp_path / "host", rename="first_copy")
    unpack(sample_files, place, rename="second_copy")
    code = """
import threading
import first_copy, second_copy
said = {}
def talk(copy):
    for _ in range(2):
        said[copy.__name__] = copy.talk()
threads = [threading.Thread(target=talk, args=(copy,)) for copy in (first_copy, second_copy)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(said["first_copy"])
print(said["second_copy"])
assert first_copy.underpaint.UnderpaintError is not second_copy.underpaint.UnderpaintError
"""
    said = run(version, code + NONE_ABSOLUTE, place, **places).splitlines()
    assert EXPECTED.fullmatch(said[0])
    assert said[0] == said[1]
