"""What a blocking client runs on."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Coroutine
from typing import Any

from underpaint.client.aio import AsyncClient
from underpaint.client.thread import LoopThread
from underpaint.errors import Unavailable


class Core:
    """Thread, loop and client of one process; knows nothing of the `Client`, so that can be garbage."""

    def __init__(self, make: Callable[[], Coroutine[Any, Any, AsyncClient]]) -> None:
        self.pid = os.getpid()
        self.thread = LoopThread()
        try:
            self.client = self.thread.run(make())
        except BaseException:
            self.thread.stop()
            raise

    def close(self) -> None:
        """Ends client, loop and thread. Any thread, any process, any time."""
        # In a forked child there is no such thread, and the sockets are its parent's.
        if self.pid != os.getpid():
            return
        if self.thread.is_current:
            # The garbage collector may run anywhere, on the loop's own thread too: that must not wait.
            threading.Thread(target=self.close, daemon=True).start()
            return
        try:
            self.thread.run(self.client.close())
        except Unavailable:
            pass
        finally:
            self.thread.stop()
