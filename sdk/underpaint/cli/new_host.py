"""new-host: an adapter project that works, to be turned into one for a program of one's own."""

from __future__ import annotations

import keyword
import re
import shutil
import sys
import tempfile
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Annotated, Final

import typer
from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

import underpaint
from underpaint.cli.console import JsonOption, print_json
from underpaint.errors import InvalidRequest, Violation
from underpaint.host import Capability

_TEMPLATES: Final = Path(__file__).parent / "templates" / "new_host"
_NAME: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_LONGEST_NAME: Final = 32
_LONGEST_TITLE: Final = 40
# Jobs are found again by the host's name, and these have jobs of their own.
_TAKEN_HOSTS: Final = {"blender", "cli", "gimp", "krita", "reference"}
# What the project imports, or has beside its package.
_TAKEN_PACKAGES: Final = {"numpy", "pil", "pluggy", "pytest", "rig", "test", "tests", "underpaint"}


def new_host(
    name: Annotated[str, typer.Argument(help="Kebab-case, for example paint-studio: jobs carry this name.")],
    folder: Annotated[Path | None, typer.Option(help="Where to write it. [default: ./NAME]")] = None,
    title: Annotated[str, typer.Option(help="The program's name for people. [default: from NAME]")] = "",
    license: Annotated[str, typer.Option(help="An SPDX expression, for example MIT.")] = "Apache-2.0",
    without: Annotated[
        list[Capability] | None,
        typer.Option(help="Something that your program does not have; may be given again."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write a project with a working host adapter, to be turned into yours.

    Example: underpaint new-host paint-studio --title 'Paint Studio' --without preview

    It talks to a tiny paint program that it brings along, and its tests, the conformance suite among
    them, pass at once. A TODO at each method says what to do for your program.
    """
    project = Project(
        name=_checked_name(name),
        title=_checked_title(title or name.replace("-", " ").title()),
        license=_checked_license(license),
        capabilities=frozenset(Capability) - frozenset(without or ()),
    )
    place = folder or Path(name)
    paths = project.write(place)
    if as_json:
        print_json({"folder": str(place), "package": project.package, "files": paths})
        return
    print(f"{place} holds a working adapter ({len(paths)} files). Next:")
    print(f"  cd {place}\n  pip install -e . --group dev\n  pytest\n  grep -rn TODO src tests")


@dataclass(frozen=True, slots=True)
class Project:
    """What the templates are filled with."""

    name: str
    title: str
    license: str = "Apache-2.0"
    capabilities: frozenset[Capability] = frozenset(Capability)

    @property
    def package(self) -> str:
        """Its Python package."""
        return self.name.replace("-", "_")

    @property
    def adapter(self) -> str:
        """Its adapter's class."""
        return "".join(part.capitalize() for part in self.name.split("-")) + "Adapter"

    def files(self) -> dict[str, str]:
        """Texts by path, relative to the project's folder."""
        values = {
            "name": self.name,
            "title": self.title,
            "license": self.license,
            "package": self.package,
            "adapter": self.adapter,
            "version": underpaint.__version__,
        }
        words = {capability.value for capability in self.capabilities}
        return {
            path.replace("package", self.package): Template(chosen_lines(text, words)).substitute(values)
            for path, text in _templates()
        }

    def write(self, folder: Path) -> list[str]:
        """Writes all of it or nothing, and returns the paths. Raises `InvalidRequest` if it is there."""
        if folder.exists():
            raise _wrong("folder", f"{folder} is there already: choose another one, or remove it")
        files = self.files()
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            draft = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
            try:
                for path, text in files.items():
                    place = draft / path
                    place.parent.mkdir(parents=True, exist_ok=True)
                    place.write_text(text, "utf-8", newline="\n")
                draft.chmod(0o755)
                draft.rename(folder)
            except BaseException:
                shutil.rmtree(draft, ignore_errors=True)
                raise
        except OSError as problem:
            raise _wrong("folder", f"{folder} cannot be written ({problem}): choose another one") from problem
        return sorted(files)


def chosen_lines(text: str, words: Iterable[str]) -> str:
    """A text without the blocks that are not wanted.

    A block lies between lines `#? WORD`, `#? not WORD` or `#? WORD and not OTHER` and `#? end`; `words` are
    those that hold. The word "any" holds if any other does.
    """
    known = {*words, *(["any"] if words else [])}
    lines, open_blocks = list[str](), list[bool]()
    for line in text.splitlines(keepends=True):
        marker, _, condition = line.strip().partition(" ")
        if marker != "#?":
            if all(open_blocks):
                lines.append(line)
        elif condition == "end":
            open_blocks.pop()
        else:
            parts = [part.rpartition("not ") for part in condition.split(" and ")]
            open_blocks.append(all((word in known) != bool(negated) for _, negated, word in parts))
    if open_blocks:
        raise ValueError("a block of the template has no end")
    return "".join(lines)


def _templates() -> Iterator[tuple[str, str]]:
    for file in sorted(_TEMPLATES.rglob("*.tmpl")):
        yield file.relative_to(_TEMPLATES).with_suffix("").as_posix(), file.read_text("utf-8")


def _checked_name(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    hint = "-".join(re.findall(r"[a-z0-9]+", plain)).lstrip("0123456789-")
    if not _NAME.fullmatch(name):
        example = f", for example {hint}" if _NAME.fullmatch(hint) else ""
        raise _wrong("name", f"{name!r} is not kebab-case: a to z, 0 to 9, single dashes between{example}")
    if len(name) > _LONGEST_NAME:
        raise _wrong("name", f"{name!r} has {len(name)} letters, at most {_LONGEST_NAME} are allowed")
    package = name.replace("-", "_")
    if keyword.iskeyword(package):
        raise _wrong("name", f"{name!r} is a word of Python itself, for example {name}-host works")
    if package in sys.stdlib_module_names or package in _TAKEN_PACKAGES:
        raise _wrong("name", f"a Python package {package!r} exists already, for example {name}-host works")
    if name in _TAKEN_HOSTS:
        raise _wrong("name", f"underpaint has a host {name!r} already, for example my-{name} works")
    return name


def _checked_title(title: str) -> str:
    if not title.isprintable() or set(title) & set('"\\`$') or not title.strip():
        raise _wrong("title", f"{title!r} must be one line without quotes, backslashes, backticks, dollars")
    if len(title) > _LONGEST_TITLE:
        raise _wrong("title", f"it has {len(title)} letters, at most {_LONGEST_TITLE} are allowed")
    return title.strip()


def _checked_license(license: str) -> str:
    try:
        return str(canonicalize_license_expression(license))
    except InvalidLicenseExpression as problem:
        raise _wrong("license", f"{license!r} is no SPDX expression, for example MIT") from problem


def _wrong(field: str, description: str) -> InvalidRequest:
    return InvalidRequest("The project was not written.", violations=[Violation(field, description)])
