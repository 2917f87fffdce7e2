"""How many DTLS handshakes a CPU second? Ours in 1.2 beside those of pyOpenSSL, and ours in 1.3, by group.

In memory, with certificates of P-256 on both sides that are made once. Each 1.2 handshake has pyOpenSSL on the other
side, which also chooses the group; only the CPU time of the side in question counts. A client and a server of ours to
a client and a server of pyOpenSSL is `ratio_to_pyopenssl`, the median over the rounds.
Stands on the two handshakes alone. Specification: docs/measurements.md. Without pyOpenSSL nothing is compared.
Leaves out: the way of the packets, and 1.3 of OpenSSL, which has no such thing for DTLS.
Read next: `lab/handshakeparty.py`.
"""

from __future__ import annotations

import argparse
import random
from collections import defaultdict
from pathlib import Path
from statistics import median
from typing import Any

from meetref.app.command import CommandFailed, Exit
from meetref.lab.handshakeparty import Identity, Ours, Party, Theirs, Version, play
from meetref.lab.report import Report
from meetref.protocol.keyschedule import Role
from meetref.wire.tls import GROUPS, P_256, P_384, X25519, X25519_ML_KEM_768

OLDER_GROUPS = (X25519, P_256)
NEWER_GROUPS = (X25519_ML_KEM_768, X25519, P_256, P_384)
HANDSHAKES = 40
ROLES: tuple[Role, Role] = ("client", "server")
GOAL = 2.0

Times = dict[str, list[float]]
"""CPU milliseconds of one side's part, or of both, an entry a round."""


class Bench:
    """Makes the sides of one run, all from its seed."""

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(seed)
        self._identities: dict[Role, Identity] = {role: Identity(f"{role} {seed}") for role in ROLES}
        self._contexts: dict[tuple[Role, int], Any] = {}

    def ours(self, role: Role, version: Version, group: int) -> Ours:
        return Ours(role, self._identities[role], self._dice.randbytes, version, group)

    def theirs(self, role: Role, group: int) -> Theirs:
        if (role, group) not in self._contexts:
            self._contexts[role, group] = Theirs.context(self._identities[role], group)
        return Theirs(role, self._contexts[role, group])

    def time_older(self, group: int, role: Role, whose: str) -> float:
        """One side of 1.2 in CPU milliseconds a handshake; pyOpenSSL is the other."""

        def side() -> Party:
            return self.ours(role, "1.2", group) if whose == "ours" else self.theirs(role, group)

        def other() -> Party:
            return self.theirs("server" if role == "client" else "client", group)

        if role == "client":
            spent, _, one = play(side, other, HANDSHAKES)
        else:
            _, spent, one = play(other, side, HANDSHAKES)
        check_group(one, group)
        return 1000 * spent / HANDSHAKES

    def time_newer(self, group: int) -> float:
        """Both sides of 1.3, both ours, in CPU milliseconds a handshake."""
        *spent, one = play(
            lambda: self.ours("client", "1.3", group), lambda: self.ours("server", "1.3", group), HANDSHAKES
        )
        check_group(one, group)
        return 1000 * sum(spent) / HANDSHAKES


def check_group(side: Party, group: int) -> None:
    """Raises `CommandFailed` where something else was measured than meant."""
    if side.group not in (None, GROUPS[group]):
        raise CommandFailed(f"the two sides agreed on {side.group} where it should be {GROUPS[group]}")


def measure(rounds: int, seed: int, *, compare: bool) -> Times:
    """Everything in turns, so that a slow moment of the machine hits all alike."""
    bench, times = Bench(seed), defaultdict[str, list[float]](list)
    for _ in range(rounds):
        for group in OLDER_GROUPS if compare else ():
            for role in ROLES:
                for whose in ("ours", "pyopenssl"):
                    times[f"dtls12_{slug(group)}_{whose}_{role}"].append(bench.time_older(group, role, whose))
        for group in NEWER_GROUPS:
            times[f"dtls13_{slug(group)}_ours"].append(bench.time_newer(group))
    return times


