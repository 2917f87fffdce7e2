"""Writes vectors/ice: priorities, checks, checklists, role conflicts, nominations and restarts.

Specification: RFC 8445; each case says what it is about. Read next: tests/vectors/machinesteps.py, which plays them.
"""

from __future__ import annotations

from typing import Any

from tests.generate.icechecks import checks
from tests.generate.mediacases import Cases
from tests.generate.stepcases import (
    HIGH,
    HOST,
    LOW,
    MIDDLE,
    PRFLX,
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
    refusal,
    request,
    sends,
    success,
    wants,
)

MAPPED = "203.0.113.7:61000"
RELAYED = "198.51.100.9:50000"
OWN_AGAIN = {"ufrag": "secondus", "password": "secondpasswordsecondus11"}
PEER_AGAIN = {"ufrag": "peer2", "password": "secondpeerpasswordsecond"}


def sets() -> dict[str, Case]:
    """All sets of this stem."""
    return {
        "ice/priorities": _priorities(),
        "ice/checks": checks(),
        "ice/checklists": _checklists(),
        "ice/roles": _roles(),
        "ice/nominations": _nominations(),
        "ice/restarts": _restarts(),
    }


def _priorities() -> Case:
    cases = Cases("ice-priorities", {})
    cases.group("candidate", "RFC 8445 section 5.1.2.1")
    for kind, preference in (("host", 126), ("peer-reflexive", 110), ("server-reflexive", 100), ("relayed", 0)):
        for local in (65535, 65534, 0):
            for component in (1, 2, 256):
                given = {"type_preference": preference, "local_preference": local, "component": component}
                out = 16777216 * preference + 256 * local + 256 - component
                cases.valid(
                    f"{kind}, local preference {local}, component {component}", "ice/priority-formula", given, out
                )
    cases.group("pair", "RFC 8445 section 6.1.2.3")
    numbers = (1, 255, 2130706431, 2130706430, 1694498815, 16777215, 4294967295)
    for local in numbers:
        for remote in numbers:
            for controlling in (True, False):
                g, d = (local, remote) if controlling else (remote, local)
                out = str(4294967296 * min(g, d) + 2 * max(g, d) + (1 if g > d else 0))
                given = {"local": local, "remote": remote, "controlling": controlling}
                role = "controlling" if controlling else "controlled"
                cases.valid(f"{local} with {remote}, {role}", "ice/pair-priority", given, out)
    return cases.finish()


def _told(*texts: str) -> list[Step]:
    return [do(0, {"remote-candidate": text}) for text in texts]


def _checklists() -> Case:
    six = "[2001:db8::2]:2000"
    far, near = line(B, priority=HOST - 256), line(C, priority=HOST)
    same = [line(f"192.0.2.{number}:2000", priority=HOST - 256 * number, foundation="same") for number in (2, 3, 4)]
    path = [A, "192.0.2.2:2000"], [A, "192.0.2.3:2000"], [A, "192.0.2.4:2000"]
    reflexive = line(MAPPED, kind="srflx", priority=100 << 24, more=" raddr 192.0.2.1 rport 1000")
    relayed = line(RELAYED, kind="relay", priority=255, more=" raddr 203.0.113.7 rport 61000")
    pairing = [
        (
            "pairs are ordered by rank; the first is checked at once",
            "ice/pair-priority ice/triggered-first",
            init(),
            [*_told(far, near), wants(0, pairs=[[A, C, "waiting"], [A, B, "in-progress"]])],
        ),
        (
            "an IPv6 candidate has no partner among IPv4 addresses",
            "ice/same-family",
            init(),
            [*_told(line("2001:db8::2:2000").replace("2001:db8::2:2000", six)), wants(0, pairs=[], send=None)],
        ),
        (
            "a candidate that is told twice makes one pair",
            "ice/one-pair-a-path trickle/told-twice",
            init(),
            [*_told(far, far), wants(0, pairs=[[A, B, "in-progress"]])],
        ),
        (
            "a reflexive candidate adds no pair to those of its base",
            "ice/pruned ice/reflexive-candidates",
            init(),
            [
                do(0, {"local-candidate": {"candidate": reflexive, "base": A}}),
                *_told(far),
                wants(0, pairs=[[A, B, "in-progress"]]),
            ],
        ),
        (
            "a relayed candidate is checked from its own address",
            "ice/relayed-candidates",
            init(local=()),
            [do(0, {"local-candidate": {"candidate": relayed}}), *_told(far), sends(0, "request", **{"from": RELAYED})],
        ),
    ]
    freezing = [
        (
            "of one foundation the best is checked, the others are frozen",
            "ice/frozen",
            init(),
            [
                *_told(*same),
                wants(0, pairs=[[*path[0], "in-progress"], [*path[1], "frozen"], [*path[2], "frozen"]]),
            ],
        ),
        (
            "success thaws them all",
            "ice/unfrozen",
            init("controlled"),
            [
                *_told(*same),
                sends(0, "request", "192.0.2.2:2000", bind="t1"),
                receive(1, success("t1", "192.0.2.2:2000")),
                wants(1, pairs=[[*path[0], "succeeded"], [*path[1], "waiting"], [*path[2], "waiting"]]),
            ],
        ),
        (
            "failure lets the next one be checked",
            "ice/unfrozen ice/check-refused",
            init("controlled"),
            [
                *_told(*same),
                sends(0, "request", "192.0.2.2:2000", bind="t1"),
                receive(10, refusal("t1", 400, "192.0.2.2:2000")),
                sends([10, 60], "request", "192.0.2.3:2000"),
            ],
        ),
    ]
    timing = [
        (
            "a check is repeated at 0.5, 1.5, 3.5, 7.5, 15.5 and 31.5 s, and given up at 39.5 s",
            "stun/retransmission ice/first-wait ice/check-timeout ice/patience",
            init(),
            [
                *_told(far),
                *(
                    sends(at, "request", bind="t1" if at == 0 else "t")
                    for at in (0, 500, 1500, 3500, 7500, 15500, 31500)
                ),
                wants(39499, state="checking", send=None),
                wants(39501, state="failed", send=None, selected=None),
            ],
        ),
        (
            "the peer's check is answered and triggers one back",
            "ice/triggered-check ice/peer-reflexive-remote ice/check-username ice/check-priority",
            init("controlled"),
            [
                receive(0, request()),
                sends(0, "success", mapped=B),
                sends(0, "request", username="peer:ourufrag", priority=PRFLX, role="controlled", use_candidate=False),
            ],
        ),
        (
            "an answer that comes from elsewhere fails the check",
            "ice/symmetric-answer",
            init(),
            [
                *_told(far),
                sends(0, "request", bind="t1"),
                receive(5, success("t1", C)),
                wants(5, pairs=[[A, B, "failed"]], selected=None),
            ],
        ),
        (
            "an answer shows an address of ours that nobody knew",
            "ice/peer-reflexive-local",
            init("controlled"),
            [
                *_told(far),
                sends(0, "request", bind="t1"),
                receive(5, success("t1", mapped=MAPPED)),
                wants(5, selected=[A, B], state="connected"),
            ],
        ),
    ]
    source = "RFC 8445 sections 6.1.2 and 6.1.4"
    return machine_set(
        "ice/checklists",
        [("pairing", source, pairing), ("freezing", source, freezing), ("checks", "RFC 8445 section 7", timing)],
    )


