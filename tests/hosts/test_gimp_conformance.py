"""The conformance suite, run by the real GIMP on the plug-in as it is installed."""

from __future__ import annotations

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
from underpaint.cli.packaging import install


@pytest.fixture(scope="module")
def seen(
    module_sandbox: HostSandbox, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Seen:
    """All of the suite in one launch, with a window: there a painter undoes."""
    sandbox = module_sandbox
    archive = build_with_suite("gimp", tmp_path_factory.mktemp("zip"))
    plugin = install("gimp", archive, home=sandbox.home, environ=sandbox.environ_outside)
    with fake_daemon() as folder:
        sandbox.bind(folder)
        with sandbox.open_gimp(window=True) as gimp:
            found = run_suite(
                gimp,
                folder,
                package="underpaint_gimp",
                paths=[str(plugin)],
                rig="tests.hosts.conformance.gimp_rig:GimpRig",
                only=selected(request),
            )
    print(f"\n{found.summary}")
    return found


WITHOUT_A_WINDOW = """
import sys

def main(host):
    sys.path.insert(0, host.arguments["plugin"])
    from gi.repository import Gimp
    from underpaint_gimp._vendor.underpaint.host import Result, ResultKind
    from underpaint_gimp._vendor.underpaint.types import Channels, ColorSpace, DataType, Image, PixelFormat
    from underpaint_gimp.adapter import GimpAdapter

    def written(kind, document, context, pixels=PixelFormat()):
        picture = Image(3, 2, bytes(range(6 * pixels.bytes_per_pixel)), pixels)
        adapter.write_result(Result(picture, kind, "bark", document, context))
        return adapter.written[-1]

    image = Gimp.Image.new(20, 10, Gimp.ImageBaseType.RGB)
    adapter = GimpAdapter(None)
    deep = PixelFormat(Channels.RGBA, DataType.U16, color_space=ColorSpace.LINEAR_REC709)
    of_its_own = written(ResultKind.TEXTURE, "", b"", deep).get_image()
    host.report(
        layers=len(image.get_layers()),
        size=[of_its_own.get_width(), of_its_own.get_height()],
        precision=of_its_own.get_precision().value_nick,
    )
    adapter = GimpAdapter(image)
    document = adapter.canvas().document_id
    for context in (b"[1]", b'"above"', b'{"above": "99999999999999999999"}', b'{"above": null}'):
        layer = written(ResultKind.LAYER, document, context)
        host.report(**{context.decode(): image.get_item_position(layer)})
    image.delete()
    of_its_own.delete()
"""


@EVERY_CHECK
def test_gimp_keeps_the_contract(seen: Seen, check: str) -> None:
    seen.judge(check)


def test_without_a_window_a_texture_is_an_image_for_scripts_and_odd_notes_put_results_on_top(
    sandbox: HostSandbox, tmp_path: Path
) -> None:
    archive = build_with_suite("gimp", tmp_path)
    plugin = install("gimp", archive, home=sandbox.home, environ=sandbox.environ_outside)
    with sandbox.open_gimp() as gimp:
        values = gimp.run(WITHOUT_A_WINDOW, plugin=str(plugin))
    assert values.pop("layers") == 0
    assert values.pop("size") == [3, 2]
    assert values.pop("precision") == "u16-linear"
    assert len(values) == 4
    assert set(values.values()) == {0}
