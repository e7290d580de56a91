"""The main-thread rule: host programs are not safe to call from anywhere else."""

from __future__ import annotations

import threading
import time

from underpaint.testing.conformance.check import Failed, check, expect
from underpaint.testing.conformance.patterns import hard_mask
from underpaint.testing.conformance.stage import WIDE, Stage
from underpaint.types import Bounds

_POSTS = 40
_PATIENCE_S = 20.0


@check(
    "run-on-main",
    "run_on_main may be called from any thread, returns at once, and runs functions on the main thread, in "
    "order.",
    advice="Use the host's own queue (a queued Qt signal, GLib.idle_add) or a MainThreadQueue that a timer "
    "pumps. Never run the function at once, and never wait for it.",
)
def run_on_main(stage: Stage) -> None:
    """From two threads while the main one is busy, then from the main one."""
    main = threading.current_thread()
    ran: list[tuple[str, int, threading.Thread]] = []

    def post(name: str) -> None:
        for number in range(_POSTS):
            stage.adapter.run_on_main(lambda n=number: ran.append((name, n, threading.current_thread())))  # type: ignore[misc]

    names = ("first", "second")
    threads = [
        threading.Thread(target=post, args=(name,), name=f"conformance-{name}", daemon=True) for name in names
    ]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + _PATIENCE_S
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    waiting = any(thread.is_alive() for thread in threads)
    early = [thread.name for _, _, thread in list(ran) if thread is not main]
    # They may wait for the main thread: turn it, or they would stay for ever.
    stage.until(lambda: len(ran) == 2 * _POSTS, f"{2 * _POSTS} functions given to run_on_main")
    strays = {thread.name for _, _, thread in ran if thread is not main}
    if early or strays:
        raise Failed(f"a function ran on the thread {sorted({*early, *strays})[0]!r}, not on the main one")
    expect(not waiting, "run_on_main waited for the main thread: it must return at once")
    for name in names:
        order = [number for posted, number, _ in ran if posted == name]
        expect(order == sorted(order), f"functions ran out of order: {order[:8]}…")
    late: list[str] = []
    stage.adapter.run_on_main(lambda: late.append("ran"))
    expect(not late, "called on the main thread, run_on_main ran the function at once: it must queue it")
    stage.until(lambda: late, "a function given to run_on_main on the main thread")


@check(
    "main-thread-rule",
    "While a job runs, the adapter is used on the main thread only, by itself too.",
    advice="Never call the host, or your own contract methods, from a thread of your own: give a function to "
    "run_on_main.",
    rests_on=("run-on-main",),
)
def main_thread_rule(stage: Stage) -> None:
    """A job with progress and previews, watched from beginning to end."""
    document = stage.open_painted(canvas=WIDE)
    stage.select(document, hard_mask(Bounds(60, 50, 20, 16)))
    stage.link.script(steps=4, step_seconds=0.02)
    task = stage.work(stage.session())
    stage.until(lambda: task.done, "the end of the task")
    stage.idle(0.2)
    if strays := stage.watch.strays:
        call = strays[0]
        raise Failed(f"{call.name} was called on the thread {call.thread!r}, off the main thread")
    stage.end(task)
