"""The shape that the machine sets of ice, consent and trickle share: an agent, its peer, and what happens when.

Stands below `tests/generate/{ice,consent,trickle}.py`. Nothing here runs an agent: times and fields come from the
documents, and whether ours does the same is for tests/vectors to find out.
Specification: the vector format of this project (docs/vectors.md); vectors/ice/README.md has the words of the steps.
Read next: `tests/generate/ice.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from tests.generate.dtlsrefusals import notes

Case = dict[str, Any]
Step = dict[str, Any]

OWN = {"ufrag": "ourufrag", "password": "ourpasswordourpassword11"}
PEER = {"ufrag": "peer", "password": "peerpasswordpeerpassword"}
A, B, C = "192.0.2.1:1000", "192.0.2.2:2000", "192.0.2.3:3000"
HOST = 126 << 24 | 65535 << 8 | 255
PRFLX = 110 << 24 | 65535 << 8 | 255
LOW, HIGH = "0000000000000001", "f000000000000000"
MIDDLE = "8000000000000000"


def line(place: str, *, kind: str = "host", priority: int = HOST, foundation: str = "", more: str = "") -> str:
    """A candidate's text; unless told otherwise its foundation is its own."""
    host, _, port = place.rpartition(":")
    name = foundation or f"f{port}"
    return f"candidate:{name} 1 udp {priority} {host} {port} typ {kind}{more}"


def request(
    source: str = B,
    to: str = A,
    *,
    role: str = "controlling",
    tie_breaker: str = MIDDLE,
    priority: int = PRFLX,
    **more: Any,
) -> Step:
    """A check of the peer's."""
    fields = {"kind": "request", "from": source, "to": to, "role": role, "tie_breaker": tie_breaker}
    return fields | {"priority": priority} | more


def success(transaction: str, source: str = B, to: str = A, *, mapped: str | None = None, **more: Any) -> Step:
    fields = {"kind": "success", "transaction": transaction, "from": source, "to": to, "mapped": mapped or to}
    return fields | more


def refusal(transaction: str, code: int, source: str = B, to: str = A) -> Step:
    return {"kind": "error", "transaction": transaction, "from": source, "to": to, "code": code}


def receive(at: float, message: Step) -> Step:
    return {"at_ms": at, "receive": message}


def do(at: float, what: str | Step) -> Step:
    return {"at_ms": at, "do": what}


def sends(at: float | Sequence[float], kind: str, to: str = B, *, bind: str = "", **fields: Any) -> Step:
    step: Step = {"at_ms": at, "expect": {"send": {"kind": kind, "to": to, "from": A} | fields}}
    return step | ({"bind": {"transaction": bind}} if bind else {})


def wants(at: float, **what: Any) -> Step:
    return {"at_ms": at, "expect": what}


def init(role: str = "controlling", *, local: Sequence[str] = (A,), tie_breaker: str = MIDDLE, **more: Any) -> Case:
    lines = [line(place) for place in local]
    return {"role": role, "tie_breaker": tie_breaker, "own": OWN, "peer": PEER, "local": lines} | more


def machine_set(
    name: str,
    groups: Sequence[tuple[str, str, Sequence[tuple[str, str, Case, list[Step]]]]],
    *,
    witness: str = "",
    differing: Collection[str] = (),
) -> Case:
    """A whole set. A group has an operation, a source, and cases: comment, requirements, beginning, steps.

    Cases with these comments, of which that `witness` says something else, have a flag and groups of their own.
    """
    number, written, flag = 0, [], f"{witness}Differs"
    for operation, source, rows in groups:
        parts: dict[bool, list[Case]] = {}
        for comment, reqs, beginning, steps in rows:
            number += 1
            case = {"id": f"{name.replace('/', '-')}-{number:04d}", "comment": comment, "reqs": reqs.split()}
            flags = {"flags": [flag]} if comment in differing else {}
            parts.setdefault(comment in differing, []).append({**case, **flags, "init": beginning, "steps": steps})
        for tests in parts.values():
            group = {"params": {"operation": operation}, "provenance": "generated", "source": source, "tests": tests}
            written.append({**group, "verified_by": [], "provisional": True})
    told = notes([witness] if witness else [])
    return {"schema": "machine", "set": name.replace("/", "-"), "version": "1.0.0", "notes": told, "groups": written}
