"""The conformance suite, run by the real Krita on the plug-in as it is installed."""

from __future__ import annotations

import pytest

from tests.hosts.conformance.outside import (
    EVERY_CHECK,
    Seen,
    build_with_suite,
    fake_daemon,
    run_suite,
    selected,
)
from tests.hosts.sandbox import HostSandbox
from underpaint.cli.packaging import install


@pytest.fixture(scope="module")
def seen(
    module_sandbox: HostSandbox, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Seen:
    """All of the suite in one launch."""
    sandbox = module_sandbox
    archive = build_with_suite("krita", tmp_path_factory.mktemp("zip"))
    install("krita", archive, home=sandbox.home, environ=sandbox.environ_outside)
    # Importable, but not at work: the suite's adapter is the only one.
    sandbox.enable_krita_plugin("underpaint_krita", enabled=False)
    # As on a machine without a graphics card: in software, OpenGL's textures of the huge canvas take 25 s.
    (sandbox.home / ".config/kritadisplayrc").write_text("OpenGLRenderer=none\n")
    with fake_daemon() as folder:
        sandbox.bind(folder)
        with sandbox.open_krita() as krita:
            found = run_suite(
                krita,
                folder,
                package="underpaint_krita",
                rig="tests.hosts.conformance.krita_rig:KritaRig",
                only=selected(request),
            )
    print(f"\n{found.summary}")
    return found


@EVERY_CHECK
def test_krita_keeps_the_contract(seen: Seen, check: str) -> None:
    seen.judge(check)
