"""Regenerates Krita's type stubs in the real Krita: ``python -m tests.hosts.krita_stubs``."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from tests.hosts import rootfs
from tests.hosts.programs import CHECKOUT
from tests.hosts.sandbox import HostSandbox

STUBS = CHECKOUT / "plugins/krita/stubs"
STUB_FILE = STUBS / "krita-stubs/__init__.pyi"

SCRIPT = """\
import runpy

def main(host):
    host.report(stub=runpy.run_path(host.arguments["generator"])["stub"]())
"""


def regenerate(sandbox: HostSandbox) -> str:
    """Return the stub file that the Krita in ``sandbox`` gives."""
    sandbox.bind(STUBS)
    values = sandbox.run_krita(SCRIPT, arguments={"generator": str(STUBS / "generate.py")})
    return str(values["stub"])


if __name__ == "__main__":
    folder = Path(tempfile.mkdtemp())
    with HostSandbox(rootfs.build(), folder / "sandbox") as krita:
        STUB_FILE.write_text(regenerate(krita))
    shutil.rmtree(folder)
    print(STUB_FILE)
