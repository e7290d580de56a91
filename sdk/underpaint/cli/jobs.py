"""jobs list, watch, cancel."""

from __future__ import annotations

from typing import Annotated, Any

import typer

import underpaint
from underpaint.cli.console import (
    JsonOption,
    guarded,
    print_json,
    print_table,
    progress_bar,
)
from underpaint.host import describe
from underpaint.types import JobUpdate

app = typer.Typer(help="Jobs in the daemon, whichever host asked for them.", no_args_is_help=True)
Name = Annotated[
    str, typer.Argument(help="jobs/… from 'underpaint jobs list'; the first letters are enough.")
]


def _value(job: JobUpdate) -> dict[str, Any]:
    return {
        "name": job.name,
        "state": job.state.value,
        "stage": job.stage.value if job.stage else None,
        "fraction": job.progress.fraction,
        "title": job.origin.title,
        "client": job.origin.client_id,
        "document": job.origin.document_id,
        "error": {"reason": job.error.reason, "message": job.error.message} if job.error else None,
        "notes": list(job.notes),
        "request": dict(job.resolved),
        "created": job.created.isoformat() if job.created else None,
    }


def _find(client: underpaint.Client, name: str) -> str:
    name = name if name.startswith("jobs/") else f"jobs/{name}"
    fitting = [job.name for job in client.jobs() if job.name.startswith(name)]
    return fitting[0] if len(fitting) == 1 else name


@app.command("list")
@guarded
def list_jobs(as_json: JsonOption = False) -> None:
    """Jobs, newest first: what runs, what waits, and results that no host has fetched yet."""
    with underpaint.connect(start=False) as client:
        jobs = client.jobs()
    if as_json:
        print_json([_value(job) for job in jobs])
        return
    rows = [
        (job.name, describe(job), f"{job.progress.fraction:.0%}", job.origin.client_id, job.origin.title)
        for job in jobs
    ]
    print_table(("job", "state", "done", "from", "title"), rows, empty="No jobs.")


@app.command()
@guarded
def watch(name: Name, as_json: JsonOption = False) -> None:
    """Follow a job to its end. Ending the watching does not end the job."""
    with underpaint.connect(start=False) as client, progress_bar(quiet=as_json) as show:
        final = client.job(_find(client, name)).wait(on_update=show)
    if as_json:
        print_json(_value(final))
    else:
        print(f"{final.name} {final.state.value}")


@app.command()
@guarded
def cancel(name: Name, as_json: JsonOption = False) -> None:
    """Stop a job within one denoising step."""
    with underpaint.connect(start=False) as client:
        job = client.job(_find(client, name)).cancel()
    if as_json:
        print_json(_value(job))
    else:
        print(f"{job.name} {job.state.value}")
