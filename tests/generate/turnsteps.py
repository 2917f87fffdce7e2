"""The steps of vectors/turn/allocations: clients, a relay and peers on a virtual clock, in a few words.

Stands below tests/generate/turn.py; vectors/turn/README.md explains the words. Times and codes are the document's.
Read next: tests/vectors/test_turn.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Step = dict[str, Any]
Row = tuple[str, str, dict[str, Any], list[Step]]
UDP = {"REQUESTED-TRANSPORT": 17}
USERS = {"alice": "wonder", "bob": "builder"}
PEER, OTHER, PEER6 = "203.0.113.9:4000", "203.0.113.10:4000", "[2001:db8:9::9]:4000"


def init(**more: Any) -> dict[str, Any]:
    return {"users": USERS, "realm": "example.org", "families": [4, 6], **more}


def ask(at: float, method: str, attributes: dict[str, Any] | None = None, **more: Any) -> Step:
    """A request with credentials, those of `alice` on the path `first` unless told otherwise."""
    return {"at_ms": at, "receive": {"request": method, "attributes": attributes or {}, **more}}


def gets(at: float, answer: str | int, attributes: dict[str, Any] | None = None, **more: Any) -> Step:
    """The answer: "success" or an error code, and attributes that it has to have."""
    return {"at_ms": at, "expect": {"answer": answer, "attributes": attributes or {}, **more}}


def allocate(at: float = 0, **more: Any) -> list[Step]:
    return [ask(at, "Allocate", UDP, **more), gets(at, "success")]


def permit(at: float, peer: str = PEER, **more: Any) -> list[Step]:
    return [ask(at, "CreatePermission", {"XOR-PEER-ADDRESS": [peer]}, **more), gets(at, "success")]


def bind(at: float, channel: int, peer: str, answer: str | int = "success", **more: Any) -> list[Step]:
    wanted = {"CHANNEL-NUMBER": channel, "XOR-PEER-ADDRESS": [peer]}
    return [ask(at, "ChannelBind", wanted, **more), gets(at, answer)]


def out(at: float, peer: str = PEER, arrives: bool = True, **more: Any) -> list[Step]:
    """The client sends by an indication; the peer gets it or does not."""
    sent = {"indication": {"peer": peer, "data": "6f7574"}, **more}
    return [{"at_ms": at, "receive": sent}, _at_peer(at, peer, arrives)]


def out_on(at: float, channel: int, peer: str = PEER, arrives: bool = True, **more: Any) -> list[Step]:
    sent = {"channel": channel, "data": "6f7574", **more}
    return [{"at_ms": at, "receive": sent}, _at_peer(at, peer, arrives)]


def back(at: float, by: str | int | None, peer: str = PEER) -> list[Step]:
    """The peer sends; the client gets an indication, channel data of a number, or nothing."""
    step: Step = {"at_ms": at, "receive": {"peer": peer, "data": "6261636b"}}
    wanted = None if by is None else {"by": by, "peer": peer, "data": "6261636b"}
    return [step, {"at_ms": at, "expect": {"client": wanted}}]


def _at_peer(at: float, peer: str, arrives: bool) -> Step:
    return {"at_ms": at, "expect": {"peer": {"address": peer, "data": "6f7574"} if arrives else None}}


def _refused(comment: str, reqs: str, attributes: dict[str, Any], code: int, **more: Any) -> Row:
    return comment, reqs, init(**more), [ask(0, "Allocate", attributes), gets(0, code)]


def _rows(prefix: str, rows: Sequence[Row]) -> list[Row]:
    return [
        (comment, " ".join(name if "/" in name else f"{prefix}/{name}" for name in reqs.split()), start, steps)
        for comment, reqs, start, steps in rows
    ]


REQUESTS: list[Row] = [
    (
        "an allocation, with credentials",
        "allocate-answer lifetime-bounds",
        init(),
        [ask(0, "Allocate", UDP), gets(0, "success", {"LIFETIME": 600})],
    ),
    (
        "without credentials",
        "authentication-required",
        init(),
        [ask(0, "Allocate", UDP, user=None), gets(0, 401, {"REALM": "example.org"})],
    ),
    (
        "with a wrong password",
        "authentication-required",
        init(),
        [ask(0, "Allocate", UDP, password="guess"), gets(0, 401)],
    ),
    _refused("without a transport", "requested-transport", {}, 400),
    _refused(
        "an unknown attribute that must be understood", "stun/unknown-required-request", UDP | {"0x7abc": ""}, 420
    ),
    _refused(
        "a token and a wish for an even port",
        "token-alone",
        UDP | {"RESERVATION-TOKEN": "0123456789abcdef", "EVEN-PORT": False},
        400,
    ),
    (
        "a second allocation on the same path",
        "path-in-use",
        init(),
        [*allocate(), ask(100, "Allocate", UDP), gets(100, 437)],
    ),
    (
        "the first request comes again",
        "allocate-repeated",
        init(),
        [*allocate(), {"at_ms": 100, "do": "repeat"}, gets(100, "success")],
    ),
    (
        "a permission for nobody",
        "permission-without-peer",
        init(),
        [*allocate(), ask(0, "CreatePermission"), gets(0, 400)],
    ),
    (
        "a channel for two peers",
        "channel-of-another",
        init(),
        [*allocate(), *bind(0, 0x4000, PEER), *bind(0, 0x4000, OTHER, 400), *bind(0, 0x4000, PEER)],
    ),
    (
        "a peer with two channels",
        "channel-of-another",
        init(),
        [*allocate(), *bind(0, 0x4000, PEER), *bind(0, 0x4001, PEER, 400)],
    ),
    (
        "data by indications both ways",
        "permission-checked send-needs-permission data-indication",
        init(),
        [*allocate(), *out(0, arrives=False), *permit(0), *out(0), *back(0, "indication")],
    ),
    (
        "data on a channel both ways",
        "channel-preferred channel-unbound",
        init(),
        [*allocate(), *out_on(0, 0x4000, arrives=False), *bind(0, 0x4000, PEER), *out_on(0, 0x4000), *back(0, 0x4000)],
    ),
    (
        "an indication to a peer with a channel",
        "channel-preferred",
        init(),
        [*allocate(), *bind(0, 0x4000, PEER), *out(0), *back(0, 0x4000)],
    ),
]
# What Pion takes otherwise.
STRICT: list[Row] = [
    (
        "another user on the path of the first",
        "same-user",
        init(),
        [*allocate(), ask(0, "Refresh", user="bob"), gets(0, 441)],
    ),
    (
        "a channel below the range",
        "channel-range channel-bind-checks",
        init(),
        [*allocate(), *bind(0, 0x3FFF, PEER, 400)],
    ),
    ("a reserved channel", "channel-range channel-bind-checks", init(), [*allocate(), *bind(0, 0x8000, PEER, 400)]),
]
MORE: list[Row] = [
    _refused("TCP wanted", "transport-unsupported tcp-allocations", {"REQUESTED-TRANSPORT": 6}, 442),
    _refused(
        "one family and another one as well",
        "one-family-attribute",
        UDP | {"REQUESTED-ADDRESS-FAMILY": 1, "ADDITIONAL-ADDRESS-FAMILY": 2},
        400,
    ),
    _refused("IPv4 as well", "dual-restrictions", UDP | {"ADDITIONAL-ADDRESS-FAMILY": 1}, 400),
    _refused(
        "IPv6 where there is none", "family-unsupported", UDP | {"REQUESTED-ADDRESS-FAMILY": 2}, 440, families=[4]
    ),
    (
        "a peer of the other family",
        "peer-family",
        init(),
        [
            *allocate(),
            ask(0, "CreatePermission", {"XOR-PEER-ADDRESS": [PEER6]}),
            gets(0, 443),
            *bind(0, 0x4000, PEER6, 443),
        ],
    ),
    (
        "a refresh of the other family",
        "refresh-family",
        init(),
        [*allocate(), ask(0, "Refresh", {"REQUESTED-ADDRESS-FAMILY": 2}), gets(0, 443)],
    ),
    (
        "loopback and private peers",
        "peer-restrictions",
        init(),
        [
            *allocate(),
            *(
                step
                for host in ("127.0.0.1", "10.0.0.1", "169.254.169.254", "0.0.0.0", "224.0.0.1")
                for step in (ask(0, "CreatePermission", {"XOR-PEER-ADDRESS": [f"{host}:9"]}), gets(0, 403))
            ),
        ],
    ),
    (
        "a user's quota",
        "user-quota",
        init(allocations_per_user=2),
        [
            *allocate(path="first"),
            *allocate(path="second"),
            ask(0, "Allocate", UDP, path="third"),
            gets(0, 486),
            *allocate(path="third", user="bob"),
        ],
    ),
    (
        "the quota of all",
        "total-quota",
        init(allocations=1),
        [*allocate(), ask(0, "Allocate", UDP, path="second", user="bob"), gets(0, 508)],
    ),
    _refused("a token of somebody else", "token-invalid", UDP | {"RESERVATION-TOKEN": "0123456789abcdef"}, 508),
    (
        "requests without an allocation",
        "allocation-mismatch",
        init(),
        [
            ask(0, "Refresh"),
            gets(0, 437),
            ask(0, "CreatePermission", {"XOR-PEER-ADDRESS": [PEER]}),
            gets(0, 437),
            *bind(0, 0x4000, PEER, 437),
        ],
    ),
    (
        "deleted, and deleted again",
        "refresh-deletes",
        init(),
        [
            *allocate(),
            ask(0, "Refresh", {"LIFETIME": 0}),
            gets(0, "success", {"LIFETIME": 0}),
            ask(0, "Refresh", {"LIFETIME": 0}),
            gets(0, 437),
        ],
    ),
]
TIMES: list[Row] = [
    (
        "lifetimes are ten minutes at least and an hour at most",
        "lifetime-bounds refresh",
        init(),
        [
            ask(0, "Allocate", UDP | {"LIFETIME": 10}),
            gets(0, "success", {"LIFETIME": 600}),
            ask(0, "Refresh", {"LIFETIME": 100_000}),
            gets(0, "success", {"LIFETIME": 3600}),
            ask(0, "Refresh", {"LIFETIME": 700}),
            gets(0, "success", {"LIFETIME": 700}),
            ask(699_000, "Refresh", {"LIFETIME": 1}),
            gets(699_000, "success", {"LIFETIME": 600}),
        ],
    ),
    (
        "an allocation ends when nobody refreshes it",
        "refresh allocation-mismatch",
        init(),
        [*allocate(), ask(601_000, "Refresh"), gets(601_000, 437)],
    ),
    (
        "a permission ends after five minutes whatever is sent",
        "permission-lifetime send-needs-permission",
        init(),
        [
            *allocate(),
            *permit(0),
            *out(299_000),
            *back(299_000, "indication"),
            *out(301_000, arrives=False),
            *back(301_000, None),
        ],
    ),
    (
        "a permission that is asked for again goes on",
        "permission-lifetime",
        init(),
        [*allocate(), *permit(0), *permit(200_000), *out(499_000), *out(501_000, arrives=False)],
    ),
    (
        "a channel renews its permission, and outlives it",
        "channel-lifetime permission-lifetime channel-data-refreshes-nothing",
        init(),
        [
            *allocate(),
            *bind(0, 0x4000, PEER),
            *back(299_000, 0x4000),
            *back(301_000, None),
            *permit(301_000),
            *back(301_000, 0x4000),
            ask(599_000, "Refresh"),
            gets(599_000, "success"),
            *out_on(599_000, 0x4000),
            *out_on(601_000, 0x4000, arrives=False),
            *permit(601_000),
            *back(601_000, "indication"),
        ],
    ),
    (
        "a nonce ends, and the allocation does not",
        "nonce-hourly stun/stale-nonce",
        init(nonce_lasts_s=100),
        [
            *allocate(),
            ask(101_000, "Refresh", nonce="old"),
            gets(101_000, 438),
            ask(101_000, "Refresh"),
            gets(101_000, "success"),
        ],
    ),
    (
        "a reserved port waits half a minute",
        "even-port reservation-held token-invalid",
        init(),
        [
            ask(0, "Allocate", UDP | {"EVEN-PORT": True}),
            gets(0, "success", {}, bind_token="token", port="even"),
            ask(29_000, "Allocate", UDP | {"RESERVATION-TOKEN": {"bound": "token"}}, path="second"),
            gets(29_000, "success", {}, port="next"),
            ask(29_000, "Allocate", UDP | {"RESERVATION-TOKEN": {"bound": "token"}}, path="third"),
            gets(29_000, 508),
        ],
    ),
]
_MORE, _TIMES = _rows("turn", MORE), _rows("turn", TIMES)
# Groups are as large as others can confirm them: a witness that differs in one case confirms none of its group.
GROUPS = [
    ("allocation", "RFC 8656 sections 5 to 12", _rows("turn", REQUESTS)),
    ("allocation", "RFC 8656 sections 5 and 12.2", _rows("turn", STRICT)),
    ("allocation", "RFC 8656 section 7.2", _MORE[:3]),
    ("allocation", "RFC 8656 section 7.2", _MORE[3:4]),
    ("allocation", "RFC 8656 sections 8.2, 10.2 and 12.2", _MORE[4:6]),
    ("allocation", "RFC 8656 sections 7.2 and 10.2", _MORE[6:9]),
    ("allocation", "RFC 8656 section 7.2", _MORE[9:10]),
    ("allocation", "RFC 8656 sections 5 and 8.2", _MORE[10:]),
    ("allocation", "RFC 8656 sections 7.2, 8.2, 9 and 12", _TIMES[:5]),
    ("allocation", "RFC 8656 section 5, RFC 8489 section 9.2.4", _TIMES[5:6]),
    ("allocation", "RFC 8656 section 7.2", _TIMES[6:]),
]
