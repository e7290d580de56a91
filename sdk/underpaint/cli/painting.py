"""From options to a written picture: what the painting commands do alike."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from underpaint.cli.connection import connect_or_start
from underpaint.cli.console import errors, print_json, progress_bar
from underpaint.cli.controls import attached
from underpaint.cli.loras import loras
from underpaint.cli.schedulers import scheduler_parameters
from underpaint.errors import InvalidRequest, Violation
from underpaint.host import Notice, Session, Settings, Task
from underpaint.types import Tiling

if TYPE_CHECKING:
    from underpaint.testing.reference import ReferenceHost


def settings_of(
    model: str,
    seed: int | None,
    steps: int | None,
    guidance: float | None,
    scheduler: str,
    negative: str,
    tiling: Tiling,
    strength: float | None,
    post: list[str] | None,
    control: list[str] | None,
    lora: list[str] | None = None,
    preset: str = "",
    scheduler_option: list[str] | None = None,
) -> Settings:
    """What the options say, as the verbs take it."""
    # A relative folder means something here and nothing in the daemon.
    if model and Path(model).is_dir():
        model = str(Path(model).resolve())
    return Settings(
        model=model,
        negative_prompt=negative,
        seed=seed,
        steps=steps,
        guidance_scale=guidance,
        scheduler=scheduler,
        strength=strength,
        tiling=tiling,
        postprocess=tuple(post or ()),
        controls=attached(control),
        loras=loras(lora),
        preset=preset,
        scheduler_parameters=scheduler_parameters(scheduler_option),
    )


def parse_size(size: str) -> tuple[int | None, int | None]:
    """ "512x768" as width and height; "" as None. Raises `InvalidRequest`."""
    if not size:
        return None, None
    width, cross, height = size.lower().partition("x")
    if not (cross and width.isdecimal() and height.isdecimal()):
        message = f"--size takes WIDTHxHEIGHT in pixels, for example 512x768, not {size!r}."
        raise InvalidRequest(message, violations=[Violation("size", message)])
    return int(width), int(height)


def paint(
    host: ReferenceHost,
    output: Path,
    as_json: bool,
    verb: Callable[[Session], Task],
    *,
    private: bool = False,
) -> None:
    """Runs one verb on this, the main thread, and writes the document; Ctrl-C cancels the job, too."""
    from underpaint.cli.documents import check_writable
    from underpaint.testing.reference import write_document

    check_writable(output)
    session = Session(host, connect_or_start)
    session.keep_words = not private
    try:
        with progress_bar(quiet=as_json) as host.on_progress:
            task = verb(session)
            try:
                host.queue.pump_until(lambda: task.done)
            except KeyboardInterrupt:
                task.cancel()
                host.queue.pump_until(lambda: task.done, timeout=30)
    finally:
        session.close()
    if task.error is not None:
        raise task.error
    # Its own document, or the one that a texture has opened.
    note = write_document(host.active_document, output)
    if note:
        host.notices.append(Notice(note))
    _tell(task, host, output, as_json)


def _tell(task: Task, host: ReferenceHost, output: Path, as_json: bool) -> None:
    notes = [*host.active_document.notes, *(notice.text for notice in host.notices)]
    update = task.update
    if as_json:
        value: dict[str, Any] = {"output": str(output), "notes": notes}
        if update is not None:
            value |= {"job": update.name, "request": update.resolved, "model_sha256": update.model_sha256}
            value |= {"engine": update.engine_version}
        print_json(value)
        return
    for note in notes:
        errors.print(note, markup=False)
    seed = update.resolved.get("seed", "?") if update is not None else "?"
    print(f"{output} (seed {seed})")