def slug(group: int) -> str:
    """A group's name in the name of a figure."""
    return GROUPS[group].lower().replace("-", "")


def both_sides(times: Times, group: int, whose: str) -> list[float]:
    """A client and a server of 1.2 together, a round each."""
    sides = [times[f"dtls12_{slug(group)}_{whose}_{role}"] for role in ROLES]
    return [sum(pair) for pair in zip(*sides, strict=True)]


def ratio(times: Times, group: int) -> float:
    """Our CPU time to pyOpenSSL's."""
    pairs = zip(both_sides(times, group, "ours"), both_sides(times, group, "pyopenssl"), strict=True)
    return median(ours / theirs for ours, theirs in pairs)


def figures_of(times: Times, *, compare: bool) -> dict[str, float]:
    """What goes into the report, by name."""
    figures = {f"{name}_ms": round(median(spent), 3) for name, spent in times.items()}
    for group in OLDER_GROUPS if compare else ():
        for whose in ("ours", "pyopenssl"):
            spent = median(both_sides(times, group, whose))
            figures[f"dtls12_{slug(group)}_{whose}_per_cpu_second"] = round(1000 / spent)
        figures[f"{slug(group)}_ratio_to_pyopenssl"] = round(ratio(times, group), 3)
    if compare:
        figures["ratio_to_pyopenssl"] = figures[f"{slug(X25519)}_ratio_to_pyopenssl"]
    for group in NEWER_GROUPS:
        spent = median(times[f"dtls13_{slug(group)}_ours"])
        figures[f"dtls13_{slug(group)}_ours_per_cpu_second"] = round(1000 / spent)
    return figures


def show(figures: dict[str, float], *, compare: bool) -> None:
    """A table and a verdict."""
    print("handshakes a CPU second     ours   pyOpenSSL   ratio of CPU time")
    for group in OLDER_GROUPS if compare else ():
        cells = [figures[f"dtls12_{slug(group)}_{whose}_per_cpu_second"] for whose in ("ours", "pyopenssl")]
        times_as_much = figures[f"{slug(group)}_ratio_to_pyopenssl"]
        print(f"1.2  {GROUPS[group]:18} {cells[0]:9.0f} {cells[1]:11.0f} {times_as_much:19.2f}")
    for group in NEWER_GROUPS:
        print(f"1.3  {GROUPS[group]:18} {figures[f'dtls13_{slug(group)}_ours_per_cpu_second']:9.0f}")
    if compare:
        reached = "reached" if figures["ratio_to_pyopenssl"] <= GOAL else "missed"
        print(f"both sides of a handshake; the goal of {GOAL:.0f} times pyOpenSSL's CPU time is {reached}.")
    else:
        print("both sides of a handshake; pyOpenSSL is not installed (pip install pyopenssl), so nothing is compared.")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `meetref lab handshakes`."""
    parser.add_argument("--quick", action="store_true", help="three rounds")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of keys and randoms (1)")
    parser.add_argument("--rounds", type=int, metavar="R", help="how often each has its turn (15)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")


def run(arguments: argparse.Namespace) -> int:
    """Measure, print, write. Raises `CommandFailed`."""
    rounds = arguments.rounds if arguments.rounds is not None else (3 if arguments.quick else 15)
    if not 1 <= rounds <= 1000:
        raise CommandFailed("--rounds go from 1 to 1000", Exit.WRONG_COMMAND_LINE)
    compare = Theirs.is_installed()
    figures = figures_of(measure(rounds, arguments.seed, compare=compare), compare=compare)
    show(figures, compare=compare)
    if arguments.json is not None:
        Report(
            lab="handshakes",
            seed=arguments.seed,
            settings={"rounds": rounds, "handshakes_a_round": HANDSHAKES, "pyopenssl": compare},
            figures=figures,
        ).write(arguments.json)
    return Exit.DONE
