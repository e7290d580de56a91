"""The verbs that every host has beside fill and generate, from Krita's own menu."""

from __future__ import annotations

from pathlib import Path

from tests.hosts.sandbox import HostSandbox
from tests.support.installation import Installation
from underpaint.cli.packaging import build, install

SCRIPT = Path(__file__).parent / "scripts" / "own_verbs_krita.py"


def test_krita_removes_refines_and_expands_in_one_undo_step_each(
    sandbox: HostSandbox, daemon: Installation, tmp_path: Path
) -> None:
    daemon.serve()
    install("krita", build("krita", tmp_path), home=sandbox.home, environ=sandbox.environ_outside)
    with sandbox.open_krita(plugins=("underpaint_krita",), environ=daemon.places) as krita:
        values = krita.run(SCRIPT, timeout=300)
        assert "Traceback" not in krita.output
    for name in ("remove", "refine", "expand"):
        seen = values[name]
        assert (seen["state"], seen["problem"]) == ("placed", ""), name
        assert seen["changed"] and seen["undone"], name
    assert values["remove"]["inpaint"] == {"strength": 0.9, "fill_mode": "border"}
    assert values["remove"]["prompt"] == ""
    assert values["refine"]["inpaint"] == {"strength": 0.5, "fill_mode": "keep"}
    # The new layer hangs over the canvas, which keeps its size.
    expanded = values["expand"]
    assert expanded["right"] >= expanded["width"] + 40
