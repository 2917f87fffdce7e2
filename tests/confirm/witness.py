"""What the confirmers of rtp, rtcp and vp8 share: asking a witness group by group, and the entry it earns.

Stands below `tests/confirm/{rtp,rtcp,vp8}.py`. Read next: `tests/confirm/rtp.py`.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from typing import Any

Case = dict[str, Any]


def agreeing(
    data: dict[str, Any],
    implementation: str,
    version: str,
    how: Mapping[str, str],
    ask: Callable[[str, list[Case]], None],
) -> list[dict[str, Any]]:
    """A `verified_by` entry for every group with all of whose cases a witness agrees.

    `how` says for each operation that the witness knows what it does; `ask` takes the operation and the cases, and
    raises where the witness says something else. A group of which it knows no operation is passed over.
    """
    today = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
    entries = []
    for number, group in enumerate(data["groups"]):
        operation = group["params"]["operation"]
        if operation not in how:
            continue
        try:
            ask(operation, group["tests"])
        except (AssertionError, LookupError, ValueError):
            continue
        said = {"implementation": implementation, "version": version, "date": today, "how": how[operation]}
        entries.append({**said, "group": number})
    return entries
