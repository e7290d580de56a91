"""The folders of each system. Those of macOS and Windows were never seen on such a machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from underpaint.cli.packaging.places import (
    Machine,
    blender_places,
    flatpak,
    gimp_places,
    krita_place,
    kritarc,
)

MAC = "Library/Application Support"
ROAMING = "AppData/Roaming"


@pytest.mark.parametrize(
    ("system", "krita", "settings", "gimp", "blender"),
    [
        (
            "linux",
            ".local/share/krita/pykrita",
            ".config/kritarc",
            ".config/GIMP/3.0/plug-ins",
            ".config/blender/4.2/extensions/user_default",
        ),
        (
            "darwin",
            f"{MAC}/krita/pykrita",
            "Library/Preferences/kritarc",
            f"{MAC}/GIMP/3.0/plug-ins",
            f"{MAC}/Blender/4.2/extensions/user_default",
        ),
        (
            "win32",
            f"{ROAMING}/krita/pykrita",
            "AppData/Local/kritarc",
            f"{ROAMING}/GIMP/3.0/plug-ins",
            f"{ROAMING}/Blender Foundation/Blender/4.2/extensions/user_default",
        ),
    ],
)
def test_each_system_has_its_folders(
    system: str, krita: str, settings: str, gimp: str, blender: str, tmp_path: Path
) -> None:
    machine = Machine(system, tmp_path, {})
    assert krita_place(machine).folder == tmp_path / krita
    assert kritarc(machine) == tmp_path / settings
    assert [place.folder for place in gimp_places(machine)] == [tmp_path / gimp]
    assert [place.folder for place in blender_places(machine, (4, 2))] == [tmp_path / blender]
    assert not blender_places(machine)


def test_windows_folders_can_be_moved(tmp_path: Path) -> None:
    moved = {"APPDATA": str(tmp_path / "roaming"), "LOCALAPPDATA": str(tmp_path / "local")}
    machine = Machine("win32", tmp_path, moved)
    assert krita_place(machine).folder == tmp_path / "roaming/krita/pykrita"
    assert kritarc(machine) == tmp_path / "local/kritarc"


def test_versions_are_read_as_numbers_newest_first(tmp_path: Path) -> None:
    for name in ("4.10", "4.2", "4.1", "10.0", "scripts", "4.2-old"):
        (tmp_path / ".config/blender" / name).mkdir(parents=True)
    machine = Machine("linux", tmp_path, {})
    assert [place.version for place in blender_places(machine)] == [(10, 0), (4, 10), (4, 2)]
    assert [place.version for place in blender_places(machine, (4, 5))] == [(10, 0), (4, 10), (4, 5), (4, 2)]


def test_flatpaks_are_a_matter_of_linux(tmp_path: Path) -> None:
    (tmp_path / ".var/app/org.gimp.GIMP").mkdir(parents=True)
    assert flatpak("gimp", Machine("linux", tmp_path, {}))
    assert not flatpak("krita", Machine("linux", tmp_path, {}))
    assert not flatpak("gimp", Machine("darwin", tmp_path, {}))


def test_a_program_is_found_on_the_path_of_that_environment(tmp_path: Path) -> None:
    program = tmp_path / "bin" / "gimp-3.0"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    found = Machine("linux", tmp_path, {"PATH": str(program.parent)})
    assert found.program("gimp-3.2", "gimp-3.0") == program
    assert Machine("linux", tmp_path, {"PATH": ""}).program("gimp-3.0") is None
