"""Makes vectors/repair: which packets are missing, when they are asked for, and which kept ones are sent again.

Nothing here runs `media/repair`: times and numbers follow from the rules in spec/repair.toml.
Read next: tests/vectors/test_repair.py, which plays them.
"""

from __future__ import annotations

from typing import Any

Case = dict[str, Any]
Step = dict[str, Any]
Row = tuple[str, str, Case, list[Step]]


def sets() -> dict[str, Case]:
    """The sets by name."""
    asking = [_group("ask", "requests", 1, _noticing()), _group("ask-within-bounds", "requests", 101, _bounds())]
    return {
        "repair/requests": _set("requests", asking),
        "repair/answers": _set("answers", [_group("answer", "answers", 1, _answers())]),
    }


def _set(name: str, groups: list[Case]) -> Case:
    return {"schema": "machine", "set": f"repair-{name}", "version": "1.0.0", "notes": {}, "groups": groups}


def _group(operation: str, name: str, first: int, rows: list[Row]) -> Case:
    tests = [
        {"id": f"repair-{name}-{number:04d}", "comment": comment, "reqs": reqs.split(), "init": init, "steps": steps}
        for number, (comment, reqs, init, steps) in enumerate(rows, first)
    ]
    group = {"params": {"operation": operation}, "provenance": "generated", "source": "spec/repair.toml"}
    return {**group, "tests": tests, "verified_by": [], "provisional": True}


# --- asking -----------------------------------------------------------------------------------------


def _way(round_trip_ms: int) -> Case:
    return {"round_trip_ms": round_trip_ms}


def _come(at: int, *numbers: int) -> Step:
    return {"at_ms": at, "do": {"packets": list(numbers)}}


def _asked(until: int, *requests: tuple[int, list[int]], gave_up: bool = False) -> Step:
    named = [{"at_ms": at, "lost": lost} for at, lost in requests]
    return {"at_ms": until, "expect": {"asked": named, "gave_up": gave_up}}


def _noticing() -> list[Row]:
    return [
        (
            "a packet is missing: asked for after 10 ms, then once a round trip, ten times; then it is given up",
            "repair/gap-noticed repair/reordering-waited-for repair/asked-again repair/asking-ends",
            _way(100),
            [_come(0, 1, 3), _asked(999, *((10 + 100 * each, [2]) for each in range(10))), _asked(3000, gave_up=True)],
        ),
        (
            "a very short round trip counts as 40 ms",
            "repair/asked-again repair/asking-ends",
            _way(5),
            [_come(0, 1, 3), _asked(409, *((10 + 40 * each, [2]) for each in range(10))), _asked(410, gave_up=True)],
        ),
        (
            "a very long round trip counts as 400 ms; after a second nothing is asked any more",
            "repair/asked-again repair/asking-ends",
            _way(3000),
            [_come(0, 1, 3), _asked(999, (10, [2]), (410, [2]), (810, [2])), _asked(1000, gave_up=True)],
        ),
        (
            "a packet that was overtaken is not asked for",
            "repair/reordering-waited-for",
            _way(100),
            [_come(0, 1, 3), _come(5, 2), _asked(3000)],
        ),
        (
            "numbers wrap",
            "repair/gap-noticed",
            _way(100),
            [_come(0, 65533, 1), _come(50, 65534, 65535), _asked(60, (10, [65534, 65535, 0]))],
        ),
        (
            "what comes is not asked for again, what does not is",
            "repair/recovered-not-asked",
            _way(100),
            [_come(0, 1, 5), _asked(20, (10, [2, 3, 4])), _come(105, 3), _asked(120, (110, [2, 4]))],
        ),
        (
            "each gap has its own times",
            "repair/gap-noticed repair/reordering-waited-for",
            _way(60),
            [_come(0, 1, 3), _come(4, 5), _asked(80, (10, [2]), (14, [4]), (70, [2]), (74, [4]))],
        ),
        (
            "twice the same packet, and an old one, change nothing",
            "repair/recovered-not-asked",
            _way(100),
            [_come(0, 7, 7, 9), _come(1, 9, 7), _asked(50, (10, [8]))],
        ),
    ]


