"""A private event loop on a thread of its own."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Coroutine
from typing import Any, Final, Generic, TypeVar

from underpaint.errors import Unavailable

Result = TypeVar("Result")
Item = TypeVar("Item")

_JOIN: Final = 5.0


class LoopThread:
    """Runs coroutines for any number of other threads. The thread is a daemon: it never holds up an exit."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        # Nothing may be handed to a loop that has turned for the last time: it would be waited for for ever.
        self._handing_over = threading.RLock()
        self._ended = False
        # Our own, because asyncio's way to end its default one starts a thread, too late at an exit.
        pool = concurrent.futures.ThreadPoolExecutor(2, thread_name_prefix="underpaint-pixels")
        self._loop.set_default_executor(pool)
        self._thread = threading.Thread(target=self._serve, args=(pool,), name="underpaint", daemon=True)
        self._thread.start()

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop, for what may be called from other threads."""
        return self._loop

    @property
    def is_current(self) -> bool:
        """Whether the caller is on the loop's own thread."""
        return self._thread is threading.current_thread()

    def run(self, action: Coroutine[Any, Any, Result]) -> Result:
        """Runs a coroutine on the loop and waits for it. Not from the loop's own thread."""
        future = self.submit(action)
        try:
            return future.result()
        except concurrent.futures.CancelledError:
            raise Unavailable("This client was closed while the call was under way.") from None
        except BaseException:
            # Ctrl-C in the waiting thread: what it waited for is not wanted any more.
            future.cancel()
            raise

    def submit(self, action: Coroutine[Any, Any, Result]) -> concurrent.futures.Future[Result]:
        """Hands a coroutine to the loop; its future always ends. Raises `Unavailable` after `stop`."""
        with self._handing_over:
            if not self._ended:
                return asyncio.run_coroutine_threadsafe(action, self._loop)
        action.close()
        raise Unavailable("This client was closed: connect again.")

    def stop(self) -> None:
        """Cancels what runs, ends loop and thread. Idempotent, also while the interpreter goes down."""
        with self._handing_over:
            # Once only: a second one would interrupt the clearing up after the first.
            again, self._ended = self._ended, True
        if not again:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._loop.stop)
        if not self.is_current:
            self._thread.join(_JOIN)

    def _serve(self, pool: concurrent.futures.ThreadPoolExecutor) -> None:
        loop = self._loop
        asyncio.set_event_loop(loop)
        try:
            loop.run_forever()
            # What was handed over last becomes a task here, takes its first step (a task that never did
            # tells nobody of its end) and is cancelled with the others.
            loop.run_until_complete(asyncio.sleep(0))
            tasks = asyncio.all_tasks(loop)
            for task in tasks:
                task.cancel()
            loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
            loop.run_until_complete(loop.shutdown_asyncgens())
        finally:
            pool.shutdown(wait=True)
            asyncio.set_event_loop(None)
            loop.close()


class Late(TimeoutError):
    """The deadline of `Mailbox.get` has passed."""


class Mailbox(Generic[Item]):
    """What an asynchronous iterator on the loop yields, for one waiting thread elsewhere.

    Never makes the loop wait. An item of the type `droppable` that nobody took gives way to the next of them.
    """

    def __init__(self, thread: LoopThread, source: AsyncIterator[Item], droppable: type[Any]) -> None:
        self._items: deque[Item] = deque()
        self._changed = threading.Condition()
        self._done = False
        self._error: BaseException | None = None
        self._droppable = droppable
        self._future = thread.submit(self._pump(source))

    def get(self, deadline: float | None) -> Item | None:
        """The next item; None at the end. Raises what the iterator raised, `Late` at `deadline`.

        deadline: on the clock of `time.monotonic`.
        """
        with self._changed:
            while not self._items and not self._done:
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    raise Late
                self._changed.wait(left)
            if self._items:
                return self._items.popleft()
        if self._error is not None:
            raise self._error
        return None

    def close(self) -> None:
        """Ends the iterator."""
        self._future.cancel()

    async def _pump(self, source: AsyncIterator[Item]) -> None:
        error: BaseException | None = Unavailable("This client was closed while it watched a job.")
        try:
            async for item in source:
                self._put(item)
            error = None
        except Exception as problem:  # noqa: BLE001 - handed to the thread that waits
            error = problem
        finally:
            with self._changed:
                self._error, self._done = error, True
                self._changed.notify_all()

    def _put(self, item: Item) -> None:
        with self._changed:
            if isinstance(item, self._droppable):
                self._items = deque(old for old in self._items if not isinstance(old, self._droppable))
            self._items.append(item)
            self._changed.notify_all()