def _roles() -> Case:
    incoming: list[tuple[str, str, Case, list[Step]]] = []
    for role in ("controlling", "controlled"):
        for theirs, word in ((LOW, "smaller"), (MIDDLE, "equal"), (HIGH, "larger")):
            we_control = theirs != HIGH
            stays = we_control == (role == "controlling")
            other = "controlled" if role == "controlling" else "controlling"
            steps = [receive(0, request(role=role, tie_breaker=theirs))]
            steps += [sends(0, "error", code=487)] if stays else [sends(0, "success")]
            steps += [wants(0, role=role if stays else other)]
            comment = f"two that are {role}, the peer with the {word} tie-breaker"
            incoming.append((comment, "ice/role-conflict", init(role), steps))
        opposite = "controlled" if role == "controlling" else "controlling"
        steps = [receive(0, request(role=opposite)), sends(0, "success"), wants(0, role=role)]
        incoming.append((f"no conflict: we are {role}", "ice/role-conflict", init(role), steps))
    answered = [
        (
            f"487 to a {role} agent turns its role, and the pair is checked again",
            "ice/role-conflict-answer",
            init(role),
            [
                *_told(line(B)),
                sends(0, "request", role=role, bind="t1"),
                receive(10, refusal("t1", 487)),
                sends([10, 60], "request", role=other, bind="t2"),
                wants(60, role=other),
            ],
        )
        for role, other in (("controlling", "controlled"), ("controlled", "controlling"))
    ]
    return machine_set(
        "ice/roles",
        [
            ("conflict", "RFC 8445 section 7.3.1.1", incoming),
            ("answer", "RFC 8445 section 7.2.5.1", answered),
        ],
    )


def _valid(at: float = 0, *, source: str = B) -> list[Step]:
    """The peer checks, and our check back is answered."""
    return [
        receive(at, request(source)),
        sends(at, "success", source),
        sends([at, at + 10], "request", source, bind="t1"),
        receive(at + 10, success("t1", source)),
    ]


