"""The names that others build on: what they are, that they stay, and what they cost to import."""

from __future__ import annotations

import difflib
import subprocess
import sys

from docs.generate.python import public_modules, public_names
from tests.contract.public_api import SNAPSHOT, snapshot

IMPORT_BUDGET_S = 0.35
IMPORT = """
import sys, time
begun = time.process_time()
import underpaint
{use}
print(time.process_time() - begun)
loaded = {{name.partition('.')[0] for name in sys.modules}}
print(*sorted(loaded & {{'torch', 'numpy', 'grpc', 'diffusers', 'PIL', 'rich', 'typer'}}))
"""


def _import(use: str = "") -> tuple[float, str]:
    command = [sys.executable, "-c", IMPORT.format(use=use)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    seconds, loaded = done.stdout.splitlines()
    return float(seconds), loaded


def test_the_public_api_is_the_one_that_was_agreed_on() -> None:
    kept, now = SNAPSHOT.read_text("utf-8").splitlines(), snapshot().splitlines()
    changes = [line for line in difflib.unified_diff(kept, now, "agreed", "now", lineterm="", n=0)]
    lost = [line for line in changes if line.startswith("-") and not line.startswith("---")]
    advice = (
        "names were removed or changed: docs/decisions/0008 says when that may be"
        if lost
        else "names were added: give them an entry in the docs"
    )
    assert not changes, "\n".join([f"{advice}; then run: make api", *changes])


def test_the_snapshot_sees_what_a_caller_would_notice() -> None:
    lines = snapshot().splitlines()
    assert "underpaint.connect" in lines
    assert any(
        line.startswith("underpaint.client.connect(kw start: bool = True, ") and line.endswith("-> Client")
        for line in lines
    )
    assert "underpaint.host.Capability.UNDO = 'undo'" in lines
    assert any(line.startswith("class underpaint.types.Bounds <- (x: int, y: int, ") for line in lines)
    assert [line for line in lines if "._" in line.partition("(")[0]] == ["underpaint.__version__"]


def test_every_public_module_is_there_and_offers_something() -> None:
    empty = [
        name for name in public_modules() if name != "underpaint.testing" and not list(public_names(name))
    ]
    assert empty == []


def test_importing_underpaint_is_cheap_and_loads_neither_torch_nor_numpy_nor_grpc() -> None:
    seconds, loaded = min(_import() for _ in range(3))
    assert loaded == ""
    assert seconds <= IMPORT_BUDGET_S


def test_the_client_itself_loads_none_of_them_either() -> None:
    seconds, loaded = min(_import("underpaint.connect; underpaint.Session") for _ in range(3))
    print(f"the whole client: {seconds:.3f} s of processor time")
    assert loaded == ""
