"""The extensions of TLS hellos and of what belongs to them: each a value, each a row in a table.

    Extension:  type 2 | body <0..2^16-1>          a block of them: <0..2^16-1>

Which layout a number has depends on who speaks: a client lists the versions and key shares it offers, a server names
the one it chose, a HelloRetryRequest only the group it wants. So there are three tables with the same numbers.
Stands above `wire/reader`; `wire/tls` and `wire/handshake13` read the messages that carry extensions.
Specification: RFC 5746 section 3.2, RFC 5764 section 4.1.1, RFC 7301 section 3.1, RFC 7627 section 5.1, RFC 8422
section 5.1, RFC 8449 section 4, RFC 9846 section 4.3.
Leaves out: extensions that this system does not act on; they are kept as octets, so that nothing is lost.
Read next: `wire/tls.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from meetref.wire.reader import Malformed, Reader, vector


@dataclass(slots=True, frozen=True)
class Extension:
    """One extension of a hello; the subclasses say which."""


@dataclass(slots=True, frozen=True)
class SupportedGroups(Extension):
    """The key-exchange groups the sender can use, best first (RFC 8422 section 5.1.1)."""

    groups: tuple[int, ...]


@dataclass(slots=True, frozen=True)
class PointFormats(Extension):
    """How the sender can read points of a curve; only 0, uncompressed, is alive (RFC 8422 section 5.1.2)."""

    formats: bytes = b"\x00"


@dataclass(slots=True, frozen=True)
class SignatureAlgorithms(Extension):
    """The signatures the sender can verify, best first (RFC 5246 section 7.4.1.4.1)."""

    schemes: tuple[int, ...]


@dataclass(slots=True, frozen=True)
class UseSRTP(Extension):
    """The SRTP protection profiles the sender offers, best first, or the one it chose (RFC 5764 section 4.1.1)."""

    profiles: tuple[int, ...]
    key_identifier: bytes = b""


@dataclass(slots=True, frozen=True)
class ApplicationProtocols(Extension):
    """The application protocols the sender offers, best first, or the one it chose (RFC 7301 section 3.1)."""

    names: tuple[bytes, ...]


@dataclass(slots=True, frozen=True)
class ExtendedMasterSecret(Extension):
    """The master secret is to depend on the whole handshake (RFC 7627 section 5.1)."""


@dataclass(slots=True, frozen=True)
class RecordSizeLimit(Extension):
    """The largest plaintext, in octets, that the sender is willing to receive in one record (RFC 8449 section 4)."""

    limit: int


@dataclass(slots=True, frozen=True)
class RenegotiationInfo(Extension):
    """The verify data of the handshake before this one; empty in the first (RFC 5746 section 3.2)."""

    renegotiated_connection: bytes = b""


@dataclass(slots=True, frozen=True)
class SupportedVersions(Extension):
    """The versions a client offers, best first (RFC 9846 section 4.3.1)."""

    versions: tuple[int, ...]


@dataclass(slots=True, frozen=True)
class SelectedVersion(Extension):
    """The version a server chose (RFC 9846 section 4.3.1)."""

    version: int


@dataclass(slots=True, frozen=True)
class Cookie(Extension):
    """What a server wants to hear again; the client does not look inside (RFC 9846 section 4.3.2)."""

    octets: bytes


class Share(NamedTuple):
    """One side's public half of a key exchange, as it travels."""

    group: int
    octets: bytes


@dataclass(slots=True, frozen=True)
class KeyShares(Extension):
    """The shares of a client, for some of its groups, best first; none asks for a retry (RFC 9846 section 4.3.8)."""

    shares: tuple[Share, ...]


@dataclass(slots=True, frozen=True)
class ServerShare(Extension):
    """The server's share, for one of the groups for which the client sent one (RFC 9846 section 4.3.8)."""

    share: Share


@dataclass(slots=True, frozen=True)
class WantedGroup(Extension):
    """The group for which a HelloRetryRequest wants a share (RFC 9846 section 4.3.8)."""

    group: int


@dataclass(slots=True, frozen=True)
class UnknownExtension(Extension):
    """An extension that has no row in the table: its number and its octets."""

    type: int
    body: bytes


# --- reading and writing --------------------------------------------------------------------------


class ExtensionRow(NamedTuple):
    """How one type of extension is read from its body and written."""

    kind: type[Extension]
    read: Callable[[Reader], Extension]
    write: Callable[[Any], bytes]


def read_numbers(reader: Reader, length_size: int, what: str) -> tuple[int, ...]:
    """Numbers of two octets, at least one, behind the length of them all. Raises `Malformed`."""
    block, each = reader.within(length_size, what), f"one of {what}"
    if not block.remaining:
        raise Malformed(f"{what} without any", reader.offset)
    return tuple([block.uint16(each) for _ in range(0, block.remaining, 2)])


def write_numbers(length_size: int, numbers: Iterable[int]) -> bytes:
    """The octets that `read_numbers` reads."""
    return vector(length_size, b"".join(number.to_bytes(2, "big") for number in numbers))


def _protocols(reader: Reader) -> ApplicationProtocols:
    block, names = reader.within(2, "application protocols"), []
    while block.remaining:
        names.append(block.vector(1, "application protocol"))
    if not names or not all(names):
        raise Malformed("an empty application protocol, or none at all", reader.offset)
    return ApplicationProtocols(tuple(names))


