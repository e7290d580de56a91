"""Projects that new-host writes: their own tests pass, conformance among them, for every option."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from itertools import combinations
from pathlib import Path

import pytest

from underpaint.cli.new_host import Project
from underpaint.host import Capability

CHECKOUT = Path(__file__).parents[2]
EVERYTHING = frozenset(Capability)
OPTIONS = {
    "everything": EVERYTHING,
    **{f"without-{capability.value}": EVERYTHING - {capability} for capability in Capability},
    "without-anything": frozenset[Capability](),
}
NAMES = ("ab", "paint-studio", "a-host-with-quite-a-long-name-32")


def _run(folder: Path, *command: str, **environ: str) -> str:
    done = subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1", **environ},
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


@pytest.fixture(scope="module")
def type_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What mypy knows of numpy and underpaint: worth sharing."""
    return tmp_path_factory.mktemp("mypy")


@pytest.mark.slow
@pytest.mark.parametrize("capabilities", OPTIONS.values(), ids=OPTIONS.keys())
def test_a_new_project_passes_its_own_tests_and_the_type_checker(
    capabilities: frozenset[Capability], tmp_path: Path, type_cache: Path
) -> None:
    folder = tmp_path / "project"
    Project("paint-studio", "Paint Studio", capabilities=capabilities).write(folder)
    said = _run(folder, "-m", "pytest", "-q", "-p", "no:cacheprovider", PYTHONPATH="src")
    for capability in Capability:
        assert (f"not declared: {capability.value}" in said) == (capability not in capabilities)
    _run(folder, "-m", "mypy", "--cache-dir", str(type_cache), "src", "tests")


def test_every_combination_is_written_as_ruff_would_write_it(tmp_path: Path) -> None:
    chosen = [frozenset(some) for count in range(6) for some in combinations(Capability, count)]
    assert len(chosen) == 32
    for number, capabilities in enumerate(chosen):
        name, title = NAMES[number % 3], "A Program With Quite A Long Name Of 40.."[: 10 + number]
        Project(name, title, capabilities=capabilities).write(tmp_path / str(number))
    ruff = str(Path(sys.executable).parent / "ruff")
    for arguments in (["check", "--no-cache"], ["format", "--check", "--no-cache"]):
        done = subprocess.run([ruff, *arguments, "."], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-4000:]


def test_an_installed_project_is_found_by_its_entry_point(tmp_path: Path) -> None:
    folder, site = tmp_path / "project", tmp_path / "site"
    Project("paint-studio", "Paint Studio").write(folder)
    pip = ("-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--target", str(site))
    _run(tmp_path, *pip, str(folder))
    code = """
from underpaint.hookspecs import HOSTS_GROUP, HostSpecs
from underpaint.hookspecs.loading import PluginSet
plugins = PluginSet(HOSTS_GROUP, HostSpecs)
(info,) = [info for info in plugins.infos() if info.name == "paint-studio"]
assert not info.problem, info.problem
hosts = dict(value for _, value in plugins.each("underpaint_register_hosts"))
adapter = hosts["paint-studio"]()
print(info.distribution, type(adapter).__module__, adapter.name)
"""
    found = _run(tmp_path, "-c", code, PYTHONPATH=str(site))
    assert found.split() == ["paint-studio", "0.1.0", "paint_studio.adapter", "paint-studio"]
    tests = _run(folder, "-m", "pytest", "-q", "tests/test_plugin.py", PYTHONPATH=str(site))
    assert "2 passed" in tests


@pytest.mark.skipif(not (CHECKOUT / "setup.py").is_file(), reason="the wheel is built from a checkout")
def test_an_installed_wheel_brings_the_templates(tmp_path: Path) -> None:
    sources, site = tmp_path / "sources", tmp_path / "site"
    sources.mkdir()
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(CHECKOUT / name, sources / name)
    ignore = shutil.ignore_patterns("__pycache__", "*.egg-info", ".*_cache", "build")
    shutil.copytree(CHECKOUT / "plugins", sources / "plugins", ignore=ignore)
    shutil.copytree(CHECKOUT / "sdk" / "underpaint", sources / "sdk" / "underpaint", ignore=ignore)
    pip = ("-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(tmp_path))
    _run(tmp_path, *pip, str(sources))
    (wheel,) = tmp_path.glob("underpaint-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if "/cli/templates/" in name}
        archive.extractall(site)
    kept = (CHECKOUT / "sdk" / "underpaint" / "cli" / "templates").rglob("*.tmpl")
    assert packed == {file.relative_to(CHECKOUT / "sdk").as_posix() for file in kept}
    _run(tmp_path, "-m", "underpaint", "new-host", "paint-studio", PYTHONPATH=str(site))
    here = Project("paint-studio", "Paint Studio").files()
    written = {path: (tmp_path / "paint-studio" / path).read_text("utf-8") for path in here}
    assert written == here
