"""Arguments of `python -m underpaint.daemon`, made from the settings."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence

from underpaint.daemon.settings import Settings, from_environment, from_texts, options, variable


def parse(arguments: Sequence[str], environ: Mapping[str, str] | None = None) -> Settings:
    """Settings from environment and arguments (which win); raises InvalidRequest for nonsense."""
    parser = argparse.ArgumentParser(
        prog="python -m underpaint.daemon", description="Serve diffusion to host programs on this machine."
    )
    for option in options():
        parser.add_argument(
            _argument(option.name),
            dest=option.name,
            metavar="VALUE",
            help=f"{option.metadata['help']} (environment: {variable(option.name)})",
        )
    given = {name: text for name, text in vars(parser.parse_args(arguments)).items() if text is not None}
    values = from_environment(os.environ if environ is None else environ)
    return Settings(**{**values, **from_texts(given, source=_argument)})


def _argument(name: str) -> str:
    return "--" + name.replace("_", "-")
