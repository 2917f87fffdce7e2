"""Counts what is alive: every object of ours, by type, and how full each of its tables is.

A leak shows as a type or a table that goes on growing, and is named. Memory in octets would not say where.
Used by `test_growth.py`. Leaves out: what C libraries keep (SQLite, SRTP), and tables in local variables, except
in the total of objects, where everything that can hold something else is counted.
"""

from __future__ import annotations

import gc
from collections import Counter, deque
from collections.abc import Iterator
from typing import Any

TABLES = (dict, list, set, deque, bytearray)
EVERYTHING = "objects in all"


def census() -> Counter[str]:
    """Numbers by name: `meeting.up.Up` is how many there are, `meeting.up.Up.streams` how many rows theirs have."""
    gc.collect()
    alive = gc.get_objects()
    counts = Counter({EVERYTHING: len(alive)})
    for thing in alive:
        module = type(thing).__module__
        if isinstance(module, str) and module.startswith("meetref."):
            name = f"{module.removeprefix('meetref.')}.{type(thing).__qualname__}"
            counts[name] += 1
            for attribute, value in attributes(thing):
                if isinstance(value, TABLES):
                    counts[f"{name}.{attribute}"] += len(value)
    return counts


def attributes(thing: object) -> Iterator[tuple[str, Any]]:
    """What an object holds, whether it has slots or not."""
    yield from getattr(thing, "__dict__", {}).items()
    for kind in type(thing).__mro__:
        slots = kind.__dict__.get("__slots__", ())
        for slot in (slots,) if isinstance(slots, str) else slots:
            if slot not in ("__dict__", "__weakref__") and hasattr(thing, slot):
                yield slot, getattr(thing, slot)


def growth(before: Counter[str], after: Counter[str], *, ratio: float, allowance: int) -> dict[str, tuple[int, int]]:
    """What is larger than `ratio` times what it was, and by more than `allowance`."""
    return {
        name: (before[name], count)
        for name, count in after.items()
        if count > ratio * before[name] and count > before[name] + allowance
    }
