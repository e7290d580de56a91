"""What a picture file says of how it was made, and making it again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from underpaint.cli.connection import connect_or_start
from underpaint.cli.console import JsonOption, errors, print_json, progress_bar
from underpaint.cli.sign import signature_of
from underpaint.errors import InvalidRequest, Violation
from underpaint.types import JobUpdate, Provenance

if TYPE_CHECKING:
    from underpaint.testing.reference.metadata import Told


def inspect(
    file: Annotated[
        Path, typer.Argument(help="A picture file, .ora among them.", exists=True, dir_okay=False)
    ],
    again: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Make the last picture once more, and write it there.", dir_okay=False
        ),
    ] = None,
    image: Annotated[
        Path | None,
        typer.Option(help="With --again: the picture that it started from.", exists=True, dir_okay=False),
    ] = None,
    mask: Annotated[
        Path | None,
        typer.Option(help="With --again: white where it was painted.", exists=True, dir_okay=False),
    ] = None,
    region_mask: Annotated[
        list[Path] | None,
        typer.Option(
            help="With --again: where a region was, scaled over the picture. One for each, the lowest first.",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    model: Annotated[
        str, typer.Option("--model", "-m", help="With --again: use this model instead of the one named.")
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Tell how a picture was made, from what its file says.

    Reads what underpaint wrote, and the 'parameters' text of A1111 and others.

    Example: underpaint inspect wall.png

    The same picture once more: underpaint inspect wall.png --again wall-2.png
    """
    from underpaint.testing.reference.pictures import read_told

    told, signature = read_told(file), signature_of(file)
    if again is not None:
        _again(told, again, image, mask, region_mask or [], model, as_json)
    elif as_json:
        print_json({**_json(told), "signature": signature or None})
    else:
        _print(told, file)
        if signature:
            print(f"signed by: {signature['by']} ({signature['state'].lower()})")


def _json(told: Told) -> dict[str, Any]:
    return {
        "source_type": told.source_type,
        "pictures": [
            {
                "request": record.request,
                "model_sha256": record.model_sha256,
                "engine": record.engine_version,
                "created": record.created,
            }
            for record in told.records
        ],
        "parameters": None
        if told.parameters is None
        else {
            "prompt": told.parameters.prompt,
            "negative_prompt": told.parameters.negative_prompt,
            "values": dict(told.parameters.values),
        },
    }


def _print(told: Told, file: Path) -> None:
    if told.records:
        for number, record in enumerate(told.records, 1):
            print(f"picture {number} of {len(told.records)}: {record.created or 'at an unknown time'}")
            for key, value in _lines(record.request):
                print(f"  {key}: {value}")
            for path, digest in sorted(record.model_sha256.items()):
                print(f"  sha256 of {path}: {digest}")
            print(f"  made with: {record.engine_version}")
    elif told.parameters is not None:
        print(f"prompt: {told.parameters.prompt}")
        print(f"negative prompt: {told.parameters.negative_prompt}")
        for key, value in told.parameters.values.items():
            print(f"{key}: {value}")
    else:
        print(f"{file} does not say how it was made.")
    if told.source_type:
        print(f"digital source type: {told.source_type}")


def _lines(request: Mapping[str, object], prefix: str = "") -> list[tuple[str, object]]:
    lines: list[tuple[str, object]] = []
    for key, value in request.items():
        if isinstance(value, Mapping):
            lines += _lines(value, f"{prefix}{key}.")
        elif value not in ("", [], {}, False, 0) or key == "seed":
            lines.append((f"{prefix}{key}", value))
    return lines


def _again(
    told: Told,
    output: Path,
    image: Path | None,
    mask: Path | None,
    regions: Sequence[Path],
    model: str,
    as_json: bool,
) -> None:
    from underpaint.cli.again import request_again, request_like
    from underpaint.cli.documents import check_writable, host_of
    from underpaint.host import Result, ResultKind
    from underpaint.provenance import provenance_of
    from underpaint.testing.reference import read_document, write_document

    check_writable(output)
    host = host_of(read_document(image) if image is not None else None)
    document = host.active_document if image is not None else None
    record = told.records[-1] if told.records else None
    if record is not None:
        request = request_again(record, document, mask, regions)
        request = replace(request, model=model or request.model)
    elif told.parameters is not None:
        request = request_like(told.parameters, model)
    else:
        message = "The file does not say how it was made: there is nothing to make again."
        raise InvalidRequest(message, violations=[Violation("file", message)])
    with connect_or_start() as client, progress_bar(quiet=as_json) as show:
        job = client.submit(request)
        try:
            final = job.wait(on_update=show)
        except KeyboardInterrupt:
            job.cancel()
            raise
        kind = ResultKind.TEXTURE if document is None else ResultKind.LAYER
        place = document.document_id if document is not None else ""
        host.write_result(Result(job.fetch()[0], kind, output.stem, place, provenance=provenance_of(final)))
        job.delete()
    note = write_document(host.active_document, output)
    notes = [*final.notes, *([note] if note else []), *_changed(record, final)]
    if as_json:
        print_json({"output": str(output), "request": final.resolved, "notes": notes})
        return
    for note in notes:
        errors.print(note, markup=False)
    print(f"{output} (seed {final.resolved.get('seed', '?')})")


def _changed(record: Provenance | None, final: JobUpdate) -> list[str]:
    """What is not as it was: then it will hardly be the same picture."""
    if record is None:
        return ["Made after another program's text, which says less than a request: it will differ."]
    notes = []
    if record.model_sha256 and dict(record.model_sha256) != dict(final.model_sha256):
        notes.append("The model's weights are not those of the first time: the picture will differ.")
    if record.engine_version and record.engine_version != final.engine_version:
        notes.append(f"Made with {final.engine_version}, the first time with {record.engine_version}.")
    return notes
