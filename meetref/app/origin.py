"""Which names this server answers to, and which pages may speak to it.

Stands below `app/http` and `app/signaling`.
Two attacks end here. A foreign page opens a WebSocket to this server with the visitor's browser: its `Origin` gives it
away. A foreign name is made to point at 127.0.0.1 (DNS rebinding), so that the origin agrees: its `Host` gives it away.
Source: RFC 6454 (origins), RFC 6455 section 10.2 (check them), RFC 9112 section 3.2 (Host).
Leaves out: signed tokens; they say who may enter a room (`app/tokens`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from meetref.wire.address import canonical_host
from meetref.wire.reader import Malformed

PORTS = {"http": 80, "https": 443}


@dataclass(slots=True, frozen=True)
class HostNames:
    """The names in a `Host` header that are ours; `None`: any name, for a server whose names are not known.

    An IP address always is: rebinding needs a name. So is `localhost`, which no name server may redefine.
    """

    names: frozenset[str] | None = frozenset()

    @classmethod
    def told(cls, names: Iterable[str], *, only_loopback: bool) -> HostNames:
        """The names of the command line. Without any, a server on loopback has none and another answers to all."""
        known = frozenset(name.lower().rstrip(".") for name in names)
        return cls(known if known or only_loopback else None)

    def allows(self, host_header: str | None) -> bool:
        """Is this the header of a request that was meant for us?"""
        place = _place(f"http://{host_header}") if host_header else None
        if place is None:
            return False
        name = place[0]
        if self.names is None or name in self.names or name == "localhost" or name.endswith(".localhost"):
            return True
        return _is_address(name)


def is_same_origin(origin: str | None, host_header: str | None) -> bool:
    """Did our own page send this? A program that is no browser sends no `Origin`, and may come in."""
    if origin is None:
        return True
    scheme = origin.partition(":")[0].lower()
    if scheme not in PORTS or not host_header:
        return False  # "null" (a sandboxed page, a file) among them
    place = _place(origin)
    return place is not None and place == _place(f"{scheme}://{host_header}")


def is_name(text: str) -> bool:
    """May a host be called so, in the form in which browsers write it into `Host`? An IP address is fine, too."""
    return _is_address(text) or re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?\.?", text) is not None


def _place(url: str) -> tuple[str, int] | None:
    """Name and port of a URL that has nothing behind them."""
    try:
        parts = urlsplit(url)
        if parts.hostname is None or parts.path or parts.query or parts.fragment or parts.username is not None:
            return None
        return parts.hostname.rstrip("."), parts.port or PORTS[parts.scheme]
    except ValueError:
        return None


def _is_address(name: str) -> bool:
    try:
        canonical_host(name)
    except Malformed:
        return False
    return True
