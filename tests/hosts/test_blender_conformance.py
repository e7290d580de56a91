"""The conformance suite, run by the real Blender on the extension as it is installed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hosts.conformance.outside import (
    EVERY_CHECK,
    Seen,
    build_with_suite,
    fake_daemon,
    run_suite,
    selected,
)
from tests.hosts.sandbox import HostSandbox
from underpaint.host import Capability
from underpaint.testing.conformance.checks import CHECKS

NOT_IN_BLENDER = {Capability.LAYERS}
"""An image has none."""
PACKAGE = "bl_ext.user_default.underpaint"
DEPTHS = ("u16-srgb", "u16-linear", "f16-srgb", "f16-linear")
CANNOT = {
    # Pixels are bytes or floats, floats are linear, whatever the image's file holds.
    *(f"{what}-{kind}" for what in ("read", "result") for kind in (*DEPTHS, "f32-srgb")),
    # Its Python gives whole images only.
    "huge-canvas",
}
MAY_SKIP = CANNOT | {name for name, check in CHECKS.items() if NOT_IN_BLENDER & set(check.needs)}


@pytest.fixture(scope="module")
def daemon_folder(module_sandbox: HostSandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One scripted daemon for both launches, in a sandbox whose Blender has the extension with the suite."""
    module_sandbox.install_blender_extension(build_with_suite("blender", tmp_path_factory.mktemp("zip")))
    with fake_daemon() as folder:
        module_sandbox.bind(folder)
        yield folder


@pytest.fixture(scope="module", params=["BlenderRig", "BlenderFloatRig"], ids=["bytes", "floats"])
def seen(module_sandbox: HostSandbox, daemon_folder: Path, request: pytest.FixtureRequest) -> Seen:
    """All of the suite in one launch, with a window: there a painter paints."""
    with module_sandbox.open_blender(window=True) as blender:
        found = run_suite(
            blender,
            daemon_folder,
            package=PACKAGE,
            rig=f"tests.hosts.conformance.blender_rig:{request.param}",
            only=selected(request),
        )
    print(f"\n{found.summary}")
    return found


@EVERY_CHECK
def test_blender_keeps_the_contract(seen: Seen, check: str) -> None:
    seen.judge(check, may_skip=MAY_SKIP)


A_DOCUMENT = f"""
import struct
from pathlib import Path

import bpy
from {PACKAGE} import runtime
from {PACKAGE}._vendor.underpaint.errors import PlaceGone
from {PACKAGE}._vendor.underpaint.host import Result, ResultKind
from {PACKAGE}._vendor.underpaint.types import Image


def main(host):
    adapter = runtime.adapter()
    seen = {{}}

    def canvas(name):
        adapter.image = name
        return adapter.canvas()

    def finds(document_id, name):
        try:
            return adapter.documents.find(document_id).name == name
        except PlaceGone:
            return name == ""

    bpy.data.images.new("Wall", 16, 16).use_fake_user = True
    wall = canvas("Wall").document_id
    bpy.ops.wm.save_as_mainfile(filepath=str(Path(bpy.app.tempdir) / "house.blend"))
    seen["saved"] = canvas("Wall").document_id == wall and finds(wall, "Wall")
    bpy.data.images["Wall"].name = "Brick"
    seen["renamed"] = canvas("Brick").document_id == wall and finds(wall, "Brick")
    bpy.data.images.new("Wall", 16, 16).use_fake_user = True
    other = canvas("Wall").document_id
    seen["another of its old name"] = other != wall and finds(other, "Wall") and finds(wall, "Brick")
    bpy.data.images["Brick"].pixels.foreach_set([0.25] * 1024)
    bpy.ops.ed.undo_push(message="painted")
    black = struct.pack("4f", 0.0, 0.0, 0.0, 1.0)

    def result(pixels, y):
        picture = Image(16, pixels // 16, black * pixels, canvas("Brick").result_format, 0, y)
        adapter.write_result(Result(picture, ResultKind.LAYER, "moss", wall))
        return sum(bpy.data.images["Brick"].pixels)

    before = sum(bpy.data.images["Brick"].pixels)
    first = result(32, 0)
    seen["replaced"] = canvas("Brick").document_id == wall and finds(wall, "Brick")
    seen["what it was"] = canvas("Brick before").document_id not in (wall, other)
    seen["kept by nobody"] = not bpy.data.images["Brick before"].use_fake_user
    second = result(32, 4)
    seen["only unsaved strokes are kept"] = "Brick before.001" not in bpy.data.images
    bpy.ops.ed.undo()
    seen["second undone"] = before != first != second and sum(bpy.data.images["Brick"].pixels) == first
    bpy.ops.ed.undo()
    seen["first undone"] = sum(bpy.data.images["Brick"].pixels) == before
    seen["undone"] = canvas("Brick").document_id == wall and "Brick before" not in bpy.data.images
    bpy.ops.ed.redo()
    seen["first redone"] = sum(bpy.data.images["Brick"].pixels) == first
    seen["redone"] = canvas("Brick").document_id == wall and "Brick before" in bpy.data.images
    bpy.data.images.remove(bpy.data.images["Brick"])
    bpy.data.images.remove(bpy.data.images["Brick before"])
    seen["closed"] = finds(wall, "")
    bpy.ops.wm.save_mainfile()
    bpy.ops.wm.open_mainfile(filepath=bpy.data.filepath)
    seen["opened again"] = finds("house.blend|Wall", "Wall")
    long = bpy.data.images["Wall"].name = "W" * 20 + "\u68ee" * 14
    bpy.ops.wm.save_as_mainfile(filepath=str(Path(bpy.app.tempdir) / ("\u68ee" * 80 + ".blend")))
    adapter.documents.forget()
    seen["short enough"] = len(canvas(long).document_id.encode()) <= 256
    host.report(wrong=[what for what, right in seen.items() if not right])
"""


def test_an_image_stays_its_document_when_it_is_saved_renamed_replaced_and_opened_again(
    module_sandbox: HostSandbox, daemon_folder: Path
) -> None:
    assert module_sandbox.run_blender(A_DOCUMENT) == {"wrong": []}
