"""An installation of a host keeps its name at the daemon."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from underpaint.host.identity import client_id


def test_a_host_has_the_same_id_every_time_it_starts(tmp_path: Path) -> None:
    first = client_id("gimp", tmp_path / "clients")
    assert first.startswith("gimp-")
    assert client_id("gimp", tmp_path / "clients") == first


def test_hosts_and_installations_have_ids_of_their_own(tmp_path: Path) -> None:
    made = {client_id(host, tmp_path / place) for host in ("gimp", "krita") for place in ("a", "b")}
    assert len(made) == 4


def test_the_id_lies_in_the_configuration_for_this_user_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNDERPAINT_CONFIG_DIR", str(tmp_path / "config"))
    made = client_id("blender")
    file = tmp_path / "config" / "clients" / "blender"
    assert file.read_text("utf-8") == made
    assert file.parent.stat().st_mode & 0o077 == 0
    assert [other.name for other in file.parent.iterdir()] == ["blender"]


def test_processes_that_start_together_agree_on_one_id(tmp_path: Path) -> None:
    for round_ in range(30):
        folder, found = tmp_path / str(round_), list[str]()
        gate = threading.Barrier(8)

        def ask(folder: Path = folder, found: list[str] = found, gate: threading.Barrier = gate) -> None:
            gate.wait()
            found.append(client_id("gimp", folder))

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(found) == 8
        assert len(set(found)) == 1, found


def test_an_id_that_a_crash_left_empty_is_made_anew(tmp_path: Path) -> None:
    client_id("gimp", tmp_path)
    (tmp_path / "gimp").write_text("")
    made = client_id("gimp", tmp_path)
    assert made.startswith("gimp-")
    assert client_id("gimp", tmp_path) == made
