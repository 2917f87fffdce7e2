"""What the confirmers of rtp, rtcp and vp8 share: the groups that name a witness, and the entry it earns.

Stands below `tests/confirm/{rtp,rtcp,vp8}.py`. Read next: `tests/confirm/rtp.py`.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Group:
    """The cases of one group, what is done with them, and how the witness confirms it."""

    operation: str
    how: str
    tests: list[dict[str, Any]]


def cases_of(data: dict[str, Any], implementation: str) -> list[Group]:
    """The groups of a set whose `verified_by` names `implementation`."""
    return [
        Group(group["params"]["operation"], witness["how"], group["tests"])
        for group in data["groups"]
        for witness in group["verified_by"]
        if witness["implementation"] == implementation
    ]


def entry(implementation: str, version: str, groups: Sequence[Group]) -> dict[str, str]:
    """The `verified_by` entry of a witness that agreed with all of `groups`, today."""
    today = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
    how = "; ".join(dict.fromkeys(group.how for group in groups))
    return {"implementation": implementation, "version": version, "date": today, "how": how}
