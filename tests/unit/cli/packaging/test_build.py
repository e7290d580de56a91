"""What is in the zips, and what the build refuses."""

from __future__ import annotations

import ast
import configparser
import json
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

import underpaint
from tests.unit.cli.packaging.conftest import SAMPLE
from underpaint.cli.packaging import HOSTS, build, closure, libraries
from underpaint.cli.packaging.archive import File, Files, digest, read_zip, time_of, write_zip
from underpaint.cli.packaging.build import files_of, semantic_version
from underpaint.cli.packaging.closure import Closure, Module
from underpaint.cli.packaging.imports import imports_of
from underpaint.cli.packaging.layouts import LAYOUTS, plugins_folder
from underpaint.cli.packaging.libraries import LIBRARIES, Library
from underpaint.cli.packaging.notices import Notice, notice_of, python_minimum
from underpaint.errors import NotFound, Unusable

VENDORED = {"underpaint", *(library.module.partition(".")[0] for library in LIBRARIES)}


@pytest.fixture(scope="module", params=HOSTS)
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    return request.param, build(request.param, tmp_path_factory.mktemp("zips"))


def test_no_source_in_a_zip_imports_what_travels_by_an_absolute_name(built: tuple[str, Path]) -> None:
    host, path = built
    layout = LAYOUTS[host]
    sources = {name: file.content for name, file in read_zip(path).items() if name.endswith(".py")}
    assert len(sources) > 100
    for name, content in sources.items():
        if not name.startswith(layout.package_path):
            continue  # the entry script beside GIMP's package
        for found in imports_of(ast.parse(content, name), "some.package.module", is_package=False):
            if isinstance(found.node, ast.ImportFrom) and found.node.level:
                continue
            assert found.module.partition(".")[0] not in VENDORED, f"{name}: {found.module}"


def test_zips_are_small_and_have_their_hosts_shape(built: tuple[str, Path]) -> None:
    host, path = built
    layout = LAYOUTS[host]
    assert path.name == f"underpaint-{host}-{underpaint.__version__}.zip"
    assert path.stat().st_size < 2_000_000
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        names = set(archive.namelist())
    assert {place for _, place in layout.extras} <= names
    assert {layout.inside(name) for name in ("__init__.py", "LICENSE", "_vendor/build.json")} <= names
    assert not [name for name in names if name.endswith((".pyc", ".pyi", ".so", ".pyd")) or "daemon" in name]


def test_every_licence_travels_and_is_listed(built: tuple[str, Path]) -> None:
    host, path = built
    inside = LAYOUTS[host].inside
    files = read_zip(path)
    notice = files[inside("_vendor/NOTICE.txt")].content.decode()
    about = json.loads(files[inside("_vendor/build.json")].content)
    packages = {
        name.removeprefix(inside("_vendor/")).split("/")[0].removesuffix(".py")
        for name in files
        if name.startswith(inside("_vendor/")) and name.endswith(".py")
    } - {"__init__"}
    distributions = {"protobuf" if package == "google" else package for package in packages}
    assert set(about["distributions"]) == distributions
    for name, version in about["distributions"].items():
        assert f"{name} {version}: " in notice
        assert [text for text in files if text.startswith(inside(f"_vendor/licences/{name}/"))], name


def test_kritas_importer_finds_what_it_looks_for(tmp_path: Path) -> None:
    """Krita's importer wants a desktop file that names a folder with an entry of its own in the zip."""
    with zipfile.ZipFile(build("krita", tmp_path)) as archive:
        desktop = [name for name in archive.namelist() if name.endswith(".desktop")]
        config = configparser.ConfigParser()
        config.read_string(archive.read(desktop[0]).decode())
        entry = config["Desktop Entry"]
        folders = [name for name in archive.namelist() if f"/{name}".endswith(f"/{entry['X-KDE-Library']}/")]
        assert len(desktop) == len(folders) == 1
        assert f"{folders[0]}__init__.py" in archive.namelist()
        assert f"{folders[0]}{entry['X-Krita-Manual']}" in archive.namelist()
        assert entry["Name"] and entry["X-Python-2-Compatible"] == "false"


