"""Writes vectors/trickle: candidates, credentials and checks in many orders. Specification: RFC 8838.

Read next: tests/vectors/machinesteps.py, which plays them.
"""

from __future__ import annotations

from tests.generate.stepcases import (
    HOST,
    A,
    B,
    C,
    Case,
    Step,
    do,
    init,
    line,
    machine_set,
    receive,
    request,
    sends,
    success,
    wants,
)


def sets() -> dict[str, Case]:
    """All sets of this stem."""
    return {
        "trickle/orders": machine_set(
            "trickle/orders",
            [
                ("orders", "RFC 8838 sections 10, 11 and 14 to 16", _orders()),
                ("end", "RFC 8838 section 14", _end()),
                ("frozen", "RFC 8838 section 12", _frozen()),
            ],
        )
    }


def _told(at: float, text: str) -> Step:
    return do(at, {"remote-candidate": text})


def _orders() -> list[tuple[str, str, Case, list[Step]]]:
    unknown = init(introduced=False)
    return [
        (
            "a candidate before the credentials is checked when they come",
            "ice/trickle",
            unknown,
            [_told(0, line(B)), wants(100, send=None), do(100, "remote-credentials"), sends(100, "request")],
        ),
        (
            "an own candidate that comes late is paired with what was told",
            "trickle/late-local",
            init(local=()),
            [
                _told(0, line(B)),
                wants(500, send=None, state="checking"),
                do(500, {"local-candidate": {"candidate": line(A)}}),
                sends(500, "request"),
            ],
        ),
        (
            "a check before the credentials is answered, and made up for when they come",
            "ice/early-checks",
            init("controlled", introduced=False),
            [
                receive(0, request(use_candidate=True)),
                sends(0, "success", mapped=B),
                wants(1000, send=None, valid=[A, B], selected=None),
                do(1000, "remote-credentials"),
                sends(1000, "request", bind="t1"),
                receive(1010, success("t1")),
                wants(1010, selected=[A, B]),
            ],
        ),
        (
            "what is told of an address that a check showed replaces the guess",
            "trickle/told-after-found ice/one-pair-a-path",
            init("controlled"),
            [
                receive(0, request(priority=1)),
                _told(100, line(B)),
                _told(100, line(C, priority=HOST - 256)),
                wants(100, pairs=[[A, B, "in-progress"], [A, C, "in-progress"]]),
            ],
        ),
        (
            "the end of candidates is no failure within 39.5 seconds",
            "trickle/end-is-no-failure ice/patience",
            init(),
            [do(0, "end-of-candidates"), wants(39499, state="checking"), wants(39501, state="failed")],
        ),
        (
            "half trickle: everything at once, with its end",
            "trickle/half",
            init(),
            [
                _told(0, line(B)),
                do(0, "end-of-candidates"),
                sends(0, "request", bind="t1"),
                receive(10, success("t1")),
                wants(10, selected=[A, B], state="connected"),
            ],
        ),
        (
            "a candidate that names another user fragment is ignored",
            "ice/candidate-generation",
            init(),
            [_told(0, line(B, more=" ufrag else")), wants(500, send=None, pairs=[])],
        ),
    ]


def _end() -> list[tuple[str, str, Case, list[Step]]]:
    return [
        (
            "a candidate after the last is ignored",
            "ice/end-of-candidates",
            init(),
            [do(0, "end-of-candidates"), _told(10, line(B)), wants(1000, send=None, pairs=[])],
        ),
    ]


def _frozen() -> list[tuple[str, str, Case, list[Step]]]:
    best, good = (line(f"192.0.2.{last}:2000", priority=HOST - last, foundation="same") for last in (4, 3))
    better = line("192.0.2.2:2000", priority=HOST, foundation="same")
    first, second, third = ([A, f"192.0.2.{last}:2000"] for last in (2, 3, 4))
    return [
        (
            "rule 1: the best of its foundation waits, whatever came before",
            "trickle/frozen",
            init("controlled", introduced=False),
            [_told(0, best), _told(0, better), wants(0, pairs=[[*first, "waiting"], [*third, "waiting"]])],
        ),
        (
            "rule 2: where one has succeeded a new one waits",
            "trickle/frozen",
            init("controlled"),
            [
                _told(0, better),
                sends(0, "request", "192.0.2.2:2000", bind="t1"),
                receive(1, success("t1", "192.0.2.2:2000")),
                _told(2, good),
                wants(2, pairs=[[*first, "succeeded"], [*second, "waiting"]]),
            ],
        ),
        (
            "rule 3: else it is frozen",
            "trickle/frozen",
            init("controlled", introduced=False),
            [_told(0, better), _told(0, good), wants(0, pairs=[[*first, "waiting"], [*second, "frozen"]])],
        ),
    ]
