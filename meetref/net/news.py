"""What gathering tells: which servers there are, what they found, and what is wrong with them, in words.

Stands below `net/gathering` and its parts; `app/doctor` prints these. Source: none; the house's own.
Read next: `net/gathering.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from meetref.net.relayed import Over
from meetref.protocol.request import RELIABLE_TIMEOUT
from meetref.wire.address import Address
from meetref.wire.candidate import Candidate
from meetref.wire.uri import ServerUri


@dataclass(slots=True, frozen=True)
class Server:
    """One server, and what opens it."""

    uri: ServerUri
    username: str = ""
    password: str = field(default="", repr=False)


@dataclass(slots=True, frozen=True)
class Found:
    """A candidate; datagrams for it have `base` as their local address, in both directions."""

    candidate: Candidate
    base: Address
    server: str = ""


@dataclass(slots=True, frozen=True)
class Seen:
    """A server has answered: the one at `address` sees what comes from `base` as `mapped`.

    `other` is an address of another host at which it answers, too, if it says so (RFC 5780 section 7.4).
    """

    server: str
    over: Over
    base: Address
    mapped: Address
    address: Address
    other: Address | None = None


@dataclass(slots=True, frozen=True)
class Trouble:
    """A server is of no use over one transport, or not any more. `why` says it in words, `code` is the server's."""

    server: str
    over: Over
    why: str
    code: int = 0


@dataclass(slots=True, frozen=True)
class Complete:
    """Every server has answered or failed."""


News = Found | Seen | Trouble | Complete


def in_words(why: str, code: int = 0, *, relays: bool = False) -> str:
    """Why a server is of no use, for people. `why` is a machine's short phrase, `code` the server's."""
    if code == 401 and why == "refused":
        return "it wants a user name and a password"
    if code == 401:
        return f"this {'TURN' if relays else 'STUN'} server refused the password"
    if why == "disconnected":
        return "the connection to it ended"
    if why == "no answer":
        return f"no answer in {RELIABLE_TIMEOUT} s"
    return REFUSALS.get(code, f"{why} ({code})" if code else why)


REFUSALS = {
    403: "it forbids that",
    437: "it takes our port for somebody else's",
    440: "it has no addresses of the family that was asked for",
    442: "it relays no UDP",
    486: "this user has as many addresses there as are allowed",
    508: "it has no addresses left",
}
