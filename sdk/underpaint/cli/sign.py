"""Content credentials: picture files signed with the user's own certificate, as C2PA lays down."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

import underpaint
from underpaint.cli.console import JsonOption, print_json
from underpaint.errors import InvalidRequest, Unusable, Violation
from underpaint.provenance import SOURCE_TYPES

if TYPE_CHECKING:
    from underpaint.testing.reference.metadata import Told

ALGORITHMS: Final = ("es256", "es384", "es512", "ps256", "ps384", "ps512", "ed25519")
FORMATS: Final = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
}
_INSTALL: Final = "pip install 'underpaint[c2pa]'"


def sign(
    file: Annotated[
        Path, typer.Argument(help="A picture that underpaint wrote.", exists=True, dir_okay=False)
    ],
    certificate: Annotated[
        Path,
        typer.Option(
            help="PEM: your certificate, then those that vouch for it.", exists=True, dir_okay=False
        ),
    ],
    key: Annotated[
        Path, typer.Option(help="PEM: its private key, without a password.", exists=True, dir_okay=False)
    ],
    algorithm: Annotated[str, typer.Option(help=f"What the key is for: {', '.join(ALGORITHMS)}.")] = "es256",
    timestamps: Annotated[
        str, typer.Option(metavar="URL", help="A time-stamping authority to ask; none is asked without it.")
    ] = "",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where to write. [default: the file itself]")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Sign what a picture file says of its making, with your own certificate (C2PA).

    Whoever looks can then tell that nobody changed the file since. Needs pip install 'underpaint[c2pa]'.

    Example: underpaint sign wall.png --certificate me.pem --key me.key
    """
    from underpaint.testing.reference.files import replacing
    from underpaint.testing.reference.pictures import read_told

    kind = FORMATS.get(file.suffix.lower())
    if kind is None:
        raise _wrong("file", f"{file.name}: only {', '.join(FORMATS)} can be signed.")
    if algorithm not in ALGORITHMS:
        raise _wrong("algorithm", f"{algorithm!r} is none of {', '.join(ALGORITHMS)}.")
    told = read_told(file)
    if not told.source_type:
        raise _wrong("file", f"{file} does not say that a model made it: there is nothing to vouch for.")
    c2pa = _library()
    target = output or file
    try:
        info = c2pa.C2paSignerInfo(
            algorithm.encode(), certificate.read_bytes(), key.read_bytes(), timestamps.encode() or None
        )
        signer = c2pa.Signer.from_info(info)
        with file.open("rb") as source, replacing(target) as made:
            c2pa.Builder(json.dumps(_manifest(told, kind))).sign(signer, kind, source, made)
    except c2pa.C2paError as problem:
        raise _wrong("certificate", f"{file} cannot be signed with this certificate: {problem}") from problem
    found = signature_of(target)
    if as_json:
        print_json({"output": str(target), "signature": found})
    else:
        print(f"{target}: signed by {found['by']}" if found else f"{target}: signed")


def signature_of(file: Path) -> dict[str, str]:
    """Who signed a file, and whether it is as it was then; {} for none, or without the library that tells.

    `state`: "Valid" (not changed since), "Trusted" (and the certificate is known here) or "Invalid".
    """
    try:
        import c2pa
    except ImportError:
        return {}
    try:
        with file.open("rb") as stream:
            reader = c2pa.Reader(FORMATS.get(file.suffix.lower(), ""), stream)
            told: dict[str, Any] = json.loads(reader.json())
    except c2pa.C2paError:
        return {}
    signed = told["manifests"][told["active_manifest"]].get("signature_info", {})
    names = [signed.get("common_name"), signed.get("issuer")]
    return {
        "by": ", ".join(str(name) for name in names if name),
        "state": str(told.get("validation_state", "")),
    }


def _manifest(told: Told, kind: str) -> dict[str, Any]:
    action = {"action": "c2pa.created", "digitalSourceType": SOURCE_TYPES + told.source_type}
    return {
        "claim_generator_info": [{"name": "underpaint", "version": underpaint.__version__}],
        "format": kind,
        "assertions": [{"label": "c2pa.actions", "data": {"actions": [action]}}],
    }


def _library() -> Any:
    try:
        import c2pa
    except ImportError as missing:
        raise Unusable(f"Signing needs a library that is not installed: {_INSTALL}.") from missing
    return c2pa


def _wrong(field: str, message: str) -> InvalidRequest:
    return InvalidRequest(message, violations=[Violation(field, message)])
