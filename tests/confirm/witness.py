"""What all confirmers share: who is asked, group by group, and the entry that agreeing earns.

A module of this folder names its witnesses, and what each says to the cases of an operation; the rest is here.
Stands below the modules named by a stem. Read next: `tests/confirm/rtp.py`.
"""

from __future__ import annotations

import datetime
import importlib.metadata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Case = dict[str, Any]
Ask = Callable[[str, list[Case]], None]
Entries = list[dict[str, Any]]


class Absent(RuntimeError):
    """A witness is not on this machine, or it does not give out what is wanted."""


@dataclass(slots=True, frozen=True)
class Witness:
    """An implementation that nobody here wrote.

    `version` tells the one that is here, or raises `Absent`. `how` says for each operation that it knows what it does;
    `ask` takes an operation and all cases of a group, and raises where it says something else than the vectors.
    """

    implementation: str
    version: Callable[[], str]
    how: Mapping[str, str]
    ask: Ask


def package(name: str) -> Callable[[], str]:
    """The version of an installed Python package."""

    def version() -> str:
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            raise Absent from None

    return version


def one_by_one(ask: Callable[[str, Case], None]) -> Ask:
    """A witness that is asked about each case by itself; `ask` takes the operation and the case."""

    def ask_all(operation: str, cases: list[Case]) -> None:
        for case in cases:
            ask(operation, case)

    return ask_all


def asked(data: dict[str, Any], *witnesses: Witness) -> Entries:
    """A `verified_by` entry for each group and each witness on this machine that agrees with all of its cases."""
    entries: Entries = []
    for witness in witnesses:
        try:
            entries += _agreeing(data, witness, witness.version())
        except Absent:
            continue
    return entries


def entry(implementation: str, version: str, how: str) -> dict[str, Any]:
    """What stands in `verified_by`, with today's date."""
    today = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
    return {"implementation": implementation, "version": version, "date": today, "how": how}


def _agreeing(data: dict[str, Any], witness: Witness, version: str) -> Entries:
    """A group of which the witness knows no operation is passed over."""
    entries = []
    for number, group in enumerate(data["groups"]):
        operation = group["params"]["operation"]
        if operation not in witness.how:
            continue
        try:
            witness.ask(operation, group["tests"])
        except (AssertionError, LookupError, ValueError):
            continue
        entries.append({**entry(witness.implementation, version, witness.how[operation]), "group": number})
    return entries
