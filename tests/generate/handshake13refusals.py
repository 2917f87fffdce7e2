"""Makes vectors/handshake13/refusals: handshakes in which the other side is wrong, and what must come of each.

Read next: tests/generate/handshake13lies.py and handshake13clientlies.py (what is wrong), dtlsrefusals.py (a case).
"""

from __future__ import annotations

from typing import Any

from tests.generate.dtlsrefusals import refusals
from tests.generate.handshake13clientlies import to_server
from tests.generate.handshake13lies import to_client

SOURCE = "RFC 9846 sections 4, 5.1 and 6, RFC 9147 section 5, RFC 5764 section 4.1"


def sets() -> dict[str, dict[str, Any]]:
    """The set of the refused handshakes."""
    sides = {"client": to_client(), "server": to_server()}
    return {"handshake13/refusals": refusals("handshake13-refusals", "1.3", sides, dict.fromkeys(sides, SOURCE))}
