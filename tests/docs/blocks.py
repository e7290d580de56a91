"""Code blocks of a page, and how each kind is run.

A block's language decides. `python` is executed (as doctests where it has prompts), `sh` runs in bash.
`console` runs what stands behind `$` and compares what it prints; `…` stands for anything. `json` and `toml`
are parsed, `proto` must be a quotation of our own files, `js` must come from a file that a test runs, `text`
is for people. A block with a `title` is that file: it is written, and used by the blocks after it; "(goes
on)" behind the name adds to it.

Comments on the line before a block: `<!-- not run: REASON -->` leaves it out, `<!-- runs in: HOST -->` leaves
it to tests/hosts. On a page's first line, `<!-- daemon: fake|real|none -->` says what answers; the fake one
unless it says so.
"""

from __future__ import annotations

import doctest
import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import tomllib
from markdown_it import MarkdownIt

ROOT: Final = Path(__file__).resolve().parents[2]
GOES_ON: Final = " (goes on)"
LANGUAGES: Final = ("python", "sh", "console", "json", "toml", "proto", "js", "text")
_NOTE = re.compile(r"<!-- (?P<key>not run|runs in|daemon): (?P<value>.+?) -->")
_TITLE = re.compile(r'title="(?P<title>[^"]+)"')
_SNIPPET = re.compile(r'^--8<-- "(?P<path>[^":]+)(?::\w+)?"$')


@dataclass(frozen=True)
class Block:
    """One fenced block."""

    page: Path
    line: int
    language: str
    title: str
    text: str
    not_run: str = ""
    runs_in: str = ""

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


@dataclass
class Reader:
    """Somebody who follows a page from its top: one folder, one shell environment, one Python session."""

    folder: Path
    environ: Mapping[str, str]
    names: dict[str, Any] = field(default_factory=lambda: {"__name__": "__main__"})
    seen: dict[str, str] = field(default_factory=dict)
    """What commands printed, by their text."""

    def follow(self, block: Block) -> None:
        """Does what a block says. Raises `AssertionError` or what the block's own code raises."""
        text = _quoted(block)
        if block.title:
            self._write(block, text)
        else:
            getattr(self, f"_{block.language}")(block, text)

    def _write(self, block: Block, text: str) -> None:
        name = block.title.removesuffix(GOES_ON)
        target = self.folder / name
        assert target.resolve().is_relative_to(self.folder.resolve()), f"{block}: leaves the folder"
        target.parent.mkdir(parents=True, exist_ok=True)
        if name != block.title:
            assert target.exists(), f"{block}: goes on, but was never begun"
            text = target.read_text("utf-8") + text
        target.write_text(text, "utf-8")
        if target.suffix == ".py":
            compile(text, f"{block}", "exec")

    def _python(self, block: Block, text: str) -> None:
        if ">>> " in text:
            test = doctest.DocTestParser().get_doctest(
                text, self.names, str(block), str(block.page), block.line
            )
            runner = doctest.DebugRunner(verbose=False, optionflags=doctest.ELLIPSIS)
            try:
                runner.run(test, clear_globs=False)
            except doctest.DocTestFailure as failure:
                said = f"{failure.example.source}gave {failure.got!r}, the page says {failure.example.want!r}"
                raise AssertionError(f"{block}: {said}") from failure
            self.names.update(test.globs)
            return
        # Lines as on the page, so that a traceback points there.
        code = compile("\n" * block.line + text, str(block.page), "exec")
        exec(code, self.names)

    def _sh(self, block: Block, text: str) -> None:
        done = self._bash(text)
        assert done.returncode == 0, f"{block}: ended with {done.returncode}\n{done.stdout}{done.stderr}"

    def _console(self, block: Block, text: str) -> None:
        for command, expected in _commands(text):
            done = self._bash(command)
            assert done.returncode == 0, f"{block}: {command}: {done.stdout}{done.stderr}"
            pattern = r".*".join(re.escape(part) for part in expected.split("…"))
            assert re.fullmatch(pattern, done.stdout.strip(), re.DOTALL), f"{block}: {command}: {done.stdout}"

    def _json(self, block: Block, text: str) -> None:
        json.loads(text)

    def _toml(self, block: Block, text: str) -> None:
        tomllib.loads(text)

    def _text(self, block: Block, text: str) -> None:
        assert text.strip(), f"{block}: is empty"

    def _js(self, block: Block, text: str) -> None:
        assert text != block.text, f"{block}: quote a file that the tests run (--8<--)"

    def _proto(self, block: Block, text: str) -> None:
        sources = [" ".join(path.read_text("utf-8").split()) for path in ROOT.glob("proto/**/*.proto")]
        for part in text.split("\n\n"):
            assert any(" ".join(part.split()) in source for source in sources), f"{block}: is not in proto/"

    def _bash(self, text: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", text],
            cwd=self.folder,
            env=dict(self.environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=600,
        )
        self.seen[text.strip()] = done.stdout
        return done


def pages() -> list[Path]:
    """Every page that people read: the README, `docs/`, and the READMEs of examples."""
    found = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("README.md")]
    return sorted(page for page in found if "node_modules" not in page.parts)


def blocks(page: Path) -> Iterator[Block]:
    """The fenced blocks of a page, in order, with what the comments before them say."""
    lines = page.read_text("utf-8").splitlines()
    for token in MarkdownIt("commonmark").parse("\n".join(lines)):
        if token.map is None or token.type not in ("fence", "code_block"):
            continue
        where = f"{page.relative_to(ROOT)}:{token.map[0] + 1}"
        assert token.type == "fence", f"{where}: use a fence and a language"
        language, _, rest = token.info.strip().partition(" ")
        title = _TITLE.search(rest)
        before = lines[token.map[0] - 1] if token.map[0] else ""
        note = _NOTE.fullmatch(before.strip())
        told = {note["key"]: note["value"]} if note else {}
        yield Block(
            page,
            token.map[0] + 1,
            language,
            title["title"] if title else "",
            token.content,
            told.get("not run", ""),
            told.get("runs in", ""),
        )


def daemon_of(page: Path) -> str:
    """What answers the blocks of a page: "fake", "real" or "none"."""
    found = [note["value"] for note in _NOTE.finditer(page.read_text("utf-8")) if note["key"] == "daemon"]
    return found[0] if found else "fake"


def _commands(text: str) -> Iterator[tuple[str, str]]:
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, expected = part.partition("\n")
        yield command, expected.strip()


def _quoted(block: Block) -> str:
    """The text, with a quoted file in place of the line that quotes it."""
    found = _SNIPPET.fullmatch(block.text.strip())
    return (ROOT / found["path"]).read_text("utf-8") if found else block.text


def environment(folder: Path, places: Mapping[str, str], programs: Path) -> dict[str, str]:
    """A reader's shell: our programs first, a home of their own, and nothing of this machine's settings."""
    return {
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(folder / "home"),
        "LANG": "C.UTF-8",
        "OMP_NUM_THREADS": "1",
        **places,
    }
