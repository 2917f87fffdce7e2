"""The event log's file: one SQLite database, plain calls, nothing of Trio.

Stands below `archive/log`, which decides on which thread these calls run and gathers appends into batches; and below
`archive/tail`, which keeps in such a database, for as long as it runs, what the topic says (`put`, `find`).
Source: https://www.sqlite.org/wal.html and pragma.html#pragma_synchronous: with a write-ahead log and
`synchronous=FULL` it is synced at every commit, so that what was committed outlives the process and the power.
Leaves out: the time (told by the caller) and retries (the author says it again, and has a key for it).
Read next: `archive/log.py`, which is what the rest of the house calls.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

Body = bytes | dict[str, Any]

VERSION = 1
MAXIMUM_NAME_LENGTH = 256  # characters of a room, a kind, a key
MAXIMUM_BODY_SIZE = 256 * 1024  # octets
MAXIMUM_READ = 1000  # entries in one answer
MAXIMUM_ENTRIES = 10_000_000  # in one room
MAXIMUM_SIZE_BYTES = 16 * 2**30

_SCHEMA = """
CREATE TABLE entry (
    room TEXT NOT NULL, sequence INTEGER NOT NULL, kind TEXT NOT NULL, key TEXT NOT NULL,
    body BLOB NOT NULL, is_json INTEGER NOT NULL, at REAL NOT NULL,
    PRIMARY KEY (room, sequence), UNIQUE (room, kind, key)
) WITHOUT ROWID;
"""
_ADDITIONS = (  # to what older files have
    "CREATE INDEX IF NOT EXISTS entry_kind ON entry (room, kind, sequence)",
    "CREATE TABLE IF NOT EXISTS position"
    " (share TEXT NOT NULL, room TEXT NOT NULL, sequence INTEGER NOT NULL, PRIMARY KEY (share, room)) WITHOUT ROWID",
)
# Leaps from room to room along the primary key: an ordinary DISTINCT would read all entries.
_ROOMS = """
WITH RECURSIVE each(room) AS (
    SELECT min(room) FROM entry UNION ALL
    SELECT (SELECT min(room) FROM entry WHERE room > each.room) FROM each WHERE each.room IS NOT NULL
) SELECT room, (SELECT max(sequence) FROM entry WHERE entry.room = each.room) FROM each WHERE room IS NOT NULL
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
    """One event of a room. `at` is the wall clock, seconds since 1970.

    `sequence` is above 0 and grows from entry to entry: in SQLite by one, in Kafka with gaps, for there rooms
    share partitions.
    """

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
    if isinstance(body, bytes):  # spec: log/body-as-given
        return body, False
    try:
        return msgspec.json.encode(body), True
    except (TypeError, msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise ValueError(f"not a JSON object: {error}") from None


class Store:
    """An open database. Calls must not overlap; they may come from different threads.

    With `is_kept` false it is SQLite's temporary one: in memory while it is small, gone at the end, synced never.
    """

    def __init__(
        self, path: str | PathLike[str], *, maximum_size_bytes: int, busy_for: float, is_kept: bool = True
    ) -> None:
        self._groups: set[str] = set()
        if is_kept and str(path) != ":memory:":
            try:
                Path(path).absolute().parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise LogUnavailable(f"the folder of {path} cannot be made: {error.strerror}") from error
        with _explained():
            self._connection = sqlite3.connect(
                path if is_kept else "", timeout=busy_for, isolation_level=None, check_same_thread=False
            )
        try:
            self._prepare(maximum_size_bytes, is_kept)
        except BaseException:
            self._connection.close()
            raise

    def _prepare(self, maximum_size_bytes: int, is_kept: bool) -> None:
        with _explained():
            mode = self._value("PRAGMA journal_mode=WAL")
            if is_kept and mode not in ("wal", "memory"):
                raise LogUnavailable(f"the file system has no write-ahead log (SQLite offers {mode!r})")
            self._connection.execute(f"PRAGMA synchronous={'FULL' if is_kept else 'OFF'}")
            page_size = int(self._value("PRAGMA page_size"))
            self._connection.execute(f"PRAGMA max_page_count={max(1, maximum_size_bytes // page_size)}")
            with self._transaction():
                version = self._value("PRAGMA user_version")
                if version > VERSION:
                    raise LogUnavailable(f"the log file was written by a newer meetref (format {version})")
                if version == 0:
                    self._connection.execute(_SCHEMA)
                    self._connection.execute(f"PRAGMA user_version={VERSION}")
                for addition in _ADDITIONS:
                    self._connection.execute(addition)

    def append(self, batch: Sequence[Wanted]) -> list[Entry | LogUnavailable]:
        """Store all of `batch` in one transaction and return what is stored, in the same order.

        Raises `LogUnavailable` when none of it was stored; an entry that its room has no place for is answered by one.
        """
        with _explained(), self._transaction():
            return [self._append_one(wanted) for wanted in batch]

    def read(self, room: str, after: int, limit: int, kind: str | None = None) -> list[Entry]:
        """At most `limit` (and never over a thousand) entries of `room` after sequence number `after`, in order.

        With `kind` only those of one.
        """
        # spec: log/read-after, log/order
        which, wanted = "WHERE room=? AND sequence>?", [room, _clamp(after)]
        if kind is not None:  # SQLite would go along the primary key here too, past all that is between
            which, wanted = f"INDEXED BY entry_kind {which} AND kind=?", [*wanted, kind]
        query = f"SELECT {_COLUMNS} FROM entry {which} ORDER BY sequence LIMIT ?"
        with _explained():
            # spec: log/read-bounded
            rows = self._connection.execute(query, (*wanted, max(0, min(limit, MAXIMUM_READ))))
            return [_entry(row) for row in rows]

    def last(self, room: str, kind: str | None = None) -> int:
        """The highest sequence number of `room`, or of what is of one kind in it, or 0."""
        which, wanted = ("room=?", [room]) if kind is None else ("room=? AND kind=?", [room, kind])
        with _explained():
            return int(self._value(f"SELECT coalesce(max(sequence), 0) FROM entry WHERE {which}", *wanted))

    def put(self, numbered: Iterable[tuple[int, Wanted]]) -> None:
        """Store entries that were numbered elsewhere; what is there under (room, kind, key) stays as it is."""
        query = f"INSERT OR IGNORE INTO entry ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)"
        with _explained(), self._transaction():
            self._connection.executemany(query, ((sequence, *wanted) for sequence, wanted in numbered))

    def find(self, room: str, kind: str, key: str) -> Entry | None:
        """What is stored under (room, kind, key)."""
        query = f"SELECT {_COLUMNS} FROM entry WHERE room=? AND kind=? AND key=?"
        with _explained():
            stored = self._connection.execute(query, (room, kind, key)).fetchone()
            return None if stored is None else _entry(stored)

    def enter(self, group: str) -> dict[str, int]:
        """Become the one member of a group; gives what it has committed, in each room. Raises `LogUnavailable`."""
        if group in self._groups:  # spec: log/shared-once
            raise LogUnavailable(f"{group} is at work already; several share work only where the log is in Kafka")
        with _explained():
            positions = dict(self._connection.execute("SELECT room, sequence FROM position WHERE share=?", (group,)))
        self._groups.add(group)
        return positions

    def beyond(self, positions: Mapping[str, int], limit: int) -> list[Entry]:
        """At most `limit` entries of all rooms after these positions, in the order of each room."""
        with _explained():
            rooms = self._connection.execute(_ROOMS).fetchall()
        entries: list[Entry] = []
        for room, last in rooms:
            if positions.get(room, 0) < last and len(entries) < limit:
                entries += self.read(room, positions.get(room, 0), limit - len(entries))
        return entries

    def commit(self, group: str, positions: Mapping[str, int]) -> None:
        """A group is done with what is up to these positions."""
        with _explained(), self._transaction():
            self._connection.executemany(
                "INSERT OR REPLACE INTO position (share, room, sequence) VALUES (?, ?, ?)",
                [(group, room, sequence) for room, sequence in positions.items()],
            )

    def leave(self, group: str) -> None:
        """Its member is no more."""
        self._groups.discard(group)

    def close(self) -> None:
        """Close the file. What was acknowledged is already safe, so an error here changes nothing."""
        with suppress(sqlite3.Error):
            self._connection.close()

    def _append_one(self, wanted: Wanted) -> Entry | LogUnavailable:
        stored = self.find(*wanted[:3])
        if stored is not None:
            return stored  # spec: log/stored-once
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
