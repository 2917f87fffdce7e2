"""`meetref vectors replay`: drives a running server of anybody's with the vectors, over UDP.

Stands above `net` and `app/vectorset`, beside `app/vectors`. What a case asks of a target, and whether the target is
still sane, is said by a `Target`; `app/replaystun` is the first, others register in `TARGETS`.
Specification: docs/vectors.md. Before the first case and after the last the target must give a sane answer.
Leaves out: machines with steps, for which the other side would have to keep time with us.
Read next: `app/replaystun.py`.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Literal, Protocol

import trio

from meetref.app.checkout import checkout
from meetref.app.command import CommandFailed, Exit, print_json
from meetref.app.replaystun import StunTarget
from meetref.app.vectorset import cases_of, read_sets
from meetref.net.network import KernelNetwork, Network
from meetref.wire.address import Address, canonical_host
from meetref.wire.reader import Malformed

Case = Mapping[str, Any]
Verdict = Literal["pass", "non-strict", "fail", "error"]


class Target(Protocol):
    """One kind of server. The reactions are the words of the vectors, and "success"."""

    sets: tuple[str, ...]
    """The sets that can be replayed against it."""

    async def sane(self) -> bool:
        """Whether it gives the simplest right answer."""
        ...

    async def play(self, case: Case) -> str | None:
        """What it does with a case; None if it stopped answering altogether."""
        ...

    async def close(self) -> None: ...


TARGETS: dict[str, Callable[[Network, Address], Awaitable[Target]]] = {"stun": StunTarget.open}


@dataclass(frozen=True)
class Outcome:
    """How one case ended."""

    id: str
    comment: str
    verdict: Verdict
    expected: tuple[str, ...]
    got: str


def expected_of(case: Case) -> tuple[str, ...]:
    """The required reaction first, then what else the document permits."""
    first = case["reaction"] if case["result"] == "invalid" else "success"
    return (str(first), *case.get("allowed", ()))


def judge(case: Case, got: str | None) -> Outcome:
    """Hold what a target did against what the case requires."""
    expected = expected_of(case)
    verdict: Verdict = "error" if got is None else "pass" if got in expected else "fail"
    # To take an invalid part for nothing is to succeed without it.
    if got == "success" and "ignore-part" in expected:
        verdict = "pass"
    if verdict == "fail" and case.get("level", "MUST") != "MUST":
        verdict = "non-strict"
    return Outcome(case["id"], case["comment"], verdict, expected, got or "no answer to anything any more")


async def replay(target: Target, cases: Sequence[Case]) -> list[Outcome] | None:
    """Play all cases, with a sanity case before and after; None if the target is not sane to begin with."""
    if not await target.sane():
        return None
    outcomes = []
    for case in cases:
        outcomes.append(judge(case, await target.play(case)))
        if outcomes[-1].verdict == "error" and not await target.sane():
            return outcomes  # it is gone, and whatever followed would only say so again
    if not await target.sane():
        outcomes.append(Outcome("sanity", "the sanity case at the end", "error", ("success",), "no sane answer"))
    return outcomes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which target, and with which vectors."""
    parser.add_argument("stem", metavar="STEM", help=f"what the target speaks: {', '.join(TARGETS)}")
    parser.add_argument("--target", required=True, metavar="HOST:PORT", help="where it listens, over UDP")
    parser.add_argument("--anywhere", action="store_true", help="allow a target that is not on this machine's loopback")
    parser.add_argument("--json", action="store_true", help="write every outcome as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Replay, and tell how it went: 0 all passed, 1 some failed, 127 the target cannot be asked."""
    if arguments.stem not in TARGETS:
        raise CommandFailed(f"nothing can be replayed for {arguments.stem}", Exit.UNSUPPORTED)
    address = read_target(arguments.target, anywhere=arguments.anywhere)
    outcomes = trio.run(_replay, checkout(), arguments.stem, address, KernelNetwork())
    if outcomes is None:
        raise CommandFailed(f"{address} gives no sane answer to {arguments.stem}", Exit.UNSUPPORTED)
    return report(outcomes, as_json=arguments.json)


async def _replay(root: Path, stem: str, address: Address, network: Network) -> list[Outcome] | None:
    target = await TARGETS[stem](network, address)
    try:
        return await replay(target, cases_for(root, target.sets))
    finally:
        await target.close()


def cases_for(root: Path, sets: Sequence[str]) -> list[dict[str, Any]]:
    """The cases of these sets that still count."""
    return [case for each in read_sets(root) if each.name in sets for case in cases_of(each) if "withdrawn" not in case]


def read_target(text: str, *, anywhere: bool) -> Address:
    """The address in `text`. Raises `CommandFailed`, also for one that is not loopback unless that is allowed."""
    host, _, port = text.rpartition(":")
    try:
        address = Address(canonical_host(host.strip("[]")), int(port))
    except (Malformed, ValueError):
        raise CommandFailed(f"{text} is no address and port", Exit.WRONG_COMMAND_LINE) from None
    if not 0 < address.port < 65536:
        raise CommandFailed(f"{address.port} is no port", Exit.WRONG_COMMAND_LINE)
    if not anywhere and not ip_address(address.host).is_loopback:
        sentence = f"{address} is not on this machine; say --anywhere if its owner agrees to be sent broken messages"
        raise CommandFailed(sentence, Exit.WRONG_COMMAND_LINE)
    return address


def report(outcomes: Sequence[Outcome], *, as_json: bool) -> int:
    """Write what went wrong, and how many did not."""
    counts = Counter(outcome.verdict for outcome in outcomes)
    if as_json:
        print_json({"counts": dict(counts), "outcomes": [asdict(outcome) for outcome in outcomes]})
    else:
        for outcome in outcomes:
            if outcome.verdict != "pass":
                wanted = " or ".join(outcome.expected)
                print(f"{outcome.verdict}  {outcome.id}  {outcome.comment}: {outcome.got} instead of {wanted}")
        told = ", ".join(f"{counts[verdict]} {verdict}" for verdict in sorted(counts))
        print(f"{len(outcomes)} cases: {told}")
    return Exit.DOES_NOT_HOLD if counts["fail"] or counts["error"] else Exit.DONE
