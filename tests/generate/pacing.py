"""Makes vectors/pacing: what passes a pacer at once, what waits, and what leaves when.

Nothing here runs a pacer: times and sizes follow from the rate.
Read next: tests/vectors/test_pacing.py, which plays them.
"""

from __future__ import annotations

from typing import Any

Case = dict[str, Any]
Step = dict[str, Any]
Row = tuple[str, str, Case, list[Step]]


def sets() -> dict[str, Case]:
    """The sets by name."""
    tests = []
    for number, (comment, reqs, init, steps) in enumerate([*_passing(), *_waiting()], 1):
        case = {"id": f"pacing-batches-{number:04d}", "comment": comment, "reqs": reqs.split()}
        tests.append({**case, "init": init, "steps": steps})
    source = "draft-ietf-rmcat-gcc-02 section 4"
    group = {"params": {"operation": "pace"}, "provenance": "generated", "source": source, "tests": tests}
    groups = [{**group, "verified_by": [], "provisional": True}]
    data = {"schema": "machine", "set": "pacing-batches", "version": "1.0.0", "notes": {}, "groups": groups}
    return {"pacing/batches": data}


def _limited(rate_bps: int) -> Case:
    return {"rate_bps": rate_bps, "window_ms": 40}


def _batch(at: float, octets: int, passes: bool, kind: str = "video") -> Step:
    return {"at_ms": at, "do": {"batch": {"octets": octets, "kind": kind}}, "expect": {"passes": passes}}


def _wait(at: float, item: str, size: int, kind: str = "video") -> Step:
    return {"at_ms": at, "do": {"wait": {"item": item, "size": size, "kind": kind}}}


def _due(at: float, *items: str) -> Step:
    return {"at_ms": at, "expect": {"due": list(items)}}


def _dropped(at: float, count: int) -> Step:
    return {"at_ms": at, "expect": {"dropped": count}}


def _passing() -> list[Row]:
    million = _limited(1_000_000)  # 125 octets a millisecond, 5000 in the window
    return [
        (
            "without a rate all passes",
            "pacing/unlimited-passes",
            {"rate_bps": None, "window_ms": 40},
            [_batch(0, 10_000_000, True), _batch(0, 10_000_000, True), _batch(1, 1, True, "padding")],
        ),
        (
            "a batch that is larger than the window passes whole, and the next one waits until it is paid for",
            "pacing/window pacing/rate",
            million,
            [_batch(0, 12_500, True), _batch(0, 100, False), _batch(59, 100, False), _batch(61, 12_500, True)],
        ),
        (
            "batches within the window pass one after the other",
            "pacing/window",
            million,
            [*(_batch(0, 1250, True) for _ in range(5)), _batch(0, 1250, False), _batch(11, 1250, True)],
        ),
        (
            "what was not used is not saved up",
            "pacing/rate",
            million,
            [_batch(0, 1000, True), _batch(10_000, 12_500, True), _batch(10_000, 100, False)],
        ),
        (
            "audio passes always, and is paid for",
            "pacing/audio-never-waits",
            million,
            [
                _batch(0, 12_500, True),
                *(_batch(10, 125, True, "audio") for _ in range(8)),
                _batch(61, 100, False),
                _batch(69, 100, True),
            ],
        ),
    ]


def _waiting() -> list[Row]:
    million = _limited(1_000_000)
    return [
        (
            "what waits leaves by its kind, and in its order",
            "pacing/order",
            million,
            [
                _batch(0, 12_500, True),
                _wait(0, "p", 1000, "padding"),
                _wait(0, "v1", 1000),
                _wait(1, "r1", 1000, "retransmission"),
                _wait(2, "v2", 1000),
                _wait(3, "r2", 1000, "retransmission"),
                _due(50),
                _due(200, "r1", "r2", "v1", "v2", "p"),
            ],
        ),
        (
            "no more leaves at once than the window has room for",
            "pacing/rate pacing/window",
            million,
            [
                _batch(0, 12_500, True),
                *(_wait(0, f"v{number}", 2500) for number in range(4)),
                _due(62, "v0"),
                _due(62),
                _due(82, "v1"),
                _due(122, "v2", "v3"),
            ],
        ),
        (
            "nothing overtakes what waits and is as urgent",
            "pacing/order",
            million,
            [
                _batch(0, 12_500, True),
                _wait(0, "v", 1000),
                _batch(90, 1000, False),
                _batch(90, 1000, False, "padding"),
                _batch(90, 1000, True, "retransmission"),
            ],
        ),
        (
            "a quarter of a second may wait: padding goes first, then the oldest",
            "pacing/bounded",
            _limited(80_000),  # 10 octets a millisecond, 2500 may wait
            [
                _batch(0, 1000, True),
                _wait(0, "p1", 500, "padding"),
                _wait(0, "v1", 1000),
                _wait(0, "v2", 1000),
                _dropped(0, 0),
                _wait(1, "v3", 1000),
                _dropped(1, 2),
                _due(10_000, "v2", "v3"),
            ],
        ),
        (
            "when the rate is taken away all that waits is due",
            "pacing/unlimited-passes",
            _limited(80_000),
            [
                _batch(0, 1000, True),
                _wait(0, "v1", 1000),
                _wait(0, "v2", 1000),
                _due(1),
                {"at_ms": 2, "do": {"rate_bps": None}},
                _due(2, "v1", "v2"),
            ],
        ),
    ]