def _nominations() -> Case:
    ours = [
        (
            "the best valid pair is checked once more with USE-CANDIDATE, and selected for good when that is answered",
            "ice/nomination ice/nominated-by-answer ice/concluded",
            init(),
            [
                *_told(line(B)),
                sends(0, "request", use_candidate=False, bind="t1"),
                receive(10, success("t1")),
                sends([10, 210], "request", use_candidate=True, bind="t2"),
                receive(220, success("t2")),
                wants(230, selected=[A, B], state="connected"),
                wants(3000, send=None),
            ],
        ),
        (
            "a better pair gets a little time",
            "ice/nomination ice/valid-pair-carries-data",
            init(),
            [
                *_told(line(C, priority=HOST), line(B, priority=HOST - 256)),
                sends(0, "request", C, bind="t1"),
                sends([5, 55], "request", B, bind="t2"),
                receive(55, success("t2", B)),
                wants(55, selected=[A, B], send=None),
                receive(60, success("t1", C)),
                sends([60, 260], "request", C, use_candidate=True),
            ],
        ),
        (
            "a peer that takes several nominations is given a number",
            "ice/renomination ice/renomination-number",
            init(peer_traits={"renominates": True}),
            [
                *_told(line(B)),
                sends(0, "request", nomination=None, bind="t1"),
                receive(10, success("t1")),
                sends([10, 210], "request", use_candidate=True, nomination=1),
            ],
        ),
    ]
    theirs = [
        (
            "a nomination on a valid pair",
            "ice/nomination-accepted",
            init("controlled"),
            [*_valid(), receive(20, request(use_candidate=True)), sends(20, "success"), wants(20, selected=[A, B])],
        ),
        (
            "a nomination before our own check was answered takes effect when it is",
            "ice/nomination-accepted",
            init("controlled"),
            [
                receive(0, request(use_candidate=True)),
                sends(0, "success"),
                sends(0, "request", bind="t1"),
                wants(0, selected=None),
                receive(10, success("t1")),
                wants(10, selected=[A, B], state="connected"),
            ],
        ),
        (
            "a nomination of an agent that we control changes nothing",
            "ice/nomination-accepted",
            init("controlling"),
            [receive(0, request(role="controlled", use_candidate=True)), sends(0, "success"), wants(0, selected=None)],
        ),
        (
            "of numbered nominations the highest holds",
            "ice/renomination-number",
            init("controlled"),
            [
                *_valid(),
                *_valid(100, source=C),
                receive(200, request(B, use_candidate=True, nomination=2)),
                receive(210, request(C, use_candidate=True, nomination=1)),
                wants(210, selected=[A, B]),
            ],
        ),
    ]
    # What was answered is not looked at here, so that the last step of a case may leave answers unsaid.
    lite = [
        (
            "a lite agent answers, asks nothing, and follows the nomination",
            "ice/lite ice/lite-selects",
            init("controlled", lite=True),
            [
                receive(0, request()),
                sends(0, "success", mapped=B),
                wants(5000, send=None, selected=None),
                receive(5000, request(use_candidate=True)),
                sends(5000, "success"),
                wants(5000, selected=[A, B], state="connected", send=None),
            ],
        ),
        (
            "a lite agent tells a controlled peer to control",
            "ice/lite",
            init("controlled", lite=True),
            [receive(0, request(role="controlled")), sends(0, "error", code=487)],
        ),
    ]
    return machine_set(
        "ice/nominations",
        [
            ("ours", "RFC 8445 section 8.1.1", ours),
            ("theirs", "RFC 8445 section 7.3.1.5", theirs),
            ("lite", "RFC 8445 section 8.2", lite),
        ],
    )


def _restarts() -> Case:
    begun: list[Step] = [*_valid(), receive(20, request(use_candidate=True)), sends(20, "success")]
    again: dict[str, Any] = {"own": OWN_AGAIN, "peer": PEER_AGAIN}
    old = {"generation": "ourufrag"}
    restart = do(1000, {"restart": again})
    rows = [
        (
            "the old path is kept, and checks of it are answered, while the new one is looked for",
            "ice/restart consent/during-restart",
            init("controlled"),
            [
                *begun,
                restart,
                receive(1500, request(**old)),
                sends(1500, "success"),
                wants(1500, path=[A, B], send=None),
                sends([4010, 6010], "request", username="peer:ourufrag", bind="c1"),
            ],
        ),
        (
            "a new path is taken when a check with the new credentials was answered",
            "ice/restart ice/check-username trickle/restart",
            init("controlled"),
            [
                *begun,
                restart,
                receive(1100, request(C)),
                sends(1100, "success", C),
                sends([1100, 1110], "request", C, username="peer2:secondus", bind="n1"),
                wants(1110, path=[A, B]),
                receive(1120, success("n1", C)),
                wants(1120, path=[A, C], role="controlled"),
                receive(1130, request(**old)),
                wants(1130, send=None),
            ],
        ),
        (
            "the role is kept",
            "ice/restart-role",
            init("controlling"),
            [
                *_told(line(B)),
                sends(0, "request", bind="t1"),
                receive(10, success("t1")),
                sends([10, 210], "request", use_candidate=True, bind="t2"),
                receive(220, success("t2")),
                restart,
                do(1000, {"remote-candidate": line(B)}),
                sends([1000, 1010], "request", role="controlling", username="peer2:secondus"),
            ],
        ),
        (
            "a candidate of the former generation does not count",
            "ice/candidate-generation trickle/restart",
            init("controlled"),
            [
                *begun,
                restart,
                do(1100, {"remote-candidate": line(C, more=" ufrag peer")}),
                wants(1600, send=None),
                do(1600, {"remote-candidate": line(C, more=" ufrag peer2")}),
                sends([1600, 1610], "request", C, username="peer2:secondus"),
            ],
        ),
    ]
    return machine_set("ice/restarts", [("restart", "RFC 8445 section 9", rows)])
