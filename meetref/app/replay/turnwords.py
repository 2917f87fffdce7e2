"""From the words of vectors/turn/allocations to attributes and addresses.

Stands below `app/replay/turn`, which asks a running server, and tests/vectors/test_turn.py, which asks our machine.
Specification: vectors/turn/README.md. Read next: `app/replay/turn.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from meetref.wire import turn
from meetref.wire.address import Address, canonical_host
from meetref.wire.attribute import ATTRIBUTES, Attribute

METHODS = {
    "Allocate": turn.ALLOCATE,
    "Refresh": turn.REFRESH,
    "CreatePermission": turn.CREATE_PERMISSION,
    "ChannelBind": turn.CHANNEL_BIND,
}
TYPES = {codec.name: kind for kind, codec in ATTRIBUTES.items()}


def place(text: str) -> Address:
    """`203.0.113.9:4000` or `[2001:db8:9::9]:4000`."""
    host, _, port = text.rpartition(":")
    return Address(canonical_host(host.strip("[]")), int(port))


def attributes_of(
    told: Mapping[str, Any], bound: Mapping[str, Any], where: Callable[[str], Address] = place
) -> list[Attribute]:
    """The attributes of a request; `bound` are values that earlier answers had, `where` knows where peers are."""
    given: list[Attribute] = []
    for name, value in told.items():
        if name == "XOR-PEER-ADDRESS":
            given += [Attribute(TYPES[name], where(text)) for text in value]
        elif name == "RESERVATION-TOKEN":
            token = bound[value["bound"]] if isinstance(value, dict) else bytes.fromhex(value)
            given.append(Attribute(TYPES[name], token))
        elif name.startswith("0x"):
            given.append(Attribute(int(name, 16), bytes.fromhex(value)))
        else:
            given.append(Attribute(TYPES[name], value))
    return given