def test_the_conformance_suite_travels_only_where_it_is_asked_for(
    built: tuple[str, Path], tmp_path: Path
) -> None:
    host, plain = built[0], read_zip(built[1])
    path = build(host, tmp_path, conformance=True)
    assert path.name == f"underpaint-{host}-{underpaint.__version__}-conformance.zip"
    added = {name: file.content.decode() for name, file in read_zip(path).items() if name not in plain}
    suite = LAYOUTS[host].inside("_vendor/underpaint/testing/")
    assert all(name.startswith(suite) for name in added)
    assert {f"{suite}__init__.py", f"{suite}conformance/runner.py"} <= set(added)
    assert not [name for name in added if "fake" in name or "reference" in name]
    assert "from ....host import" in added[f"{suite}conformance/checks/undo.py"]


def test_gimps_entry_is_executable_and_named_like_its_folder(tmp_path: Path) -> None:
    files = read_zip(build("gimp", tmp_path))
    assert [name for name, file in files.items() if file.executable] == ["underpaint-gimp/underpaint-gimp.py"]
    assert files["underpaint-gimp/underpaint-gimp.py"].content.startswith(b"#!/usr/bin/env python3\n")


def test_blenders_manifest_has_our_version(tmp_path: Path) -> None:
    manifest = read_zip(build("blender", tmp_path))["blender_manifest.toml"].content.decode()
    assert f'\nversion = "{semantic_version(underpaint.__version__)}"\n' in manifest
    assert '\nlicense = ["SPDX:GPL-3.0-or-later"]\n' in manifest


@pytest.mark.parametrize(
    ("version", "semantic"),
    [
        ("1.2.3", "1.2.3"),
        ("1.2", "1.2.0"),
        ("0.1.0.dev0", "0.1.0-dev.0"),
        ("0.1.0rc1", "0.1.0-rc.1"),
        ("1.0a2.dev3", "1.0.0-a.2.dev.3"),
        ("1.0.post4", "1.0.0+post.4"),
        ("1.0+local.7", "1.0.0+local.7"),
    ],
)
def test_versions_become_semantic(version: str, semantic: str) -> None:
    assert semantic_version(version) == semantic


def test_another_version_unpacks_to_files_of_another_time(sample_files: Files) -> None:
    # By that GIMP and Python know that what they kept of an older one is out of date.
    changed = {**sample_files, "one-more": File(b"")}
    times = [time_of(files) for files in (sample_files, dict(reversed(sample_files.items())), changed)]
    assert times[0] == times[1] != times[2]
    assert all(1980 <= time[0] <= 2000 for time in times)


def test_the_same_sources_give_the_same_bytes(tmp_path: Path, sample_files: Files) -> None:
    shuffled = dict(sorted(sample_files.items(), key=lambda item: item[0][::-1]))
    write_zip(sample_files, tmp_path / "one.zip")
    write_zip(shuffled, tmp_path / "two.zip")
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    assert digest(sample_files) == digest(shuffled) == digest(read_zip(tmp_path / "one.zip"))
    assert {path.name for path in tmp_path.iterdir()} == {"one.zip", "two.zip"}


def test_a_digest_sees_names_contents_and_modes() -> None:
    digests = [
        digest({"a": File(b"b")}),
        digest({"a": File(b"c")}),
        digest({"ab": File(b"")}),
        digest({"a": File(b"b", executable=True)}),
        digest({"a": File(b"b"), "c": File(b"")}),
    ]
    assert len(set(digests)) == len(digests)


def test_an_unknown_host_is_named_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"'photoshop'.*krita, gimp, blender"):
        build("photoshop", tmp_path)


def test_a_plug_in_may_not_import_what_stays_in_the_daemon() -> None:
    with pytest.raises(Unusable, match=r"plug\.ui, line 1, imports underpaint\.engine.*client"):
        Closure([Module("plug.ui", False, b"import underpaint.engine")])


