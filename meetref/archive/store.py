"""The event log's file: one SQLite database, plain calls, nothing of Trio.

Stands below `archive/log`, which decides on which thread these calls run and gathers appends into batches.
Source: https://www.sqlite.org/wal.html and pragma.html#pragma_synchronous: with a write-ahead log and
`synchronous=FULL` it is synced at every commit, so that what was committed outlives the process and the power.
Leaves out: the time (told by the caller) and retries (the author says it again, and has a key for it).
Read next: `archive/log.py`, which is what the rest of the house calls.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

Body = bytes | dict[str, Any]

VERSION = 1
MAXIMUM_READ = 1000  # entries in one answer
MAXIMUM_ENTRIES = 1_000_000  # in one room
MAXIMUM_SIZE_BYTES = 16 * 2**30

_SCHEMA = """
CREATE TABLE entry (
    room TEXT NOT NULL, sequence INTEGER NOT NULL, kind TEXT NOT NULL, key TEXT NOT NULL,
    body BLOB NOT NULL, is_json INTEGER NOT NULL, at REAL NOT NULL,
    PRIMARY KEY (room, sequence), UNIQUE (room, kind, key)
) WITHOUT ROWID;
"""
_COLUMNS = "sequence, room, kind, key, body, is_json, at"
_SENTENCES = {
    "SQLITE_FULL": "the disk, or what the log may use of it, is full",
    "SQLITE_BUSY": "another program holds the log",
    "SQLITE_LOCKED": "another program holds the log",
    "SQLITE_CORRUPT": "the log file is damaged",
    "SQLITE_NOTADB": "the file is not an event log, or it is damaged",
    "SQLITE_READONLY": "the log file cannot be written",
    "SQLITE_CANTOPEN": "the log file cannot be opened",
    "SQLITE_IOERR": "the disk reports an error",
}


class LogUnavailable(Exception):
    """The log cannot do it now, and nothing was acknowledged. The text is a sentence for people."""


@dataclass(slots=True, frozen=True)
class Entry:
    """One event of a room. `sequence` counts from 1 without gaps; `at` is the wall clock, seconds since 1970."""

    sequence: int
    room: str
    kind: str
    key: str
    body: Body
    at: float


class Wanted(NamedTuple):
    """An entry that has no sequence number yet; `body` is encoded."""

    room: str
    kind: str
    key: str
    body: bytes
    is_json: bool
    at: float


def encode_body(body: Body) -> tuple[bytes, bool]:
    """The octets to store, and whether they are JSON. Raises `ValueError` for what JSON cannot say."""
    if isinstance(body, bytes):
        return body, False
    try:
        return msgspec.json.encode(body), True
    except (TypeError, msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise ValueError(f"not a JSON object: {error}") from None


class Store:
    """An open database. Calls must not overlap; they may come from different threads."""

    def __init__(self, path: str | PathLike[str], *, maximum_size_bytes: int, busy_for: float) -> None:
        if str(path) != ":memory:":
            try:
                Path(path).absolute().parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise LogUnavailable(f"the folder of {path} cannot be made: {error.strerror}") from error
        with _explained():
            self._connection = sqlite3.connect(path, timeout=busy_for, isolation_level=None, check_same_thread=False)
        try:
            self._prepare(maximum_size_bytes)
        except BaseException:
            self._connection.close()
            raise

    def _prepare(self, maximum_size_bytes: int) -> None:
        with _explained():
            mode = self._value("PRAGMA journal_mode=WAL")
            if mode not in ("wal", "memory"):
                raise LogUnavailable(f"the file system has no write-ahead log (SQLite offers {mode!r})")
            self._connection.execute("PRAGMA synchronous=FULL")
            page_size = int(self._value("PRAGMA page_size"))
            self._connection.execute(f"PRAGMA max_page_count={max(1, maximum_size_bytes // page_size)}")
            with self._transaction():
                version = self._value("PRAGMA user_version")
                if version > VERSION:
                    raise LogUnavailable(f"the log file was written by a newer meetref (format {version})")
                if version == 0:
                    self._connection.execute(_SCHEMA)
                    self._connection.execute(f"PRAGMA user_version={VERSION}")

    def append(self, batch: Sequence[Wanted]) -> list[Entry | LogUnavailable]:
        """Store all of `batch` in one transaction and return what is stored, in the same order.

        Raises `LogUnavailable` when none of it was stored; an entry that its room has no place for is answered by one.
        """
        with _explained(), self._transaction():
            return [self._append_one(wanted) for wanted in batch]

    def read(self, room: str, after: int, limit: int) -> list[Entry]:
        """At most `limit` (and never over a thousand) entries of `room` after sequence number `after`, in order."""
        query = f"SELECT {_COLUMNS} FROM entry WHERE room=? AND sequence>? ORDER BY sequence LIMIT ?"
        with _explained():
            rows = self._connection.execute(query, (room, _clamp(after), max(0, min(limit, MAXIMUM_READ))))
            return [_entry(row) for row in rows]

    def last(self, room: str) -> int:
        """The highest sequence number of `room`, or 0."""
        with _explained():
            return int(self._value("SELECT coalesce(max(sequence), 0) FROM entry WHERE room=?", room))

    def close(self) -> None:
        """Close the file. What was acknowledged is already safe, so an error here changes nothing."""
        with suppress(sqlite3.Error):
            self._connection.close()

    def _append_one(self, wanted: Wanted) -> Entry | LogUnavailable:
        stored = self._connection.execute(
            f"SELECT {_COLUMNS} FROM entry WHERE room=? AND kind=? AND key=?", wanted[:3]
        ).fetchone()
        if stored is not None:
            return _entry(stored)
        sequence = self._value("SELECT coalesce(max(sequence), 0) + 1 FROM entry WHERE room=?", wanted.room)
        if sequence > MAXIMUM_ENTRIES:
            return LogUnavailable(f"the room's log is full: it has {MAXIMUM_ENTRIES} entries")
        self._connection.execute(f"INSERT INTO entry ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)", (sequence, *wanted))
        return _entry((sequence, *wanted))

    def _value(self, query: str, *arguments: object) -> Any:
        return self._connection.execute(query, arguments).fetchone()[0]

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            # SQLite has already rolled back after some errors (a full disk is one), and then says so.
            with suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
            raise


def _entry(row: tuple[int, str, str, str, bytes, int, float]) -> Entry:
    sequence, room, kind, key, body, is_json, at = row
    return Entry(sequence, room, kind, key, msgspec.json.decode(body) if is_json else body, at)


def _clamp(number: int) -> int:
    return max(0, min(number, 2**63 - 1))


@contextmanager
def _explained() -> Iterator[None]:
    """Turns SQLite's errors into sentences."""
    try:
        yield
    except (sqlite3.Error, msgspec.DecodeError) as error:
        name = getattr(error, "sqlite_errorname", "SQLITE_CORRUPT")
        known = next((text for code, text in _SENTENCES.items() if name.startswith(code)), "the log cannot be used")
        raise LogUnavailable(f"{known} ({error})") from error
