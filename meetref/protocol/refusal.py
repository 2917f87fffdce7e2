"""How a handshake ends early: the alert for the peer, a sentence for the owner.

Stands at the bottom of the handshakes: whatever decides in them may refuse, and only the endpoint catches it.
Specification: RFC 5246 section 7.2.2, RFC 9846 section 6.2 (which alert says what).
Leaves out: the way of the alert to the peer. Read next: `protocol/keyshare.py`.
"""

from __future__ import annotations

from typing import NoReturn


class Refused(Exception):
    """The handshake ends here: `alert` is told to the peer, `why` to the owner. Never leaves the endpoint."""

    def __init__(self, alert: str, why: str) -> None:
        super().__init__(why)
        self.alert = alert
        self.why = why


def refuse(alert: str, why: str) -> NoReturn:
    """End the handshake. `why` is a sentence for the owner."""
    raise Refused(alert, why)