def test_the_client_may_not_reach_a_library_that_does_not_travel(monkeypatch: pytest.MonkeyPatch) -> None:
    numpy = Module("underpaint.errors", False, b"def late():\n    import numpy.linalg\n")
    kept = [module for module in closure.client_modules() if module.name != "underpaint.errors"]
    monkeypatch.setattr(closure, "client_modules", lambda: [*kept, numpy])
    with pytest.raises(Unusable, match=r"underpaint\.errors, line 2, imports numpy\.linalg"):
        Closure([])


def test_a_library_without_its_pure_files_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "compiledonly").mkdir()
    (tmp_path / "compiledonly" / "__init__.py").write_text("from compiledonly._fast import go")
    (tmp_path / "compiledonly" / "_fast.cpython-311.so").write_bytes(b"")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(libraries, "LIBRARIES", (*LIBRARIES, Library("Compiled-Only", "compiledonly")))
    with pytest.raises(Unusable, match=r"needs compiledonly\._fast.*installed Compiled-Only has no pure"):
        Closure([Module("plug", True, b"import compiledonly")])


def test_a_library_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libraries, "LIBRARIES", (*LIBRARIES, Library("not-there", "notthere_at_all")))
    with pytest.raises(Unusable, match=r"not-there is not installed.*pip install not-there"):
        Closure([Module("plug", True, b"import notthere_at_all")])
    with pytest.raises(Unusable, match=r"not-there.*licence"):
        notice_of("not-there")


def test_optional_imports_may_be_missing() -> None:
    source = b"""
import contextlib
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    from h2.nothing import A
try:
    import h2.nothing
except ImportError:
    h2 = None
with contextlib.suppress(ImportError):
    from google.protobuf import nothing
    from google.protobuf.nothing import more
"""
    assert "google.protobuf" in Closure([Module("plug", True, source)]).modules


def test_the_replacement_in_protobuf_has_all_that_protobuf_asks_of_it() -> None:
    modules = Closure([]).modules
    replacement: dict[str, object] = {}
    exec(modules["google.protobuf.internal.api_implementation"].source, replacement)
    asked = {
        node.attr
        for name, module in modules.items()
        if name.startswith("google.protobuf.")
        for node in ast.walk(ast.parse(module.source))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id in {"api_implementation", "_api_implementation"}
    }
    assert "Type" in asked
    assert asked <= set(replacement)


def test_the_client_inside_plug_ins_runs_on_python_3_10() -> None:
    """Fails when an update of a library drops Python 3.10: cap it in pyproject.toml."""
    notices = [notice_of(library.distribution) for library in Closure([]).libraries]
    assert python_minimum([*notices, notice_of("underpaint")]) == (3, 10)


@pytest.mark.parametrize(("requires", "minimum"), [(">=3.8", (3, 10)), (">=3.12.1", (3, 12)), ("", (3, 10))])
def test_the_oldest_python_follows_the_libraries(requires: str, minimum: tuple[int, int]) -> None:
    notice = Notice("lib", "1", "MIT", "", requires, (("LICENSE", b"x"),))
    assert python_minimum([notice]) == minimum


def test_a_build_for_later_pythons_says_so_when_an_older_one_loads_it(
    run: Callable[..., str], sample_files: Files, tmp_path: Path
) -> None:
    guard = sample_files["sample_host/_vendor/__init__.py"].content.replace(b"(3, 10)", b"(3, 99)")
    (tmp_path / "_vendor.py").write_bytes(guard)
    code = "try:\n    import _vendor\nexcept ImportError as error:\n    print(error)\n"
    said = run(f"{sys.version_info[0]}.{sys.version_info[1]}", code, tmp_path)
    assert "underpaint for Sample needs Python" in said and "underpaint hosts build sample" in said


def test_a_plug_in_without_its_package_is_refused(tmp_path: Path) -> None:
    (tmp_path / "LICENSE").write_text("")
    (tmp_path / "sample" / "sample_host").mkdir(parents=True)
    with pytest.raises(Unusable, match=r"no __init__\.py"):
        files_of(SAMPLE, tmp_path)


def test_sources_are_found_in_this_checkout() -> None:
    assert (plugins_folder() / "krita" / "underpaint_krita.desktop").is_file()
