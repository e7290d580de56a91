"""What new-host accepts, and what it writes; the projects' own tests run in tests/contract."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from underpaint.cli.app import app
from underpaint.cli.new_host import Project, chosen_lines
from underpaint.host import Capability

FILES = {
    "README.md",
    "pyproject.toml",
    "src/paint_studio/__init__.py",
    "src/paint_studio/__main__.py",
    "src/paint_studio/adapter.py",
    "src/paint_studio/plugin.py",
    "src/paint_studio/program.py",
    "src/paint_studio/py.typed",
    "tests/rig.py",
    "tests/test_conformance.py",
    "tests/test_main.py",
    "tests/test_plugin.py",
}


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _ask(*arguments: str) -> tuple[int, dict[str, object]]:
    done = CliRunner().invoke(app, ["new-host", *arguments, "--json"])
    return done.exit_code, json.loads(done.stdout)


def _refusal(*arguments: str) -> tuple[str, str]:
    code, said = _ask(*arguments)
    assert code == 2, said
    ((violation,),) = (said["error"]["violations"],)  # type: ignore[index]
    return violation["field"], violation["description"]


def test_a_project_is_written_into_a_folder_of_its_name() -> None:
    code, said = _ask("paint-studio")
    assert code == 0
    assert said["folder"] == "paint-studio" and said["package"] == "paint_studio"
    written = {file.relative_to("paint-studio").as_posix() for file in Path("paint-studio").rglob("*.*")}
    assert written >= FILES == set(said["files"])  # type: ignore[call-overload]
    assert {file.name for file in Path.cwd().iterdir()} == {"paint-studio"}


def test_a_person_is_told_what_to_do_next() -> None:
    done = CliRunner().invoke(app, ["new-host", "paint-studio", "--folder", "here/there"])
    assert done.exit_code == 0
    assert "cd here/there" in done.stdout and "pytest" in done.stdout
    assert Path("here/there/pyproject.toml").is_file()


def test_the_conformance_tests_are_three_lines() -> None:
    lines = Project("paint-studio", "Paint Studio").files()["tests/test_conformance.py"].splitlines()
    assert len([line for line in lines if line and not line.startswith("#")]) == 3


def test_every_method_of_the_adapter_has_a_to_do() -> None:
    methods = Project("paint-studio", "Paint Studio").files()["src/paint_studio/adapter.py"].split("    def ")
    public = [text for text in methods[1:] if not text.startswith("_")]
    assert len(public) == 12
    assert [text.partition("(")[0] for text in public if "# TODO:" not in text] == []


@pytest.mark.parametrize(
    ("capability", "method"),
    [
        (Capability.SELECTION, "def read_selection"),
        (Capability.LAYERS, "def read_layer"),
        (Capability.PREVIEW, "def show_preview"),
        (Capability.MULTIPLE_DOCUMENTS, "Capability.MULTIPLE_DOCUMENTS"),
        (Capability.UNDO, "Capability.UNDO"),
    ],
)
def test_what_the_program_does_not_have_is_left_out(capability: Capability, method: str) -> None:
    assert _ask("whole")[0] == _ask("less", "--without", capability.value)[0] == 0
    assert method in Path("whole/src/whole/adapter.py").read_text("utf-8")
    assert method not in Path("less/src/less/adapter.py").read_text("utf-8")


def test_licence_and_title_go_where_they_belong() -> None:
    assert _ask("a-b", "--license", "gpl-3.0-or-later or mit", "--title", "Ölfarbe 森")[0] == 0
    assert 'license = "GPL-3.0-or-later OR MIT"' in Path("a-b/pyproject.toml").read_text("utf-8")
    assert Path("a-b/README.md").read_text("utf-8").startswith("# Ölfarbe 森 for underpaint")
    for file in Path("a-b").rglob("*.py"):
        assert file.read_text("utf-8").startswith("# SPDX-License-Identifier: GPL-3.0-or-later OR MIT\n")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("Paint-Studio", "for example paint-studio"),
        ("paint_studio", "for example paint-studio"),
        ("Föö Bär", "for example foo-bar"),
        ("森", "is not kebab-case"),
        ("", "is not kebab-case"),
        ("-a", "is not kebab-case"),
        ("a--b", "for example a-b"),
        ("3d", "for example d"),
        ("../up", "for example up"),
        ("a" * 33, "33 letters"),
        ("class", "word of Python itself"),
        ("json", "exists already"),
        ("underpaint", "exists already"),
        ("krita", "has a host"),
    ],
)
def test_a_name_that_cannot_work_is_refused_with_one_that_does(name: str, why: str) -> None:
    # After "--", as a shell's user would have to write a name that looks like an option.
    done = CliRunner().invoke(app, ["new-host", "--json", "--", name])
    assert done.exit_code == 2
    (violation,) = json.loads(done.stdout)["error"]["violations"]
    assert violation["field"] == "name" and why in violation["description"]
    assert not list(Path.cwd().iterdir())


@pytest.mark.parametrize("title", ['Say "hi"', "back\\slash", "two\nlines", "$name", "`x`", "  ", "x" * 41])
def test_a_title_that_would_break_a_file_is_refused(title: str) -> None:
    assert _refusal("a-b", "--title", title)[0] == "title"


def test_a_licence_that_nobody_knows_is_refused() -> None:
    assert _refusal("a-b", "--license", "Mine-1.0")[0] == "license"


def test_what_is_there_is_never_overwritten() -> None:
    Path("a-b").mkdir()
    Path("a-b/mine.txt").write_text("kept")
    field, why = _refusal("a-b")
    assert field == "folder" and "there already" in why
    assert [file.name for file in Path("a-b").iterdir()] == ["mine.txt"]


def test_a_folder_that_cannot_be_written_leaves_nothing_behind() -> None:
    Path("file").write_text("not a folder")
    assert _refusal("a-b", "--folder", "file/a-b")[0] == "folder"
    assert [entry.name for entry in Path.cwd().iterdir()] == ["file"]


@pytest.mark.parametrize(
    ("words", "left"),
    [
        ((), "1 not-a not-b 9"),
        (("a",), "1 a any not-b a-without-b 9"),
        (("b",), "1 any not-a b 9"),
        (("a", "b"), "1 a any a-in-b b 9"),
    ],
)
def test_blocks_of_a_template_are_chosen_by_what_holds(words: tuple[str, ...], left: str) -> None:
    text = """1
#? a
a
#? end
#? any
any
#? end
#? not a
not-a
#? end
    #? b
    #? a
a-in-b
    #? end
b
    #? end
#? not b
not-b
#? end
#? a and not b
a-without-b
#? end
9
"""
    assert chosen_lines(text, words).split() == left.split()


def test_a_block_without_an_end_is_a_mistake_of_the_template() -> None:
    with pytest.raises(ValueError, match="no end"):
        chosen_lines("#? a\nx\n", ["a"])
