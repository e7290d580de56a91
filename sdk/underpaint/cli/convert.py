"""models convert: a pickle to safetensors, in a process that may do nothing else."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Annotated

import typer

from underpaint.cli import sandbox
from underpaint.cli.console import JsonOption, guarded, print_json
from underpaint.errors import InvalidRequest, ModelUnusable
from underpaint.weights import Probe, Prober
from underpaint.weights.probe import PICKLES

_CHUNK = 4 << 20


@guarded
def convert(
    file: Annotated[Path, typer.Argument(help="A .ckpt, .pt, .pth or .bin file.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The file to write. [default: beside it]")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make a .safetensors file of a pickle, without running what the pickle holds.

    A process of its own reads it: no network, no other file, bounded memory. Nothing is asked from anywhere.
    """
    if os.name != "posix":
        raise InvalidRequest("Pickles are converted on Linux and macOS only. Get the model as safetensors.")
    if file.suffix.lower() not in PICKLES or not file.is_file():
        raise InvalidRequest(f"{file} is no file that ends in {', '.join(PICKLES)}.")
    target = output or sandbox.target_of(file)
    if target.suffix != ".safetensors" or target.exists():
        raise InvalidRequest(
            f"{target} " + ("is there already." if target.exists() else "must end in .safetensors.")
        )
    facts, probe = _converted(file, target)
    if as_json:
        print_json({"file": str(target), "kind": probe.kind, "family": probe.family, **facts})
        return
    print(f"{target}: {facts['tensors']} tensors, {probe.kind}, {probe.family}. {file.name} stays as it is.")


def _converted(file: Path, target: Path) -> tuple[dict[str, object], Probe]:
    part = target.with_name(f".{target.stem}.{os.getpid()}.part.safetensors")
    try:
        with file.open("rb") as source, part.open("xb") as written:
            facts = sandbox.convert(source, written, file.name)
            os.fsync(written.fileno())
        # The process is not believed: what lies on the disk is read again.
        probe = Prober().probe(part)
        if probe.problem or _sha256(part) != facts["sha256"]:
            raise ModelUnusable(
                f"{file.name!r} was not converted: {probe.problem or 'the disk lost a part'}."
            )
        part.rename(target)
    finally:
        part.unlink(missing_ok=True)
    return facts, probe


def _sha256(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
