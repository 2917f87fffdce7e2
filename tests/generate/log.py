"""Makes vectors/log: what is said to an event log, and what is read from it.

Nothing here runs a log: numbers are names, which a replay binds to whatever the log gives.
Read next: tests/vectors/test_log.py, which plays them against both homes.
"""

from __future__ import annotations

from typing import Any

Case = dict[str, Any]
Step = dict[str, Any]
Row = tuple[str, str, list[Step]]

AGAIN: Step = {"at_ms": 0, "event": "opened-again"}


def sets() -> dict[str, Case]:
    """The sets by name."""
    tests = []
    for number, (comment, reqs, steps) in enumerate([*_appends(), *_reads(), *_refusals()], 1):
        case = {"id": f"log-sequences-{number:04d}", "comment": comment, "reqs": reqs.split()}
        tests.append({**case, "init": {}, "steps": steps})
    group = {"params": {"operation": "log"}, "provenance": "generated", "source": "meetref", "tests": tests}
    groups = [{**group, "verified_by": [], "provisional": True}]
    data = {"schema": "machine", "set": "log-sequences", "version": "1.0.0", "notes": {}, "groups": groups}
    return {"log/sequences": data}


def _say(
    number: str, key: str, body: object = None, *, room: str = "a", kind: str = "chat", was: object = None
) -> Step:
    """An append, and the number that it is given; `was` is the body that is stored where something was before."""
    said = {"json": {} if body is None else body} if not isinstance(body, bytes) else {"hex": body.hex()}
    stored = said if was is None else {"json": was}
    do = {"append": {"room": room, "kind": kind, "key": key, "body": said}}
    return {"at_ms": 0, "do": do, "expect": {"stored": {"number": number, "body": stored}}}


def _read(*entries: tuple[str, str], room: str = "a", after: str | None = None, limit: int = 1000) -> Step:
    told = [{"number": number, "key": key} for number, key in entries]
    return {"at_ms": 0, "do": {"read": {"room": room, "after": after, "limit": limit}}, "expect": {"entries": told}}


def _refused(reason: str, *, room: str = "a", kind: str = "chat", key: str = "k", octets: int = 0) -> Step:
    do = {"append": {"room": room, "kind": kind, "key": key, "body": {"zeros": octets}}}
    return {"at_ms": 0, "do": do, "expect": {"refused": reason}}


def _appends() -> list[Row]:
    return [
        (
            "a room has its own numbers, and they grow",
            "log/order log/read-own",
            [
                _say("1", "x"),
                _say("2", "y"),
                _say("other", "x", room="b"),
                _say("3", "z"),
                _read(("1", "x"), ("2", "y"), ("3", "z")),
                _read(("other", "x"), room="b"),
            ],
        ),
        (
            "what is said again is what was said first",
            "log/stored-once",
            [
                _say("1", "x", {"text": "one"}),
                _say("2", "y"),
                _say("1", "x", {"text": "two"}, was={"text": "one"}),
                _say("2", "y"),
                _read(("1", "x"), ("2", "y")),
            ],
        ),
        (
            "also when the log was closed and opened meanwhile",
            "log/stored-once log/safe-before-acknowledged",
            [
                _say("1", "x", {"text": "one"}),
                AGAIN,
                _say("1", "x", {"text": "two"}, was={"text": "one"}),
                _say("2", "y"),
                AGAIN,
                _read(("1", "x"), ("2", "y")),
            ],
        ),
        (
            "the same key in another room, or of another kind, is another entry",
            "log/stored-once",
            [
                _say("1", "x"),
                _say("2", "x", kind="recording"),
                _say("other", "x", room="b"),
                _read(("1", "x"), ("2", "x")),
                _read(("other", "x"), room="b"),
            ],
        ),
        (
            "a body comes back as it was, octets that look like JSON too",
            "log/body-as-given",
            [
                _say("1", "x", b""),
                _say("2", "y", b"{}"),
                _say("3", "z", b"\x00\xff"),
                _say("4", "w", {"text": "ä", "list": [1, None, 2.5, True]}),
                AGAIN,
                _say("3", "z", b"\x00\xff"),
            ],
        ),
    ]


def _reads() -> list[Row]:
    said = [_say(str(number), f"k{number}") for number in range(1, 6)]
    return [
        (
            "reading goes on after a number",
            "log/read-after log/order",
            [*said, _read(("4", "k4"), ("5", "k5"), after="3"), _read(after="5"), _read(room="nobody")],
        ),
        (
            "and gives no more than asked for",
            "log/read-after",
            [*said, _read(("1", "k1"), ("2", "k2"), limit=2), _read(("3", "k3"), after="2", limit=1), _read(limit=0)],
        ),
        (
            "what another room was told is not in it",
            "log/read-after log/order",
            [
                _say("1", "x"),
                _say("o1", "x", room="b"),
                _say("o2", "y", room="b"),
                _say("2", "y"),
                _read(("2", "y"), after="1"),
                _read(("o2", "y"), room="b", after="o1"),
            ],
        ),
    ]


def _refusals() -> list[Row]:
    names = [{name: wrong} for name in ("room", "kind", "key") for wrong in ("", "x" * 257)]
    return [
        (
            "a name is not empty and not longer than 256 characters",
            "log/names-bounded",
            [
                *(_refused("name", **name) for name in names),
                _read(),
                _say("1", "x" * 256),
                _say("2", "\U0001f600" * 256),
            ],
        ),
        (
            "a body is not longer than 256 KiB",
            "log/body-bounded",
            [_refused("body", octets=256 * 1024 + 1), _read(), _say("1", "k"), _read(("1", "k"))],
        ),
    ]
