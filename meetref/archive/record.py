"""An entry of the event log as a Kafka record: the room is the key, the body the value, the rest stands in headers.

Stands below `archive/kafka`, which sends and receives records. Not in `wire/`: the octets of a record are the
library's, here are only the parts that it is made of.
Source: our own; https://kafka.apache.org/documentation/#messageformat has what Kafka gives a record.
Leaves out: the number, which is the record's offset.
Read next: `archive/kafka.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from meetref.archive.store import MAXIMUM_BODY_SIZE, MAXIMUM_NAME_LENGTH, Wanted

KIND, KEY, BODY_FORM = "kind", "key", "body"
FORMS = {b"json": True, b"octets": False}


class Record(NamedTuple):
    """What a record consists of. `at_ms` are milliseconds since 1970."""

    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]
    at_ms: int


def record_of(wanted: Wanted) -> Record:
    """The record that says it. Its time is told to the millisecond."""
    headers = [
        (KIND, wanted.kind.encode()),
        (KEY, wanted.key.encode()),
        (BODY_FORM, b"json" if wanted.is_json else b"octets"),
    ]
    return Record(wanted.room.encode(), wanted.body, headers, round(wanted.at * 1000))


def read_record(
    key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes | None]], at_ms: int
) -> Wanted | None:
    """The entry that a record says, or None for what no log of this kind wrote (anybody may write to a topic)."""
    found = dict(headers)
    form, body = found.get(BODY_FORM), value or b""
    names = (key, found.get(KIND), found.get(KEY))
    try:
        room, kind, name = ((each or b"").decode() for each in names)
        is_json = FORMS[form or b""]
        if is_json and not isinstance(msgspec.json.decode(body), dict):
            return None
    except (UnicodeDecodeError, KeyError, msgspec.DecodeError, RecursionError):
        return None
    if not all(0 < len(each) <= MAXIMUM_NAME_LENGTH for each in (room, kind, name)) or len(body) > MAXIMUM_BODY_SIZE:
        return None
    return Wanted(room, kind, name, body, is_json, at_ms / 1000)
