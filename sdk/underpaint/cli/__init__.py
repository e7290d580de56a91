"""The command line. `main` is the console script; it needs the extra `cli`."""

from __future__ import annotations

import sys


def main() -> None:
    """Runs `underpaint`; says what to install where the extra `cli` is missing."""
    try:
        import PIL  # noqa: F401
        import rich  # noqa: F401
        import typer  # noqa: F401
    except ModuleNotFoundError as missing:
        sys.exit(f"{missing.name} is not installed. Run: pip install 'underpaint[cli]'")
    from underpaint.cli.app import app

    app()
