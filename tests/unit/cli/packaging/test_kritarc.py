"""Ticking a plug-in changes one line of Krita's settings."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from underpaint.cli.packaging.kritarc import enable_plugin, is_enabled


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "[python]\nenable_it=true\n"),
        ("a=1\n", "a=1\n\n[python]\nenable_it=true\n"),
        ("a=1", "a=1\n\n[python]\nenable_it=true\n"),
        ("[python]\n", "[python]\nenable_it=true\n"),
        ("[python]", "[python]\nenable_it=true\n"),
        ("[python]\nenable_it=false\n", "[python]\nenable_it=true\n"),
        ("[python]\nenable_it = true\n", "[python]\nenable_it = true\n"),
        ("[other]\nenable_it=true\n", "[other]\nenable_it=true\n\n[python]\nenable_it=true\n"),
        ("[python][deep]\nx=1\n", "[python][deep]\nx=1\n\n[python]\nenable_it=true\n"),
        ("[python]\nb=1\n\n[z]\nc=1\n", "[python]\nb=1\nenable_it=true\n\n[z]\nc=1\n"),
        ("x=1\r\n[python]\r\nb=1\r\n", "x=1\r\n[python]\r\nb=1\r\nenable_it=true\r\n"),
    ],
)
def test_one_line_is_added_or_changed(before: str, after: str, tmp_path: Path) -> None:
    path = tmp_path / "kritarc"
    path.write_bytes(before.encode())
    enable_plugin(path, "it")
    assert path.read_bytes() == after.encode()
    assert is_enabled(path, "it")


def test_settings_that_are_not_there_are_made(tmp_path: Path) -> None:
    path = tmp_path / "config" / "kritarc"
    assert not is_enabled(path, "it")
    enable_plugin(path, "it")
    assert path.read_bytes() == b"[python]\nenable_it=true\n"


def test_links_and_modes_are_kept(tmp_path: Path) -> None:
    real = tmp_path / "dotfiles"
    real.write_bytes(b"[python]\n")
    real.chmod(0o600)
    (tmp_path / "kritarc").symlink_to(real)
    enable_plugin(tmp_path / "kritarc", "it")
    assert (tmp_path / "kritarc").is_symlink()
    assert real.stat().st_mode & 0o777 == 0o600
    assert is_enabled(real, "it")


LINES = st.lists(
    st.sampled_from(["[python]", "[window]", "", "a=1", "enable_it=false", "enable_other=true", "ü=é"]),
    max_size=8,
)


@given(lines=LINES, end=st.sampled_from(["\n", "\r\n"]), last=st.booleans())
def test_every_other_line_stays(
    lines: list[str], end: str, last: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("rc") / "kritarc"
    before = end.join(lines) + (end if last and lines else "")
    path.write_bytes(before.encode())
    enable_plugin(path, "it")
    after = path.read_bytes().decode()
    kept = [line for line in after.splitlines() if line not in {"", "[python]", "enable_it=true"}]
    in_python = False
    wanted = []
    seen = False
    for line in before.splitlines():
        in_python = line == "[python]" if line.startswith("[") else in_python
        if line == "enable_it=false" and in_python and not seen:
            seen = True
        elif line not in {"", "[python]"}:
            wanted.append(line)
    assert kept == wanted
    enable_plugin(path, "it")
    assert path.read_bytes().decode() == after
