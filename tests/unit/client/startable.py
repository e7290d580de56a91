"""A program that a client can start as its daemon: a fake one, with the real one's lock."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import signal
import sys
from pathlib import Path

from underpaint.testing.fake_daemon import FakeDaemon
from underpaint.wire.paths import private_dir, runtime_dir


async def serve() -> None:
    folder = private_dir(runtime_dir())
    with (folder / "daemon.lock").open("a+") as lock:
        try:
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            print("another daemon holds the lock")
            sys.exit(3)
        born = {"pid": os.getpid(), "session": os.getsid(0), "parent": os.getppid(), **os.environ}
        with (folder / "births").open("a") as births:
            births.write(json.dumps(born) + "\n")
        await asyncio.sleep(float(os.environ.get("UNDERPAINT_TEST_SLOW", "0")))
        ended = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
        print("serving", flush=True)
        async with FakeDaemon(Path(folder)):
            await asyncio.wait_for(ended.wait(), 600)


if __name__ == "__main__":
    asyncio.run(serve())
