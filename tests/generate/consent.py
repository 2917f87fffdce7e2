"""Writes vectors/consent: when consent is asked for, when it ends, and what ends it. Specification: RFC 7675.

Read next: tests/vectors/machinesteps.py, which plays them.
"""

from __future__ import annotations

from tests.generate.stepcases import (
    A,
    B,
    Case,
    Step,
    init,
    machine_set,
    receive,
    refusal,
    request,
    sends,
    success,
    wants,
)

OUT, IN = "tcp 192.0.2.2:50123", "tcp 192.0.2.1:443"
PASSIVE = "candidate:t 1 tcp 1 192.0.2.1 443 typ host tcptype passive"


def sets() -> dict[str, Case]:
    """All sets of this stem."""
    source = "RFC 7675 section 5.1"
    first, *others = _interval()
    groups = [("interval", source, [first]), ("consent", source, [*others, *_end()])]
    return {"consent/freshness": machine_set("consent/freshness", groups)}


def _begun(source: str = B, to: str = A) -> list[Step]:
    """A pair that the peer nominated; the check that proved it was sent at 0 and answered at 10 ms."""
    return [
        receive(0, request(source, to, use_candidate=True)),
        sends(0, "success", source, **{"from": to}),
        sends(0, "request", source, bind="t1", **{"from": to}),
        receive(10, success("t1", source, to, mapped=to.removeprefix("tcp "))),
        wants(10, state="connected"),
    ]


def _interval() -> list[tuple[str, str, Case, list[Step]]]:
    answered = [
        *_begun(),
        sends([4010, 6010], "request", bind="c1", use_candidate=False),
        receive(4010, success("c1")),  # at once
        sends([8010, 12010], "request", bind="c2"),
        receive(8010, success("c2")),
        wants(12020, state="connected"),
    ]
    return [
        (
            "asked for every 4 to 6 seconds",
            "ice/consent-interval consent/no-other-keepalive",
            init("controlled"),
            answered,
        ),
        (
            "asked for over TCP, too",
            "consent/over-tcp ice/consent-interval",
            init("controlled") | {"local": [PASSIVE]},
            [*_begun(OUT, IN), sends([4010, 6010], "request", OUT, **{"from": IN})],
        ),
    ]


def _end() -> list[tuple[str, str, Case, list[Step]]]:
    return [
        (
            "lost 30 seconds after the last answer, for good",
            "ice/consent-expiry consent/credentials-spent consent/forgotten-with-it",
            init("controlled"),
            [
                *_begun(),
                sends([4010, 6010], "request", bind="c1"),
                {"at_ms": 30009, "expect": {"selected": [A, B], "state": "disconnected"}},
                {"at_ms": 30011, "expect": {"selected": None, "state": "failed"}},
                receive(30020, success("c1")),
                receive(30030, request(use_candidate=True)),
                {"at_ms": 60000, "expect": {"selected": None, "state": "failed"}},
            ],
        ),
        (
            "an answer renews it from the moment it comes, also to an older request",
            "ice/consent-expiry consent/late-answer",
            init("controlled"),
            [
                *_begun(),
                sends([4010, 6010], "request", bind="c1"),
                receive(9000, success("c1")),
                {"at_ms": 38999, "expect": {"selected": [A, B]}},
                {"at_ms": 39001, "expect": {"selected": None, "state": "failed"}},
            ],
        ),
        (
            "an authentic 403 ends it at once",
            "ice/consent-revoked",
            init("controlled"),
            [
                *_begun(),
                sends([4010, 6010], "request", bind="c1"),
                receive(6020, refusal("c1", 403)),
                wants(6020, selected=None, state="failed"),
            ],
        ),
        (
            "the peer's checks are no consent",
            "ice/consent-expiry",
            init("controlled"),
            [
                *_begun(),
                *(receive(at, request(use_candidate=True)) for at in (5000, 10000, 15000, 20000, 25000, 29000)),
                {"at_ms": 30011, "expect": {"selected": None, "state": "failed"}},
            ],
        ),
        (
            "a lite agent asks for none, and takes 30 seconds of silence for the end",
            "consent/lite",
            init("controlled", lite=True),
            [
                receive(0, request(use_candidate=True)),
                sends(0, "success"),
                wants(14000, send=None),
                {"at_ms": 29999, "expect": {"selected": [A, B]}},
                {"at_ms": 30001, "expect": {"selected": None, "state": "failed"}},
            ],
        ),
        (
            "before a check was answered nothing may be sent",
            "consent/before-data",
            init("controlled"),
            [receive(0, request(use_candidate=True)), wants(20, selected=None), wants(3000, selected=None)],
        ),
    ]