def _bounds() -> list[Row]:
    return [
        (
            "a request names 250 packets; what is left is named 10 ms later",
            "repair/request-bounded",
            _way(100),
            [
                _come(0, 1, 602),
                _asked(99, (10, [*range(2, 252)]), (20, [*range(252, 502)]), (30, [*range(502, 602)])),
            ],
        ),
        (
            "1001 packets are missing: all are given up at once, and the stream goes on",
            "repair/missing-bounded",
            _way(100),
            [_come(0, 1, 1003), _asked(50, gave_up=True), _come(100, 1005), _asked(150, (110, [1004]))],
        ),
        (
            "1000 packets are missing: they are asked for, 250 at a time",
            "repair/missing-bounded repair/request-bounded",
            _way(100),
            [
                _come(0, 1, 1002),
                _asked(50, *((10 + 10 * each, [*range(2 + 250 * each, 252 + 250 * each)]) for each in range(4))),
            ],
        ),
        (
            "the first packet that came was not the first that was sent",
            "repair/earlier-beginning",
            _way(100),
            [_come(0, 12), _come(10, 10), _come(15, 13), _asked(100, (20, [11]))],
        ),
        (
            "so far back that it can be no beginning",
            "repair/earlier-beginning",
            _way(100),
            [_come(0, 5000), _come(1, 4899), _asked(3000)],
        ),
        (
            "a keyframe begins with 6 and is whole: what was before it is of no use",
            "repair/keyframe-ends-asking",
            _way(100),
            [
                _come(0, 1, 4, 6, 8),
                _asked(20, (10, [2, 3, 5, 7])),
                {"at_ms": 30, "do": {"keyframe_begins_at": 6}},
                _asked(120, (110, [7])),
            ],
        ),
    ]


# --- answering --------------------------------------------------------------------------------------


def _sent(at: int, first: int, count: int) -> Step:
    return {"at_ms": at, "do": {"sent": {"first": first, "count": count}}}


def _again(at: int, number: int, goes: bool) -> Step:
    return {"at_ms": at, "do": {"lost": number}, "expect": {"sent_again": goes}}


def _answers() -> list[Row]:
    return [
        (
            "what was sent is sent again, what was not is not",
            "repair/kept-for-a-while",
            _way(50),
            [_sent(0, 65534, 4), *(_again(30, number, True) for number in (65534, 65535, 0, 1)), _again(30, 2, False)],
        ),
        (
            "after two seconds it is gone",
            "repair/kept-for-a-while",
            _way(50),
            [_sent(0, 10, 2), _again(1999, 10, True), _again(2001, 11, False)],
        ),
        (
            "within a round trip it is not sent a third time",
            "repair/once-a-round-trip",
            _way(50),
            [_sent(0, 10, 2), _again(30, 10, True), _again(79, 10, False), _again(79, 11, True), _again(81, 10, True)],
        ),
        (
            "a newer packet has the place of one that is 512 older, and was not sent again itself",
            "repair/kept-packets-bounded",
            _way(50),
            [
                _sent(0, 10, 1),
                _again(30, 10, True),
                _sent(40, 11, 510),
                _again(41, 11, True),
                _sent(42, 521, 2),
                _again(43, 522, True),
                _again(100, 10, False),
                _again(100, 12, True),
            ],
        ),
        (
            "with another source or size what was before its keyframe is forgotten",
            "repair/forgotten",
            _way(50),
            [
                _sent(0, 10, 3),
                {"at_ms": 20, "do": {"keyframe_of_another": True}},
                _sent(20, 13, 1),
                _again(30, 12, False),
                _again(30, 13, True),
            ],
        ),
    ]
