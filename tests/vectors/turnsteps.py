"""From the words of vectors/turn/allocations to attributes: what the player and the witnesses share.

Stands below tests/vectors/test_turn.py and tests/confirm/turn.py. Read next: vectors/turn/README.md.
"""

from __future__ import annotations

from typing import Any

from meetref.wire import turn
from meetref.wire.address import Address, canonical_host
from meetref.wire.attribute import ATTRIBUTES

METHODS = {
    "Allocate": turn.ALLOCATE,
    "Refresh": turn.REFRESH,
    "CreatePermission": turn.CREATE_PERMISSION,
    "ChannelBind": turn.CHANNEL_BIND,
}
TYPES = {codec.name: kind for kind, codec in ATTRIBUTES.items()}


def place(text: str) -> Address:
    host, _, port = text.rpartition(":")
    return Address(canonical_host(host.strip("[]")), int(port))


def attributes_of(told: dict[str, Any], bound: dict[str, Any]) -> list[tuple[int, Any]]:
    """The attributes of a request; `bound` are values that earlier answers had."""
    given: list[tuple[int, Any]] = []
    for name, value in told.items():
        if name == "XOR-PEER-ADDRESS":
            given += [(TYPES[name], place(text)) for text in value]
        elif name == "RESERVATION-TOKEN":
            given.append((TYPES[name], bound[value["bound"]] if isinstance(value, dict) else bytes.fromhex(value)))
        elif name.startswith("0x"):
            given.append((int(name, 16), bytes.fromhex(value)))
        else:
            given.append((TYPES[name], value))
    return given
