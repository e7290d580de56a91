"""The home that every sandbox begins with: that of somebody who has opened each host once.

Krita's first start unpacks its brushes (13 s, the next 2 s), GIMP's asks 150 plug-ins what they do
(8 s, then 2 s), and Blender's first window compiles shaders (12 s, then 3 s).
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from tests.hosts.sandbox import SEED, HostSandbox

LOOK_ROUND = "def main(host):\n    yield from host.wait(2)\n"


def plant(root: Path) -> None:
    """Open each host once in a new home, and keep that home inside ``root``."""
    with (
        tempfile.TemporaryDirectory(prefix="underpaint-seed-") as folder,
        HostSandbox(root, Path(folder), new_user=True) as sandbox,
    ):
        sandbox.run_gimp(LOOK_ROUND)
        sandbox.run_gimp(LOOK_ROUND, window=True)
        sandbox.run_krita(LOOK_ROUND)
        sandbox.run_blender(LOOK_ROUND, window=True)
        shutil.copytree(sandbox.home, root / SEED, symlinks=True)
