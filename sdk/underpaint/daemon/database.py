"""One SQLite file, used from one thread of its own: writes never hold up the event loop."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import structlog

from underpaint.errors import Unusable

log = structlog.get_logger(__name__)
Result = TypeVar("Result")


class Database:
    """Runs functions on a connection, one after another, each in a transaction of its own.

    `migrations[n]` brings a file from user_version n to n + 1. A damaged file is set aside, never deleted.
    """

    def __init__(self, path: Path, migrations: Sequence[str]) -> None:
        self._path = path
        self._migrations = migrations
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="journal")
        self._connection: sqlite3.Connection | None = None

    async def open(self) -> None:
        """Opens and migrates; raises Unusable for the file of a newer version."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._open)

    async def call(self, function: Callable[[sqlite3.Connection], Result]) -> Result:
        """Runs `function(connection)` in the database's thread; what it wrote is committed on return."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._transact, function)

    async def close(self) -> None:
        """Waits for what was asked before and closes."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        self._thread.shutdown()

    def _open(self) -> None:
        try:
            self._connection = self._connect()
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise Unusable(f"The journal {self._path} cannot be opened: {error}.") from error
            aside = self._path.with_name(f"{self._path.stem}.damaged-{int(time.time())}{self._path.suffix}")
            log.error("journal is damaged; set aside, a new one begins", kept_as=str(aside), error=str(error))
            self._path.replace(aside)
            for suffix in ("-wal", "-shm"):
                self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
            self._connection = self._connect()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=True)
        try:
            self._path.chmod(0o600)
            version = self._version(connection)
            connection.execute("PRAGMA journal_mode = WAL")
            # Survives a crash of the daemon whole; a power cut may take the last moments, never the order.
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA foreign_keys = ON")
            self._migrate(connection, version)
        except BaseException:
            connection.close()
            raise
        return connection

    def _version(self, connection: sqlite3.Connection) -> int:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version > len(self._migrations):
            raise Unusable(
                f"The journal {self._path} was written by a newer underpaint (format {version}, this one "
                f"knows {len(self._migrations)}): update underpaint, or move that file away."
            )
        return int(version)

    def _migrate(self, connection: sqlite3.Connection, version: int) -> None:
        for number in range(version, len(self._migrations)):
            connection.executescript(
                f"BEGIN IMMEDIATE; {self._migrations[number]}; PRAGMA user_version = {number + 1}; COMMIT;"
            )

    def _transact(self, function: Callable[[sqlite3.Connection], Result]) -> Result:
        connection = self._connection
        if connection is None:
            raise Unusable("the journal is closed")
        connection.execute("BEGIN IMMEDIATE")
        try:
            result = function(connection)
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")
        return result

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
