"""Makes vectors/handshake12/refusals: handshakes in which the other side is wrong, and what must come of each.

Read next: tests/generate/handshake12lies.py (what is wrong), dtlsrefusals.py (what a case has).
"""

from __future__ import annotations

from typing import Any

from tests.generate.dtlsrefusals import refusals
from tests.generate.handshake12lies import to_client, to_server

SOURCE = "RFC 5246 sections 7.2.2 and 7.4, RFC 8422 section 5, RFC 5764 section 4.1, RFC 6347 section 4.2"


def sets() -> dict[str, dict[str, Any]]:
    """The set of the refused handshakes."""
    sides = {"client": to_client(), "server": to_server()}
    return {"handshake12/refusals": refusals("handshake12-refusals", "1.2", sides, dict.fromkeys(sides, SOURCE))}
