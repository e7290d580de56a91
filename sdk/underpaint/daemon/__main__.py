"""`python -m underpaint.daemon`: serve until told to stop. `--help` lists every setting."""

from __future__ import annotations

import sys

from underpaint.daemon.arguments import parse
from underpaint.daemon.server import run
from underpaint.errors import UnderpaintError


def main() -> int:
    """Reads settings from the environment and the arguments (which win) and serves."""
    try:
        settings = parse(sys.argv[1:])
    except UnderpaintError as error:
        print(f"underpaint: {error}", file=sys.stderr)
        return 2
    return run(settings)


if __name__ == "__main__":
    sys.exit(main())
