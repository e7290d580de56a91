"""What files were found to be, kept between scans and starts: an unchanged file is not read again."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Collection
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import structlog

from underpaint.weights import Probe, Prober

log = structlog.get_logger(__name__)

RULES = 4
"""Counts up when the rules learn something: what was found with older ones is then looked at again."""

_TABLE = """CREATE TABLE IF NOT EXISTS probes
    (path TEXT PRIMARY KEY, size INTEGER, mtime_ns INTEGER, inode INTEGER, found TEXT) WITHOUT ROWID"""
_Mark = tuple[int, int, int]


class ProbeCache:
    """Probes by path, size, modification time and inode, in one SQLite file. One thread at a time.

    A file that cannot be read or written costs only the time of looking again: it is a cache.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._known: dict[str, tuple[_Mark, Probe]] = {}
        self._new: set[str] = set()
        self._prober = Prober()
        self._loaded = file is None
        self.looked = 0
        """Files whose header was read."""

    def probe(self, path: Path, status: os.stat_result) -> Probe:
        """What a file is. Raises `OSError` where it cannot be read."""
        self._load()
        key = str(path)
        mark = (status.st_size, status.st_mtime_ns, status.st_ino)
        known = self._known.get(key)
        if known is not None and known[0] == mark:
            return known[1]
        self.looked += 1
        found = self._prober.probe(path)
        self._known[key] = (mark, found)
        self._new.add(key)
        return found

    def save(self, seen: Collection[str]) -> None:
        """Writes what is new, forgets files that a whole scan did not see."""
        gone = self._known.keys() - seen
        if self._file is None or not (gone or self._new):
            return
        rows = [
            (path, *self._known[path][0], json.dumps(asdict(self._known[path][1])))
            for path in self._new
            if path not in gone
        ]
        try:
            with sqlite3.connect(self._file) as connection:
                connection.executemany("INSERT OR REPLACE INTO probes VALUES (?, ?, ?, ?, ?)", rows)
                connection.executemany("DELETE FROM probes WHERE path = ?", [(path,) for path in gone])
            connection.close()
        except sqlite3.Error as error:
            log.warning("what models are cannot be kept", file=str(self._file), error=str(error))
        self._new.clear()
        for path in gone:
            del self._known[path]

    def _load(self) -> None:
        if self._loaded or self._file is None:
            return
        self._loaded = True
        try:
            self._read(self._file)
        except sqlite3.DatabaseError as error:
            log.warning(
                "what models were is unreadable; looking again", file=str(self._file), error=str(error)
            )
            self._file.unlink(missing_ok=True)
            self._read(self._file)

    def _read(self, file: Path) -> None:
        with sqlite3.connect(file) as connection:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version != RULES:
                connection.execute("DROP TABLE IF EXISTS probes")
                connection.execute(f"PRAGMA user_version = {RULES}")
            connection.execute(_TABLE)
            for path, size, mtime_ns, inode, found in connection.execute("SELECT * FROM probes"):
                probe = _probe(found)
                if probe is not None:
                    self._known[path] = ((size, mtime_ns, inode), probe)
        connection.close()


def _probe(text: str) -> Probe | None:
    """A kept probe; None for one that another version wrote."""
    try:
        values: dict[str, Any] = json.loads(text)
        known = {field.name for field in fields(Probe)}
        if set(values) != known:
            return None
        return Probe(**{**values, "parts": tuple(values["parts"])})
    except (ValueError, TypeError):
        return None
