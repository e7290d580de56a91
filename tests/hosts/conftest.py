"""Fixtures for tests that run in the real Krita, GIMP and Blender."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hosts import programs, rootfs
from tests.hosts.mirror import HostsUnavailable
from tests.hosts.sandbox import HostSandbox
from tests.support.installation import Installation

HERE = Path(__file__).parent
SWATCH = programs.CHECKOUT / "sdk" / "swatch" / "underpaint_swatch" / "models"
NOT_TESTED = pytest.StashKey[str]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder runs a real host, and is marked so."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.host)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say it once more, at the end and in red, when the real hosts were left out."""
    if reason := config.stash.get(NOT_TESTED, ""):
        terminalreporter.section("Krita, GIMP and Blender were NOT tested", red=True, bold=True)
        terminalreporter.line(reason, red=True)


@pytest.fixture(scope="session")
def hosts_root(pytestconfig: pytest.Config) -> Path:
    """The hosts' folder, built first where it is missing; skips where it cannot be, by name."""
    try:
        return rootfs.build()
    except HostsUnavailable as problem:
        reason = f"Krita, GIMP and Blender are not here: {problem}"
    if os.environ.get("CI") == "true" or os.environ.get("UNDERPAINT_HOSTS_REQUIRED") == "1":
        pytest.fail(reason, pytrace=False)
    pytestconfig.stash[NOT_TESTED] = reason
    pytest.skip(reason)


@pytest.fixture
def sandbox(hosts_root: Path, tmp_path: Path) -> Iterator[HostSandbox]:
    """A sandbox for one test."""
    with HostSandbox(hosts_root, tmp_path / "sandbox") as one:
        yield one


@pytest.fixture(scope="module")
def module_sandbox(hosts_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostSandbox]:
    """One sandbox for all of a module's tests, so that they can share a host that is open."""
    with HostSandbox(hosts_root, tmp_path_factory.mktemp("sandbox")) as shared:
        yield shared


@pytest.fixture
def daemon(sandbox: HostSandbox, tiny_root: Path, tmp_path: Path) -> Iterator[Installation]:
    """A real daemon with a real engine and tiny models, seen by hosts in `sandbox`; not started yet.

    Give `daemon.places` to a host as its environment.
    """
    folder = tmp_path / "daemon"
    (folder / "state").mkdir(parents=True)
    sandbox.bind(folder)
    installation = Installation(folder, sandbox.runtime, tiny_root)
    yield installation
    installation.close()


@pytest.fixture
def swatch(sandbox: HostSandbox, tmp_path: Path) -> Iterator[Installation]:
    """A daemon that runs, with the model in the box, its control nets, and what a test lays into `models`."""
    folder = tmp_path / "daemon"
    (folder / "state").mkdir(parents=True)
    (folder / "models").mkdir()
    sandbox.bind(folder)
    roots = os.pathsep.join(map(str, (SWATCH, folder / "models")))
    installation = Installation(folder, sandbox.runtime, SWATCH, UNDERPAINT_MODEL_ROOTS=roots)
    installation.serve()
    yield installation
    installation.close()
