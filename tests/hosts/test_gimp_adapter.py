"""The GIMP adapter in the real GIMP: what it reads and writes, without a daemon."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.hosts.gimp_setup import SCRIPTS, install_plugin
from tests.hosts.sandbox import HostSandbox


@pytest.fixture(scope="module")
def seen(module_sandbox: HostSandbox, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    plugin = install_plugin(module_sandbox, tmp_path_factory.mktemp("zip"))
    module_sandbox.bind(SCRIPTS)
    with module_sandbox.open_gimp() as gimp:
        return gimp.run(
            SCRIPTS / "reads_and_writes.py", timeout=900, plugin=str(plugin), scripts=str(SCRIPTS)
        )


def test_every_precision_is_read_as_it_was_written(seen: dict[str, Any]) -> None:
    assert len(seen["worst"]) == 36
    coarse = {name: worst for name, worst in seen["worst"].items() if worst > 2e-6}
    assert not coarse
    assert seen["formats"]["rgb u8_non_linear"] == ["u8", "srgb"]
    assert seen["formats"]["gray half_linear"] == ["f16", "linear-rec709"]
    assert seen["formats"]["rgb u32_perceptual"] == ["f32", "srgb"]


def test_the_merged_picture_is_the_one_that_gimp_shows(seen: dict[str, Any]) -> None:
    assert len(seen["merged"]) == 8
    assert [what for what, same in seen["merged"].items() if not same] == []


def test_layers_are_listed_and_read_where_they_lie(seen: dict[str, Any]) -> None:
    assert [row[0] for row in seen["outline"]] == ["group", "glaze", "ground"]
    assert seen["outline"][1] == ["glaze", -13, 61, False]
    assert seen["outline"][0][3]
    assert seen["layer_read"]
    assert seen["layer_place"] == [-20, 50]
    assert seen["group_shows"]


def test_the_selection_is_read_with_its_soft_edges(seen: dict[str, Any]) -> None:
    x, y, width, height = seen["selection"]
    assert (x, y) == (93, 51)
    assert (width, height) == (110, 120)
    assert seen["selection_same"]
    assert seen["selection_soft"]
    assert seen["nothing_selected"]


def test_a_result_goes_where_it_belongs(seen: dict[str, Any]) -> None:
    assert seen["written"] == ["over the edge", [-4, 220], 10, 6]
    assert seen["written_bytes"]
    assert seen["in_group"] == ["in the group", "glaze"]
    assert seen["on_top"] == "on top"
    assert seen["gapped"] == "AAAABBBBCCCCDDDD"


def test_a_copy_of_an_image_is_another_document(seen: dict[str, Any]) -> None:
    assert seen["twins"]
    assert seen["kept"]
    assert seen["known"]


def test_refusals_say_what_to_do(seen: dict[str, Any]) -> None:
    assert "Image ▸ Mode ▸ RGB" in seen["refused"]["indexed"]
    assert "choose another" in seen["refused"]["layer gone"]
    assert "open it again" in seen["refused"]["closed"]
    assert "Fetch Results" in seen["refused"]["place gone"]


def test_the_plugin_comes_in_through_the_installer(module_sandbox: HostSandbox, seen: dict[str, Any]) -> None:
    entry: Path = module_sandbox.gimp_plugins / "underpaint-gimp" / "underpaint-gimp.py"
    assert entry.stat().st_mode & 0o111
