"""Installing into homes that are made for it: what lies where, what is replaced, what is kept."""

from __future__ import annotations

import json
import os
import stat
import sys
from pathlib import Path

import pytest

import underpaint
from underpaint.cli.packaging import HOSTS, build, install, status
from underpaint.cli.packaging.archive import File, read_zip, write_zip
from underpaint.cli.packaging.install import blender_version
from underpaint.cli.packaging.swap import put
from underpaint.errors import HostError, NotFound, Unusable

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the folders of Linux")
FOLDERS = {
    "krita": ".local/share/krita/pykrita/underpaint_krita",
    "gimp": ".config/GIMP/3.0/plug-ins/underpaint-gimp",
    "blender": ".config/blender/4.3/extensions/user_default/underpaint",
}
SHELL = "/usr/bin:/bin"


@pytest.fixture(scope="module")
def zips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("zips")
    return {host: build(host, folder) for host in HOSTS}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home in which Blender 4.3 was opened once."""
    (tmp_path / ".config" / "blender" / "4.3").mkdir(parents=True)
    return tmp_path


def environ(home: Path, **more: str) -> dict[str, str]:
    return {"HOME": str(home), "PATH": SHELL, **more}


def tree(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


@pytest.mark.parametrize("host", HOSTS)
def test_the_plug_in_lies_where_its_host_looks(host: str, home: Path, zips: dict[str, Path]) -> None:
    folder = install(host, zips[host], environ=environ(home))
    assert folder == home / FOLDERS[host]
    prefix = {"krita": "underpaint_krita/", "gimp": "underpaint-gimp/", "blender": ""}[host]
    files = read_zip(zips[host])
    expected = {
        path.removeprefix(prefix): file.content for path, file in files.items() if path.startswith(prefix)
    }
    assert tree(folder) == expected
    leftovers = [path for path in home.rglob(".underpaint-*")]
    assert not leftovers


def test_without_a_zip_it_is_built_now(home: Path, zips: dict[str, Path]) -> None:
    built, given = install("gimp", environ=environ(home)), read_zip(zips["gimp"])
    assert (built / "underpaint_gimp/_vendor/build.json").read_bytes() == given[
        "underpaint-gimp/underpaint_gimp/_vendor/build.json"
    ].content


def test_kritas_plug_in_is_ticked_and_its_shortcuts_are_found(home: Path, zips: dict[str, Path]) -> None:
    settings = home / ".config" / "kritarc"
    settings.write_text("theme=dark\n[python]\nenable_other=false\n\n[window]\nwide=true\n")
    install("krita", zips["krita"], environ=environ(home))
    assert settings.read_text() == (
        "theme=dark\n[python]\nenable_other=false\nenable_underpaint_krita=true\n\n[window]\nwide=true\n"
    )
    data = home / ".local/share/krita"
    assert (data / "pykrita/underpaint_krita.desktop").is_file()
    # In one place only: Krita looks through both folders, and warns of what it finds twice.
    assert [path.relative_to(data) for path in data.rglob("*.action")] == [
        Path("actions/underpaint_krita.action")
    ]


def test_gimps_entry_may_be_executed_and_nothing_else(home: Path, zips: dict[str, Path]) -> None:
    folder = install("gimp", zips["gimp"], environ=environ(home))
    executable = [path for path in folder.rglob("*") if path.is_file() and path.stat().st_mode & stat.S_IXUSR]
    assert executable == [folder / "underpaint-gimp.py"]


def test_every_version_that_was_opened_gets_it(home: Path, zips: dict[str, Path]) -> None:
    for name in ("GIMP/2.10", "GIMP/3.0", "GIMP/3.2", "blender/4.1", "blender/5.0"):
        (home / ".config" / name).mkdir(parents=True)
    assert install("gimp", zips["gimp"], environ=environ(home)).parts[-3] == "3.2"
    assert install("blender", zips["blender"], environ=environ(home)).parts[-4] == "5.0"
    config = home / ".config"
    assert sorted(path.parts[-3] for path in config.glob("GIMP/*/plug-ins/underpaint-gimp")) == ["3.0", "3.2"]
    extensions = config.glob("blender/*/extensions/user_default/underpaint")
    assert sorted(path.parts[-4] for path in extensions) == ["4.3", "5.0"]


def test_variables_move_folders_and_another_home_ignores_ours(
    home: Path, zips: dict[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    moved = environ(home, XDG_DATA_HOME=str(home / "data"), XDG_CONFIG_HOME=str(home / "settings"))
    assert install("krita", zips["krita"], environ=moved) == home / "data/krita/pykrita/underpaint_krita"
    assert (home / "settings/kritarc").is_file()
    profile = environ(home, GIMP3_DIRECTORY=str(home / "profile"))
    assert install("gimp", zips["gimp"], environ=profile) == home / "profile/plug-ins/underpaint-gimp"
    resources = environ(home, BLENDER_USER_RESOURCES=str(home / "blender"))
    assert install("blender", zips["blender"], environ=resources).is_relative_to(home / "blender/extensions")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "mine"))
    other = tmp_path / "other"
    assert install("krita", zips["krita"], home=other) == other / FOLDERS["krita"]
    assert not (tmp_path / "mine").exists()


def test_hosts_learn_how_to_start_the_daemon(home: Path, zips: dict[str, Path]) -> None:
    before = dict(os.environ)
    install("krita", zips["krita"], environ=environ(home))
    launcher = json.loads((home / ".config/underpaint/launcher.json").read_text())
    assert launcher["command"][0] == sys.executable
    assert dict(os.environ) == before


def test_a_newer_version_takes_the_place_of_an_older_one_whole(home: Path, zips: dict[str, Path]) -> None:
    folder = home / FOLDERS["krita"]
    folder.mkdir(parents=True)
    (folder / "from_an_older_version.py").write_text("")
    neighbour = folder.parent / "somebody_else.desktop"
    neighbour.write_text("theirs")
    install("krita", zips["krita"], environ=environ(home))
    assert not (folder / "from_an_older_version.py").exists()
    assert neighbour.read_text() == "theirs"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_named(home: Path, zips: dict[str, Path]) -> None:
    place = home / ".local/share/krita"
    place.mkdir(parents=True, mode=0o500)
    with pytest.raises(HostError, match=str(place)):
        install("krita", zips["krita"], environ=environ(home))


def test_a_file_in_the_way_is_named(home: Path, zips: dict[str, Path]) -> None:
    (home / ".local").write_text("a file")
    with pytest.raises(HostError, match=r"Nothing was installed.*\.local"):
        install("krita", zips["krita"], environ=environ(home))


def test_the_old_version_comes_back_when_the_new_one_cannot_be_put(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "plug-ins"
    put({"a/old.py": File(b"1"), "b.desktop": File(b"1")}, folder)
    rename = Path.rename

    def fail_at_the_last(self: Path, target: Path) -> Path:
        if self.parent.name == "new" and self.name == "b.desktop":
            raise OSError("the disk is on fire")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail_at_the_last)
    with pytest.raises(HostError, match="the disk is on fire"):
        put({"a/new.py": File(b"2"), "b.desktop": File(b"2"), "c": File(b"2")}, folder)
    assert tree(tmp_path) == {"plug-ins/a/old.py": b"1", "plug-ins/b.desktop": b"1"}


@pytest.mark.parametrize("path", ["../outside", "/etc/passwd", "a/../../b", "a\\b", "C:/x", ""])
def test_a_zip_cannot_write_elsewhere(path: str, tmp_path: Path) -> None:
    with pytest.raises(HostError, match="lie elsewhere"):
        put({path: File(b"")}, tmp_path / "plug-ins")
    assert not list(tmp_path.iterdir())


def test_zips_of_another_kind_are_refused(home: Path, zips: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(Unusable, match="not a plug-in of underpaint for GIMP"):
        install("gimp", zips["krita"], environ=environ(home))
    (tmp_path / "picture.zip").write_bytes(b"not a zip")
    with pytest.raises(Unusable, match="hosts build krita"):
        install("krita", tmp_path / "picture.zip", environ=environ(home))
    with pytest.raises(NotFound, match=r"gone\.zip"):
        install("krita", tmp_path / "gone.zip", environ=environ(home))


def test_no_blender_at_all_says_what_to_do(tmp_path: Path, zips: dict[str, Path]) -> None:
    with pytest.raises(NotFound, match="Open Blender once"):
        install("blender", zips["blender"], environ=environ(tmp_path))


def _blender(folder: Path, *, version: str, status: int = 0) -> Path:
    """A program that takes the same command line as Blender and notes it; the real one is in tests/hosts."""
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "blender"
    program.write_text(
        f'#!/bin/sh\nif [ "$1" = --version ]; then echo "Blender {version}"; exit 0; fi\n'
        f'echo "$@" >>"$HOME/said"; cp "$7" "$HOME/given.zip"; echo "no room"; exit {status}\n'
    )
    program.chmod(0o755)
    return folder


def test_blender_installs_for_itself_where_it_is_found(home: Path, zips: dict[str, Path]) -> None:
    path = f"{_blender(home / 'bin', version='4.4.1')}:{SHELL}"
    folder = install("blender", zips["blender"], environ=environ(home, PATH=path))
    assert folder.parts[-4] == "4.4"
    said = (home / "said").read_text()
    assert said.startswith("--command extension install-file -r user_default -e /")
    assert (home / "given.zip").read_bytes() == zips["blender"].read_bytes()
    # Another version's folder gets its copy too.
    assert (home / FOLDERS["blender"] / "blender_manifest.toml").is_file()


def test_what_blender_says_reaches_the_user(home: Path, zips: dict[str, Path]) -> None:
    path = f"{_blender(home / 'bin', version='4.4.1', status=3)}:{SHELL}"
    with pytest.raises(HostError, match=r"status 3:\nno room"):
        install("blender", zips["blender"], environ=environ(home, PATH=path))


def test_a_blender_before_4_2_is_left_alone(home: Path, zips: dict[str, Path]) -> None:
    path = f"{_blender(home / 'bin', version='3.4.1')}:{SHELL}"
    assert install("blender", zips["blender"], environ=environ(home, PATH=path)) == home / FOLDERS["blender"]
    assert not (home / "said").exists()
    with pytest.raises(HostError, match="version"):
        blender_version(Path("/bin/true"), environ(home))


def test_status_follows_what_is_installed(home: Path) -> None:
    def states() -> dict[str, tuple[bool, str, bool]]:
        found = status(environ=environ(home))
        return {one.host: (one.found, one.installed, one.up_to_date) for one in found}

    assert states() == {
        "krita": (False, "", False),
        "gimp": (False, "", False),
        "blender": (True, "", False),
    }
    for host in HOSTS:
        install(host, environ=environ(home))
    (home / ".local/share/krita/krita.log").write_text("")
    (home / ".config/GIMP/3.0/gimprc").write_text("")
    now = underpaint.__version__
    assert states() == {host: (True, now, True) for host in HOSTS}
    assert [one.advice for one in status(environ=environ(home))] == ["", "", ""]
    assert json.dumps([one.as_json() for one in status(environ=environ(home))])


def test_status_tells_an_old_build_from_the_present_one(
    home: Path, tmp_path: Path, zips: dict[str, Path]
) -> None:
    files = read_zip(zips["krita"])
    about = json.loads(files["underpaint_krita/_vendor/build.json"].content)
    for changed in ({"digest": "other"}, {"version": "0.0.1"}):
        files["underpaint_krita/_vendor/build.json"] = File(json.dumps({**about, **changed}).encode())
        write_zip(files, tmp_path / "old.zip")
        install("krita", tmp_path / "old.zip", environ=environ(home))
        krita = status(environ=environ(home))[0]
        assert not krita.up_to_date
        assert krita.installed == {**about, **changed}["version"]
        assert "underpaint hosts install krita" in krita.advice


def test_status_says_when_krita_was_told_not_to_load_it(home: Path) -> None:
    install("krita", environ=environ(home))
    (home / ".local/share/krita/krita.log").write_text("")
    (home / ".config/kritarc").write_text("[python]\nenable_underpaint_krita=false\n")
    assert "tick underpaint" in status(environ=environ(home))[0].advice


def test_a_flatpak_is_mentioned(tmp_path: Path) -> None:
    (tmp_path / ".var/app/org.kde.krita").mkdir(parents=True)
    assert "Flatpak" in status(environ=environ(tmp_path))[0].advice
