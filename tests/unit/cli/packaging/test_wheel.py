"""An installed wheel has the plug-ins inside and builds the same zips as a checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import underpaint
from underpaint.cli.packaging import HOSTS, build
from underpaint.cli.packaging.archive import digest, read_zip
from underpaint.cli.packaging.layouts import LAYOUTS

CHECKOUT = Path(__file__).parents[4]
pytestmark = pytest.mark.skipif(
    not (CHECKOUT / "setup.py").is_file(), reason="the wheel is built from a checkout"
)


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that a wheel is built from, in a folder of their own: a build leaves things behind."""
    folder = tmp_path_factory.mktemp("sources")
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(CHECKOUT / name, folder / name)
    ignore = shutil.ignore_patterns("__pycache__", "*.egg-info", ".*_cache", "build")
    shutil.copytree(CHECKOUT / "plugins", folder / "plugins", ignore=ignore)
    shutil.copytree(CHECKOUT / "sdk" / "underpaint", folder / "sdk" / "underpaint", ignore=ignore)
    return folder


def _pip(*arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--quiet", *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def wheel(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    _pip("wheel", "--no-build-isolation", "--no-deps", "--wheel-dir", str(folder), str(sources))
    return next(folder.glob("underpaint-*.whl"))


def _plugin_sources() -> set[str]:
    root = CHECKOUT / "plugins"
    files = {path.relative_to(root) for path in root.rglob("*") if path.is_file()}
    return {
        path.as_posix()
        for path in files
        if not {"__pycache__", ".mypy_cache", ".ruff_cache", "build", "krita_api_stubs.egg-info"}
        & set(path.parts)
    }


def test_the_wheel_holds_every_plug_in_source(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    packed = {name.removeprefix("underpaint/_plugins/") for name in names if "/_plugins/" in name}
    assert packed == _plugin_sources()


def test_the_source_distribution_holds_them_too(sources: Path, tmp_path: Path) -> None:
    code = "from setuptools import build_meta; import sys; print(build_meta.build_sdist(sys.argv[1]))"
    subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], cwd=sources, capture_output=True, text=True, check=True
    )
    with tarfile.open(next(tmp_path.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {f"plugins/{name}" for name in _plugin_sources()} | {"setup.py"} <= names


def test_an_editable_installation_finds_them_in_the_checkout(sources: Path, tmp_path: Path) -> None:
    code = "from setuptools import build_meta; import sys; print(build_meta.build_editable(sys.argv[1]))"
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=sources, capture_output=True, check=True)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as archive:
        paths = [name for name in archive.namelist() if name.endswith(".pth")]
        assert archive.read(paths[0]).decode().strip() == str(sources / "sdk")
        assert not [name for name in archive.namelist() if "_plugins" in name]
    code = "from underpaint.cli.packaging.layouts import plugins_folder; print(plugins_folder())"
    environ = {**os.environ, "PYTHONPATH": str(sources / "sdk")}
    said = subprocess.run(
        [sys.executable, "-c", code], env=environ, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() == str(sources / "plugins")


def test_an_installed_wheel_builds_the_same_zips(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    _pip("install", "--no-deps", "--target", str(site), str(wheel))
    code = """
import sys
from pathlib import Path
import underpaint
from underpaint.cli.packaging import HOSTS, build
assert Path(underpaint.__file__).is_relative_to(sys.argv[1]), underpaint.__file__
for host in HOSTS:
    build(host, Path(sys.argv[2]))
"""
    environ = {**os.environ, "PYTHONPATH": str(site)}
    subprocess.run(
        [sys.executable, "-c", code, str(site), str(tmp_path / "out")], env=environ, cwd=tmp_path, check=True
    )
    for host in HOSTS:
        name = f"underpaint-{host}-{underpaint.__version__}.zip"
        installed, checkout = read_zip(tmp_path / "out" / name), read_zip(build(host, tmp_path / "here"))
        differing = sorted(
            path
            for path in installed.keys() | checkout.keys()
            # The metadata of an editable installation may be older than its sources.
            if installed.get(path) != checkout.get(path) and "/licences/underpaint/" not in f"/{path}"
        )
        assert set(differing) <= {LAYOUTS[host].inside("_vendor/build.json")}, differing
        assert digest(installed)
