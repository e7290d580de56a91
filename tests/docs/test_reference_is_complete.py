"""Nothing that the code offers is missing from the built documentation, and it builds without a warning."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import underpaint
from docs.generate import cli, errors, hooks, protocol, python, settings
from underpaint import hookspecs
from underpaint.daemon import safety
from underpaint.daemon.services.server import CAPABILITIES
from underpaint.errors import _tree
from underpaint.host import Capability

ROOT = Path(__file__).resolve().parents[2]
VARIABLE = re.compile(r"\bUNDERPAINT_[A-Z][A-Z_]*[A-Z]\b")
PRIVATE = {
    "UNDERPAINT_WORKER_TOKEN": "handed from the daemon to its own worker",
    "UNDERPAINT_HOSTS_REQUIRED": "for the tests",
}


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The documentation, built as `make docs` does."""
    target = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(target)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return target


@pytest.fixture(scope="session")
def places(site: Path) -> Callable[[str], set[str]]:
    """Every anchor of a page."""

    def of(page: str) -> set[str]:
        text = (site / page).with_suffix(".html").read_text("utf-8")
        return set(re.findall(r'\bid="?([^">\s]+)', text))

    return of


@pytest.fixture(scope="session")
def documented(site: Path) -> dict[str, str]:
    """Python names that have an entry, with their page, as the inventory for other projects says it."""
    data = (site / "objects.inv").read_bytes()
    # Four lines of text, then names, compressed.
    body = zlib.decompress(data.split(b"\n", 4)[4]).decode("utf-8")
    rows = (line.split(" ", 4) for line in body.splitlines())
    return {name: page for name, kind, _, page, _ in rows if kind.startswith("py:")}


def _public() -> Iterator[str]:
    for module in python.public_modules():
        if module != "underpaint":
            for name, found in python.public_names(module):
                yield f"{module}.{name}"
                if found.is_class:
                    own = (member for member in found.members.values() if not member.is_alias)
                    yield from (f"{module}.{name}.{m.name}" for m in own if not m.name.startswith("_"))


def test_every_public_name_and_method_has_an_entry(documented: dict[str, str]) -> None:
    missing = [name for name in _public() if name not in documented]
    assert missing == []
    assert len(documented) > 300


def test_the_names_of_underpaint_are_its_all_and_are_documented(documented: dict[str, str]) -> None:
    offered = {name for name, _ in python.public_names("underpaint")}
    assert offered == set(underpaint.__all__) == {*underpaint._HOMES, "__version__"}
    homes = {f"underpaint.{home}.{name}" for name, home in underpaint._HOMES.items()}
    assert homes <= set(documented)


def test_every_public_name_has_a_docstring() -> None:
    silent = [
        f"{module}.{name}"
        for module in python.public_modules()
        for name, found in python.public_names(module)
        if (found.is_class or found.is_function) and not found.docstring
    ]
    assert silent == []


@pytest.mark.parametrize("specs", hooks.GROUPS, ids=lambda specs: specs.__name__)
def test_every_hook_has_an_entry(places: Callable[[str], set[str]], specs: type) -> None:
    names = list(hooks.hooks(specs))
    expected = {f"underpaint.hookspecs.{specs.__name__}.{name}" for name in names}
    assert expected <= places("reference/generated/hooks")
    assert names


def test_both_sides_of_the_hooks_are_documented() -> None:
    assert {name for name in hookspecs.__all__ if name.endswith("Specs")} == {
        specs.__name__ for specs in hooks.GROUPS
    }


def test_examples_are_shown_as_code(site: Path) -> None:
    text = (site / "reference/generated/hooks.html").read_text("utf-8")
    # Prompts that Markdown takes for itself become quotations.
    assert "<blockquote" not in text
    assert text.count("&gt;&gt;&gt;") > 20


def test_every_hook_is_used_by_a_page_that_people_read() -> None:
    text = "".join(page.read_text("utf-8") for page in (ROOT / "docs").rglob("*.md"))
    silent = [name for specs in hooks.GROUPS for name in hooks.hooks(specs) if name not in text]
    assert silent == []


def test_every_capability_has_an_entry_and_every_entry_a_capability(
    places: Callable[[str], set[str]],
) -> None:
    expected = {f"host-{one.value}" for one in Capability} | {f"daemon-{one}" for one in CAPABILITIES}
    found = {place for place in places("reference/capabilities") if place.startswith(("host-", "daemon-"))}
    assert found == expected | {f"daemon-{safety.CAPABILITY}"}


def test_every_error_reason_has_an_entry_and_every_class_a_reason(
    places: Callable[[str], set[str]],
) -> None:
    reasons = list(errors.reasons())
    assert {reason.name for reason in reasons} <= places("reference/generated/errors")
    assert all(reason.text and reason.code for reason in reasons)
    raised = {kind.reason for kind in _tree(underpaint.UnderpaintError)}
    assert raised == {reason.name for reason in reasons}


def test_every_command_and_option_has_an_entry(places: Callable[[str], set[str]]) -> None:
    found = places("reference/generated/cli")
    expected = {cli.anchor(name) for name, _ in cli.commands()}
    expected |= {
        cli.anchor(name, option) for name, command in cli.commands() for option, _ in cli.options(command)
    }
    assert expected <= found
    assert {"underpaint-txt2img-seed", "underpaint-serve-idle-timeout", "underpaint-hosts-build"} <= found


def test_every_option_says_what_it_does() -> None:
    silent = [
        f"{name} {option}"
        for name, command in cli.commands()
        for option, parameter in cli.options(command)
        if not parameter.help
    ]
    assert silent == []


def test_every_setting_and_variable_has_an_entry(places: Callable[[str], set[str]]) -> None:
    found = places("reference/generated/settings")
    assert {option.name for option in settings.options()} <= found
    text = settings.page()
    sources = [*(ROOT / "sdk").rglob("*.py"), *(ROOT / "plugins").rglob("*.py")]
    read = {name for source in sources for name in VARIABLE.findall(source.read_text("utf-8"))}
    assert read - set(VARIABLE.findall(text)) - set(PRIVATE) == set()


def test_every_call_message_and_enum_of_the_protocol_has_an_entry(
    places: Callable[[str], set[str]],
) -> None:
    found = {place for page in protocol.pages() for place in places(f"protocol/messages/{page}")}
    assert set(protocol.anchors()) <= found
    assert {"JobService.SubmitJob", "BlobService.ReadBlob", "ErrorInfo"} <= found


def test_every_link_between_pages_is_checked(tmp_path: Path) -> None:
    """The strictness itself: a page with a bad link does not build."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.md").write_text("[gone](nowhere.md), [there](index.md#nothing)")
    config = (ROOT / "mkdocs.yml").read_text("utf-8")
    kept = config[: config.index("hooks:")].replace("material", "mkdocs").partition("theme:")[0]
    rules = config[config.index("validation:") : config.index("hooks:")]
    (tmp_path / "mkdocs.yml").write_text(kept + rules)
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode != 0
    assert "nowhere.md" in done.stderr and "#nothing" in done.stderr, done.stderr