def _cookie(reader: Reader) -> Cookie:
    octets = reader.vector(2, "cookie")
    if not octets:
        raise Malformed("an empty cookie", reader.offset)
    return Cookie(octets)


def _share(reader: Reader) -> Share:
    share = Share(reader.uint16("group"), reader.vector(2, "share"))
    if not share.octets:
        raise Malformed("an empty share", reader.offset)
    return share


def _write_share(share: Share) -> bytes:
    return share.group.to_bytes(2, "big") + vector(2, share.octets)


def _shares(reader: Reader) -> KeyShares:
    block, shares = reader.within(2, "key shares"), []
    while block.remaining:
        shares.append(_share(block))
    return KeyShares(tuple(shares))


COOKIE = ExtensionRow(Cookie, _cookie, lambda value: vector(2, value.octets))
SELECTED_VERSION = ExtensionRow(
    SelectedVersion,
    lambda reader: SelectedVersion(reader.uint16("selected version")),
    lambda value: value.version.to_bytes(2, "big"),
)
EXTENSIONS: Mapping[int, ExtensionRow] = {
    10: ExtensionRow(
        SupportedGroups,
        lambda reader: SupportedGroups(read_numbers(reader, 2, "supported groups")),
        lambda value: write_numbers(2, value.groups),
    ),
    11: ExtensionRow(
        PointFormats,
        lambda reader: PointFormats(reader.vector(1, "point formats")),
        lambda value: vector(1, value.formats),
    ),
    13: ExtensionRow(
        SignatureAlgorithms,
        lambda reader: SignatureAlgorithms(read_numbers(reader, 2, "signature algorithms")),
        lambda value: write_numbers(2, value.schemes),
    ),
    14: ExtensionRow(
        UseSRTP,
        lambda reader: UseSRTP(read_numbers(reader, 2, "SRTP profiles"), reader.vector(1, "master key identifier")),
        lambda value: write_numbers(2, value.profiles) + vector(1, value.key_identifier),
    ),
    16: ExtensionRow(
        ApplicationProtocols, _protocols, lambda value: vector(2, b"".join(vector(1, name) for name in value.names))
    ),
    23: ExtensionRow(ExtendedMasterSecret, lambda reader: ExtendedMasterSecret(), lambda value: b""),
    28: ExtensionRow(
        RecordSizeLimit,
        lambda reader: RecordSizeLimit(reader.uint16("record size limit")),
        lambda value: value.limit.to_bytes(2, "big"),
    ),
    43: ExtensionRow(
        SupportedVersions,
        lambda reader: SupportedVersions(read_numbers(reader, 1, "supported versions")),
        lambda value: write_numbers(1, value.versions),
    ),
    44: COOKIE,
    51: ExtensionRow(
        KeyShares, _shares, lambda value: vector(2, b"".join(_write_share(share) for share in value.shares))
    ),
    0xFF01: ExtensionRow(
        RenegotiationInfo,
        lambda reader: RenegotiationInfo(reader.vector(1, "renegotiated connection")),
        lambda value: vector(1, value.renegotiated_connection),
    ),
}
SERVER_EXTENSIONS: Mapping[int, ExtensionRow] = {
    **{number: row for number, row in EXTENSIONS.items() if row is not COOKIE},
    43: SELECTED_VERSION,
    51: ExtensionRow(ServerShare, lambda reader: ServerShare(_share(reader)), lambda value: _write_share(value.share)),
}
RETRY_EXTENSIONS: Mapping[int, ExtensionRow] = {
    43: SELECTED_VERSION,
    44: COOKIE,
    51: ExtensionRow(
        WantedGroup,
        lambda reader: WantedGroup(reader.uint16("wanted group")),
        lambda value: value.group.to_bytes(2, "big"),
    ),
}
_ROWS = {
    row.kind: (number, row)
    for table in (EXTENSIONS, SERVER_EXTENSIONS, RETRY_EXTENSIONS)
    for number, row in table.items()
}

E = TypeVar("E", bound=Extension)


def find_extension(extensions: Iterable[Extension], kind: type[E]) -> E | None:
    """The extension of that kind, or None when it is not there."""
    return next((extension for extension in extensions if isinstance(extension, kind)), None)


def extension_number(extension: Extension) -> int:
    """The number under which an extension is registered."""
    return extension.type if isinstance(extension, UnknownExtension) else _ROWS[type(extension)][0]


def parse_extensions(reader: Reader, table: Mapping[int, ExtensionRow]) -> tuple[Extension, ...]:
    """Read a block of extensions, which may be empty. Raises `Malformed`."""
    block = reader.within(2, "extensions")
    found: dict[int, Extension] = {}
    while block.remaining:
        number = block.uint16("extension type")
        body = block.within(2, "extension")
        if number in found:
            raise Malformed(f"extension {number} twice", block.offset)  # spec: handshake12/extension-twice
        row = table.get(number)
        # spec: handshake12/unknown-extensions-ignored
        found[number] = row.read(body) if row else UnknownExtension(number, body.rest())
        body.expect_end(f"extension {number}")
    return tuple(found.values())


def serialize_extensions(extensions: Iterable[Extension]) -> bytes:
    """The block of extensions with its length."""
    block = bytearray()
    for extension in extensions:
        if isinstance(extension, UnknownExtension):
            number, body = extension.type, extension.body
        else:
            number, row = _ROWS[type(extension)]
            body = row.write(extension)
        block += number.to_bytes(2, "big") + vector(2, body)
    return vector(2, bytes(block))
