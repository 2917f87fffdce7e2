"""What all confirmers share: who is asked, group by group, and the entry that agreeing earns.

A module of this folder names its witnesses, and what each says to the cases of an operation; the rest is here.
Stands below the modules named by a stem. Read next: `tests/confirm/rtp.py`.
"""

from __future__ import annotations

import datetime
import importlib.metadata
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Event
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


def several_at_a_time(ask: Callable[[str, Case], None], how_many: int) -> Ask:
    """The same for a witness that mostly waits. After one case that raises the ones behind it are not asked."""

    def ask_all(operation: str, cases: list[Case]) -> None:
        has_differed = Event()

        def ask_one(case: Case) -> None:
            if has_differed.is_set():
                return
            try:
                ask(operation, case)
            except Exception:
                has_differed.set()
                raise

        with ThreadPoolExecutor(how_many) as pool:
            for _ in pool.map(ask_one, cases):
                pass

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


def is_wanted(data: dict[str, Any], group: dict[str, Any], name: str) -> bool:
    """Not where a case says that this witness differs; in a check, only where it is named."""
    differs = any(f"{name}Differs" in case.get("flags", ()) for case in group["tests"])
    return not differs and (not data.get("only_named") or name in {e["implementation"] for e in group["verified_by"]})


def _agreeing(data: dict[str, Any], witness: Witness, version: str) -> Entries:
    """A group of which the witness knows no operation is passed over, or for which it is not wanted."""
    entries = []
    for number, group in enumerate(data["groups"]):
        operation = group["params"]["operation"]
        named = {entry["implementation"] for entry in group["verified_by"]}
        if operation not in witness.how or not is_wanted(data, group, witness.implementation):
            continue
        try:
            witness.ask(operation, group["tests"])
        except (AssertionError, LookupError, ValueError) as error:
            if witness.implementation in named:  # it did agree once
                print(f"{witness.implementation}: {str(error)[:300]}", file=sys.stderr)
            continue
        entries.append({**entry(witness.implementation, version, witness.how[operation]), "group": number})
    return entries
