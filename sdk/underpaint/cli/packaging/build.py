"""Builds a host's plug-in: its own sources, and the client relocated into its package."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterable
from pathlib import Path

from packaging.version import Version

import underpaint
from underpaint.cli.packaging.archive import File, Files, digest, write_zip
from underpaint.cli.packaging.closure import Closure, Module
from underpaint.cli.packaging.layouts import Layout, layout_of, plugins_folder
from underpaint.cli.packaging.libraries import LIBRARIES, SDK
from underpaint.cli.packaging.notices import Notice, notice_of, notice_text, python_minimum
from underpaint.cli.packaging.relocation import Relocation
from underpaint.cli.packaging.rewrite import rewrite
from underpaint.errors import Unusable

VENDOR = "_vendor"
BUILD_FILE = f"{VENDOR}/build.json"
_VENDORED = Relocation(
    {top: (VENDOR, top) for top in sorted({lib.module.partition(".")[0] for lib in (SDK, *LIBRARIES)})}
)
_LEFT_OUT = {"__pycache__", ".mypy_cache", ".ruff_cache"}


def build(host: str, output_folder: Path, *, conformance: bool = False) -> Path:
    """Writes `underpaint-HOST-VERSION.zip` into a folder and returns its path.

    With `conformance` it is `underpaint-HOST-VERSION-conformance.zip` and carries the conformance suite, to
    be run inside the host on the very client that the plug-in uses. The same installation gives the same
    bytes. Nothing is executed of what is packed. Raises `NotFound` for an unknown host, `Unusable` when
    something that has to travel is missing or cannot be moved.
    """
    suffix = "-conformance" if conformance else ""
    path = output_folder / f"underpaint-{host}-{underpaint.__version__}{suffix}.zip"
    write_zip(files_of(layout_of(host), plugins_folder(), conformance=conformance), path)
    return path


def files_of(layout: Layout, plugins: Path, *, conformance: bool = False) -> Files:
    """What `build` puts into the zip, by path; the plug-in's sources lie in `plugins/HOST`."""
    folder = plugins / layout.host
    own = list(_own_modules(layout, folder))
    closure = Closure(own, conformance=conformance)
    relocation = Relocation({layout.package: (), **_VENDORED.prefixes})
    moved = [_moved(module, relocation) for module in own]
    moved += [_vendored(module) for module in closure.modules.values()]
    files = {layout.inside(path): File(content) for path, content in moved}
    files |= _own_data(layout, plugins)
    notices = [notice_of(SDK.distribution)]
    notices += [notice_of(library.distribution) for library in closure.libraries]
    files |= _vendor_files(layout, notices)
    if layout.inside("__init__.py") not in files:
        raise Unusable(f"{folder / layout.package} has no __init__.py; a plug-in's package needs one.")
    about = {
        "host": layout.host,
        "version": underpaint.__version__,
        "digest": digest(files),
        "distributions": {notice.name: notice.version for notice in notices},
    }
    files[layout.inside(BUILD_FILE)] = File(json.dumps(about, indent=1, sort_keys=True).encode() + b"\n")
    return files


def semantic_version(version: str) -> str:
    """A Python version as semantic versioning writes it, which Blender asks for: 0.1.0.dev2 → 0.1.0-dev.2."""
    parsed = Version(version)
    release = ".".join(str(number) for number in (*parsed.release, 0, 0)[:3])
    before = [str(part) for part in parsed.pre or ()]
    before += [] if parsed.dev is None else ["dev", str(parsed.dev)]
    after = [] if parsed.post is None else [f"post.{parsed.post}"]
    after += [] if parsed.local is None else [parsed.local]
    return release + (f"-{'.'.join(before)}" if before else "") + (f"+{'.'.join(after)}" if after else "")


@functools.lru_cache(maxsize=1024)
def _vendored(module: Module) -> tuple[str, bytes]:
    """The same in every plug-in; moving them all takes seconds."""
    return _moved(module, _VENDORED)


def _moved(module: Module, relocation: Relocation) -> tuple[str, bytes]:
    parts = relocation.target(module.name) or ()
    path = "/".join((*parts, "__init__.py")) if module.is_package else "/".join(parts) + ".py"
    own = module.library is None
    text = rewrite(module.source, module.name, relocation, is_package=module.is_package, may_compute=own)
    return path, text.encode()


def _own_modules(layout: Layout, folder: Path) -> Iterable[Module]:
    root = folder / layout.package
    for file in _walk(root):
        if file.suffix == ".py":
            names = file.relative_to(folder).with_suffix("").parts
            is_package = names[-1] == "__init__"
            yield Module(".".join(names[:-1] if is_package else names), is_package, file.read_bytes())


def _own_data(layout: Layout, plugins: Path) -> Files:
    folder = plugins / layout.host
    root = folder / layout.package
    files = {
        layout.inside(file.relative_to(root).as_posix()): File(file.read_bytes())
        for file in _walk(root)
        if file.suffix not in {".py", ".pyi", ".pyc"}
    }
    for source, place in layout.extras:
        path = folder / source
        if not path.is_file():
            raise Unusable(f"{path} is missing, without which {layout.title} does not see the plug-in.")
        content = path.read_bytes()
        if path.name == "blender_manifest.toml":
            content = _with_version(content)
        files[place] = File(content, place in layout.executable)
    files[layout.inside("LICENSE")] = File((plugins / "LICENSE").read_bytes())
    return files


def _with_version(manifest: bytes) -> bytes:
    line = f'version = "{semantic_version(underpaint.__version__)}"'.encode()
    changed, count = re.subn(rb"(?m)^version\s*=.*$", line, manifest)
    if count != 1:
        raise Unusable("blender_manifest.toml must have exactly one line that starts with `version =`.")
    return changed


def _vendor_files(layout: Layout, notices: list[Notice]) -> Files:
    major, minor = python_minimum(notices)
    guard = (
        f'"""The client of underpaint and its libraries, for {layout.title} alone. See NOTICE.txt."""\n\n'
        "import sys\n\n"
        f"if sys.version_info < ({major}, {minor}):\n"
        "    raise ImportError(\n"
        f'        "This build of underpaint for {layout.title} needs Python {major}.{minor} or later. "\n'
        f'        "Build it again with an older Python: underpaint hosts build {layout.host}"\n'
        "    )\n"
    )
    files = {f"{VENDOR}/__init__.py": File(guard.encode()), f"{VENDOR}/google/__init__.py": File(b"")}
    files[f"{VENDOR}/NOTICE.txt"] = File(notice_text(layout.title, notices))
    for notice in notices:
        for name, text in notice.texts:
            files[f"{VENDOR}/licences/{notice.name}/{name}"] = File(text)
    return {layout.inside(path): file for path, file in files.items()}


def _walk(root: Path) -> list[Path]:
    files = (file for file in root.rglob("*") if file.is_file())
    return sorted(file for file in files if not _LEFT_OUT & set(file.relative_to(root).parts))
