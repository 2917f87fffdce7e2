"""`meetref vectors replay`: drives somebody's running server with the vectors.

Stands above `net`, `app/vectorset` and the kinds of targets (`app/replay/stun`, `turn`, `ice`, `whip`), beside
`app/vectors`. What a case asks of a target, and whether the target is still sane, a `Target` says.
Specification: docs/vectors.md. Before the first case and after the last the target must give a sane answer.
Leaves out: machines that ask by themselves, for which the other side would have to be told what to do.
Read next: `app/replay/stun.py`, the simplest target.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import trio

from meetref.app.checkout import checkout
from meetref.app.command import CommandFailed, Exit, print_json
from meetref.app.replay.ice import IceTarget
from meetref.app.replay.settings import Settings, read_settings
from meetref.app.replay.settings import add_arguments as add_settings
from meetref.app.replay.stun import StunTarget
from meetref.app.replay.turn import TurnTarget
from meetref.app.replay.verdict import Case, Outcome, Target, untried
from meetref.app.replay.whip import WhipTarget
from meetref.app.vectorset import groups_of, read_sets
from meetref.net.network import KernelNetwork, Network

TARGETS: dict[str, Callable[[Network, Settings], Awaitable[Target]]] = {
    "stun": StunTarget.open,
    "turn": TurnTarget.open,
    "ice": IceTarget.open,
    "whip": WhipTarget.open,
}
QUICK = 1.0  # seconds; cases that wait longer are played side by side


class Unusable(Exception):
    """The target gives no sane answer to begin with; `args[0]` says in a few words what it does."""


async def replay(target: Target, cases: Sequence[Case]) -> list[Outcome]:
    """Play all cases, with a sane question before and after. Raises `Unusable`."""
    why = await target.why_unusable()
    if why is not None:
        raise Unusable(why)
    slow = [case for case in cases if target.lasts_for(case) > QUICK]
    outcomes: list[Outcome] = []
    for case in cases:
        if case not in slow:
            outcomes.append(await target.play(case))
            if outcomes[-1].verdict == "error" and await target.why_unusable() is not None:
                break  # it is gone, and whatever followed would only say so again
    else:
        outcomes += await _play_side_by_side(target, slow)
        if (why := await target.why_unusable()) is not None:
            outcomes.append(Outcome("sanity", "the sane question at the end", "error", ("a sane answer",), why))
    places = {case["id"]: number for number, case in enumerate(cases)}
    missing = places.keys() - {outcome.id for outcome in outcomes}
    outcomes += [untried(case, "the target is gone") for case in cases if case["id"] in missing]
    return sorted(outcomes, key=lambda outcome: places.get(outcome.id, len(places)))


async def _play_side_by_side(target: Target, cases: Sequence[Case]) -> list[Outcome]:
    outcomes = []

    async def play(case: Case) -> None:
        outcomes.append(await target.play(case))

    async with trio.open_nursery() as nursery:
        for case in cases:
            nursery.start_soon(play, case, name=f"case {case['id']}")
    return outcomes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which target, and with which vectors."""
    parser.add_argument("stem", metavar="STEM", help=f"what the target speaks: {', '.join(TARGETS)}")
    add_settings(parser)


def run(arguments: argparse.Namespace) -> int:
    """Replay, and tell how it went: 0 all passed, 1 some failed, 127 the target cannot be asked."""
    if arguments.stem not in TARGETS:
        sentence = f"nothing can be replayed for {arguments.stem[:40]!a}; there are {', '.join(TARGETS)}"
        raise CommandFailed(sentence, Exit.UNSUPPORTED)
    settings = read_settings(arguments)
    try:
        outcomes = trio.run(_replay, checkout(), settings, KernelNetwork())
    except Unusable as unusable:
        raise CommandFailed(f"{settings.target} {unusable}", Exit.UNSUPPORTED) from None
    except OSError as problem:
        raise CommandFailed(f"{settings.target} cannot be asked: {problem.strerror}", Exit.UNSUPPORTED) from None
    return report(outcomes, as_json=arguments.json, every=arguments.every)


async def _replay(root: Path, settings: Settings, network: Network) -> list[Outcome]:
    target = await TARGETS[settings.stem](network, settings)
    try:
        return await replay(target, cases_for(root, target.sets))
    finally:
        await target.close()


def cases_for(root: Path, names: Sequence[str]) -> list[dict[str, Any]]:
    """The cases of these sets that still count; `set:operation` names some groups of a set."""
    found = []
    for each in read_sets(root):
        for group in groups_of(each):
            if not {each.name, f"{each.name}:{group.get('params', {}).get('operation')}"}.isdisjoint(names):
                found += [case for case in group["tests"] if "withdrawn" not in case]
    return found


def report(outcomes: Sequence[Outcome], *, as_json: bool, every: bool = False) -> int:
    """Write what went wrong or was not tried, and how many cases there were; with `every` all of them."""
    counts = Counter(outcome.verdict for outcome in outcomes)
    if as_json:
        print_json({"counts": dict(counts), "outcomes": [asdict(outcome) for outcome in outcomes]})
    else:
        for outcome in outcomes:
            if outcome.verdict != "pass" or every:
                print(_line(outcome))
        told = ", ".join(f"{counts[verdict]} {verdict}" for verdict in sorted(counts))
        print(f"{len(outcomes)} cases: {told}")
    return Exit.DOES_NOT_HOLD if counts["fail"] or counts["error"] else Exit.DONE


def _line(outcome: Outcome) -> str:
    said = f"{outcome.verdict}  {outcome.id}  {outcome.comment}: {outcome.got}"
    if outcome.verdict in ("pass", "untried"):
        return said
    return f"{said} instead of {' or '.join(outcome.expected)}"
