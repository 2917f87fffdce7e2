"""Who else allocates as vectors/allocation: nobody that can be asked, so its groups stay provisional.

Jitsi's bridge, LiveKit and mediasoup decide inside a running server, from rates that they measured themselves, and none
of them serves sound first. What they have in common with us is in spec/allocation.toml, with the document it is from.
Read next: tests/generate/allocation.py.
"""

from __future__ import annotations

from typing import Any


def confirm(set_name: str, data: dict[str, Any]) -> list[dict[str, Any]]:
    """No entry."""
    return []
