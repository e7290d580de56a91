"""KritaAdapter against documents, layers, selections and colour spaces of the real Krita."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.hosts.processes import RunningHost
from tests.hosts.sandbox import HostSandbox
from underpaint.cli.packaging import build, install

SCRIPT = Path(__file__).parent / "scripts" / "krita_adapter.py"
GREEN = (10, 200, 30)
SPACES = {
    # (model, depth, profile): how a pixel lies in Krita, None where it is converted
    ("RGBA", "U8", ""): ["bgra", "u8", "srgb"],
    ("RGBA", "U16", "sRGB-elle-V2-srgbtrc.icc"): ["bgra", "u16", "srgb"],
    ("RGBA", "U16", "sRGB-elle-V2-g10.icc"): ["bgra", "u16", "linear-rec709"],
    ("RGBA", "F16", ""): ["rgba", "f16", "linear-rec709"],
    ("RGBA", "F32", ""): ["rgba", "f32", "linear-rec709"],
    ("RGBA", "F32", "sRGB-elle-V2-srgbtrc.icc"): ["rgba", "f32", "srgb"],
    ("RGBA", "U8", "ClayRGB-elle-V2-g22.icc"): None,
    ("GRAYA", "U8", ""): None,
    ("GRAYA", "F32", ""): None,
    ("CMYKA", "U8", ""): None,
    ("LABA", "U16", ""): None,
}


@pytest.fixture(scope="module")
def krita(module_sandbox: HostSandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHost]:
    """Krita with the built plug-in where it can be imported, but not enabled: only its adapter is used."""
    sandbox = module_sandbox
    archive = build("krita", tmp_path_factory.mktemp("zip"))
    install("krita", archive, home=sandbox.home, environ=sandbox.environ_outside)
    sandbox.enable_krita_plugin("underpaint_krita", enabled=False)
    with sandbox.open_krita() as host:
        yield host


def run(krita: RunningHost, case: str, **arguments: Any) -> dict[str, Any]:
    return krita.run(SCRIPT, case=case, **arguments)


def test_it_reads_the_picture_layers_and_the_selection(krita: RunningHost) -> None:
    seen = run(krita, "reading")
    assert seen["same_id"] and seen["size"] == [200, 200]
    assert seen["merged"] and seen["placed"] and seen["lies"] == "bgra"
    assert seen["layers"] == [["group", True], ["inner", False], ["Background", False]]
    assert seen["boxes"]["group"] == seen["boxes"]["inner"] == [50, 60, 20, 20]
    # One pixel left of the layer, and two of its own.
    assert seen["read_inner"] == seen["read_group"] == "00000000" + "1ec80aff" * 2
    assert (seen["inside"], seen["outside"], seen["soft"], seen["gray"]) == (255, 0, True, "gray")
    x, y, right, bottom = seen["selected"]
    assert 20 <= x <= 31 and 32 <= y <= 43 and 91 <= right <= 102 and 120 <= bottom <= 131
    assert seen["nothing_selected"]


def test_a_result_is_one_undo_step_above_the_layer_of_its_start(krita: RunningHost) -> None:
    seen = run(krita, "writing")
    assert seen["order"] == ["Background", "result", "top"]
    assert seen["exact"], "something else than the result's own pixels changed"
    assert seen["active"] == "top"
    assert seen["undone"] and seen["order_undone"] == ["Background", "top"]
    assert seen["redone"] and seen["order_redone"] == ["Background", "result", "top"]


def test_a_result_finds_its_place_in_groups_and_beside_masks(krita: RunningHost) -> None:
    seen = run(krita, "placing")
    assert seen["in_group"] == ["first", "above mask", "above first", "second"]
    assert seen["top"] == ["Background", "group", "above hidden"]
    assert seen["after_deletion"] == ["Background", "group", "above hidden", "orphan"]


def test_every_colour_space_keeps_its_colours(krita: RunningHost) -> None:
    spaces = [list(space) for space in SPACES]
    seen = run(krita, "spaces", spaces=spaces)
    assert len(seen) == len(SPACES)
    for (model, depth, profile), native in SPACES.items():
        name = " ".join((model, depth, profile)).strip()
        one = seen[name]
        assert one["undo"].endswith("Add Layer"), (name, one)  # a conversion leaves no step of its own
        assert one["documents"] == 1, name
        assert one["box"] == [8, 8, 32, 32], name
        if native is None:
            assert one["merged_as"] == ["bgra", "u8", "srgb"], name
        else:
            assert one["merged_as"] == native, name
            # What was written is read, to the bit, from the picture and from the layer.
            assert one["wrote"] == one["read"] == one["layer"], (name, one)
        if model == "GRAYA":
            assert len(set(one["seen"])) == 1 and 160 < one["seen"][0] < 190, (name, one)
        else:
            # CMYK cannot show this green; the others come within what 8 bit can tell.
            near = 80 if model == "CMYKA" else 10
            assert all(abs(a - b) <= near for a, b in zip(one["seen"], GREEN, strict=True)), (name, one)


def test_what_is_gone_is_told_and_what_came_back_is_found(krita: RunningHost) -> None:
    seen = run(krita, "gone")
    assert seen["none"].startswith("No picture is open")
    assert seen["same_after_crop"]
    assert all("closed" in seen[name] for name in ("write", "read", "layers"))
    assert seen["reopened"] == ["Background", "late"]
    assert seen["adopted"] == ["Background", "adopted"]
    assert seen["no_layer"].startswith("The layer was deleted")
    assert seen["texture"] == [16, 16, "bricks"] and seen["texture_pixel"] == "1ec80aff"


def test_a_pictures_id_is_kept_by_its_file_once_a_job_was_sent(krita: RunningHost) -> None:
    seen = run(krita, "ids")
    assert seen["noted_by_looking"] == [] and seen["noted_by_a_job"] == ["underpaint-document"]
    assert not seen["modified"] and seen["undo"] == seen["undo_after"]
    kept, copy = seen["again"]
    assert kept == seen["still"] == seen["first"] and copy != kept
    assert sorted(len(layers) for layers in seen["layers"]) == [1, 2]


def test_functions_from_any_thread_run_on_the_main_one_in_order(krita: RunningHost) -> None:
    seen = run(krita, "posting")
    assert seen["on_main"] and seen["in_order"]


def test_float_pixels_are_what_they_are_called() -> None:
    # The script's linear values are those of the sRGB green, so that "keeps its colours" means something.
    def linear(value: int) -> float:
        part = value / 255
        return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4

    given = [0.003035, 0.577580, 0.012983]
    assert [struct.pack("<e", linear(value)) for value in GREEN] == [struct.pack("<e", one) for one in given]
