"""A captured handshake, read: its datagrams as layers of fields, the protected records opened, the keys computed.

    datagram   on the wire:  record header | fragment header | a part of a message
                                           | sealed octets | tag
               inside of a protected record: the same once more, in the clear

Messages are put together from fragments first; then each fragment shows the fields, or parts of fields, that it has.
Stands above `explain/older` (1.2), `explain/newer` (1.3), `explain/message`, and the parsers.
Specification: RFC 6347 section 4.2, RFC 9147 sections 4 and 5.
Leaves out: all but the first handshake of a capture, seen at one interface.
Read next: `explain/page.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from meetref.app.explain.field import Datagram, Field, Layer, Step, everything, part_of, row
from meetref.app.explain.message import fields_of, message_fields, message_name
from meetref.app.explain.newer import Newer, Secrets, Titled
from meetref.app.explain.older import Older, plain_header
from meetref.net.decrypt import secrets_of
from meetref.protocol import keyschedule, keyschedule13
from meetref.protocol.keyschedule import Role
from meetref.protocol.reassembly import Message, Reassembly
from meetref.protocol.recordlayer13 import Opened
from meetref.wire import dtls, extension, handshake12, handshake13, tls, udp
from meetref.wire.address import Address
from meetref.wire.multiplex import classify_datagram
from meetref.wire.pcapng import Block, Packet
from meetref.wire.reader import Malformed, Reader
from meetref.wire.tracing import TracingReader

UNREADABLE = "Nobody here can read it."
PROTECTED = " (protected)"


class NothingToExplain(Exception):
    """There is no handshake of DTLS in the capture; `args[0]` says what is missing."""


@dataclass
class Explained:
    """A whole handshake. `ladder` has the keys, `version` is 1.2 or 1.3."""

    version: str
    client: Address
    server: Address
    datagrams: list[Datagram]
    ladder: list[Titled]


@dataclass
class _Seen:
    """A record of a datagram, where it stands, and what was inside."""

    start: int
    record: dtls.Record | dtls.Ciphertext
    opened: Opened | None

    @property
    def is_protected(self) -> bool:
        return isinstance(self.record, dtls.Ciphertext) or self.record.epoch > 0

    @property
    def size(self) -> int:
        record = self.record
        head = len(record.header) if isinstance(record, dtls.Ciphertext) else dtls.RECORD_HEADER.size
        return head + len(record.payload)


@dataclass
class _Listener:
    """Follows a conversation from its first datagram on."""

    secrets: Secrets
    shared_secret: bytes
    keys: Older | Newer | None = None
    fields: dict[tuple[Role, int], list[Field]] = field(default_factory=dict)  # of whole messages
    names: dict[tuple[Role, int], str] = field(default_factory=dict)
    _cookie: bytes = b""
    _early: list[tuple[Role, Message]] = field(default_factory=list)  # before the version is known
    _parts: dict[Role, Reassembly] = field(default_factory=lambda: {"client": Reassembly(), "server": Reassembly()})

    def hear(self, sender: Role, data: bytes) -> list[_Seen]:
        """The records of a datagram, opened; whole messages are taken note of."""
        seen: list[_Seen] = []
        start = 0
        for record in _records(data):
            opened = self.keys.open(sender, record) if self.keys is not None else None
            seen.append(_Seen(start, record, opened))
            start += seen[-1].size
            plain = isinstance(record, dtls.Record) and not record.epoch
            kind = record.content_type if isinstance(record, dtls.Record) and plain else opened and opened.content_type
            if kind == dtls.HANDSHAKE:
                with suppress(Malformed):  # it is shown as octets
                    self._take(sender, opened.plaintext if opened is not None else record.payload)
        return seen

    def _take(self, sender: Role, payload: bytes) -> None:
        parts = self._parts[sender]
        for fragment in dtls.fragments(payload):
            parts.add(fragment)
            while (message := parts.take()) is not None:
                self._message(sender, message)

    def _message(self, sender: Role, message: Message) -> None:
        self._early.append((sender, message))
        if self.keys is None and message.type == handshake13.SERVER_HELLO:
            self.keys = self._agreed(tls.parse_server_hello(Reader(message.body)))
        if self.keys is not None:
            for each in self._early:
                self._explain(self.keys, *each)
            self._early.clear()

    def _agreed(self, hello: tls.ServerHello) -> Older | Newer | None:
        if hello.is_retry:
            return None
        hellos = [each for _, each in self._early if each.type == handshake12.CLIENT_HELLO]
        if not hellos:
            raise NothingToExplain("the ClientHello is not whole")
        client_random = tls.parse_client_hello(Reader(hellos[-1].body)).random
        version = extension.find_extension(hello.extensions, extension.SelectedVersion)
        if version is not None and hello.cipher_suite in keyschedule13.SUITES:
            return Newer(hello, client_random, self.secrets, self.shared_secret)
        if version is None and hello.cipher_suite in keyschedule.SUITES:
            return Older(hello, client_random, self.secrets, self.shared_secret)
        raise NothingToExplain(
            f"the handshake is about a cipher suite that is not known here: {hello.cipher_suite:#06x}"
        )

    def _explain(self, keys: Older | Newer, sender: Role, message: Message) -> None:
        name = message_name(message.type, message.body, keys.newer)
        fields = message_fields(message.type, message.body, keys.newer)
        keys.hear(sender, name, message, fields)
        self._compare_cookie(name, message.body, fields)
        self.fields[sender, message.number], self.names[sender, message.number] = fields, name

    def _compare_cookie(self, name: str, body: bytes, fields: list[Field]) -> None:
        """A cookie comes back as it was given."""
        found = [each for each in everything(fields) if each.name == "cookie" and not each.parts]
        for each in found:
            octets = body[each.offset : each.end]
            if name == "ClientHello" and octets == self._cookie:
                each.steps = [
                    Step("cookie = the one that the server asked for", (("asked for", octets),), octets, ends=True)
                ]
            elif name != "ClientHello":
                self._cookie = octets


def explain(blocks: Sequence[Block], shared_secret: bytes = b"") -> Explained:
    """The first handshake of a capture. Raises `NothingToExplain`."""
    packets = list(_conversation(blocks))
    if not packets:
        raise NothingToExplain("no ClientHello is in it")
    client, server = packets[0][2].source, packets[0][2].destination
    listener = _Listener(secrets_of(blocks), shared_secret)
    heard = []
    for number, at, packet in packets:
        sender: Role = "client" if packet.source == client else "server"
        heard.append((number, at, sender, packet.data, listener.hear(sender, packet.data)))
    if listener.keys is None:
        raise NothingToExplain("no ServerHello is in it")
    datagrams = [_datagram(listener, *each) for each in heard]
    version = "1.3" if listener.keys.newer else "1.2"
    return Explained(version, client, server, datagrams, listener.keys.ladder())


def _conversation(blocks: Sequence[Block]) -> Iterator[tuple[int, float, udp.Packet]]:
    """The datagrams of DTLS between the first two that speak it, as one interface saw them, with packet numbers."""
    first: tuple[int, frozenset[Address]] | None = None
    begun = 0.0
    for number, block in enumerate((each for each in blocks if isinstance(each, Packet)), 1):
        try:
            packet = udp.parse(block.data)
        except Malformed:
            continue
        if not packet.data or classify_datagram(packet.data[0]) != "dtls":
            continue
        view = block.interface, frozenset((packet.source, packet.destination))
        if (
            first is None
            and packet.data[0] == dtls.HANDSHAKE
            and packet.data[13:14] == bytes((handshake12.CLIENT_HELLO,))
        ):
            first, begun = view, block.at_ns / 1e9
        if view == first:
            yield number, block.at_ns / 1e9 - begun, packet


def _records(data: bytes) -> list[dtls.Record | dtls.Ciphertext]:
    """Those of 1.2, or where these are none, those of 1.3; what cannot be read is left out, and all behind it."""
    try:
        return list(dtls.records(data))
    except Malformed:
        found: list[dtls.Record | dtls.Ciphertext] = []
        with suppress(Malformed):
            found.extend(dtls.mixed_records(data))
        return found


# --- layers -------------------------------------------------------------------------------------------


def _datagram(listener: _Listener, number: int, at: float, sender: Role, data: bytes, seen: list[_Seen]) -> Datagram:
    wire, inside, said = Layer("on the wire", data, []), [], []
    for index, each in enumerate(seen, 1):
        fields, words = _record(listener, sender, each)
        title = f"record {index}: {words}"
        wire.fields.append(Field(each.start, each.size, title, "", "", fields))
        said.append(words)
        if each.is_protected and each.opened is not None:
            inside.append(_opened_layer(listener, sender, title, each.opened))
    read = sum(each.size for each in seen)
    if read < len(data):
        wire.fields.append(Field(read, len(data) - read, "octets", "", UNREADABLE))
        said.append("octets")
    words = ", ".join(each.removesuffix(PROTECTED) for each in said)
    if said and all(each.endswith(PROTECTED) for each in said):
        words += PROTECTED
    return Datagram(number, at, sender, words, [wire, *inside])


def _record(listener: _Listener, sender: Role, seen: _Seen) -> tuple[list[Field], str]:
    record = seen.record
    if seen.is_protected:
        keys = listener.keys
        assert keys is not None  # `explain` has made sure
        if isinstance(record, dtls.Ciphertext) != keys.newer or len(record.payload) <= keys.overhead:
            return row(seen.start, ("octets", seen.size, "", UNREADABLE)), "octets"
        what = "protected"
        if seen.opened is not None:
            what = _words(listener, sender, seen.opened.content_type, seen.opened.plaintext) + PROTECTED
        return keys.sealed(sender, record, seen.start, seen.opened), what
    assert isinstance(record, dtls.Record)  # the other kind is protected
    start = seen.start + dtls.RECORD_HEADER.size
    fields = plain_header(record, seen.start) + _content(listener, sender, record.content_type, record.payload, start)
    return fields, _words(listener, sender, record.content_type, record.payload)


def _opened_layer(listener: _Listener, sender: Role, title: str, opened: Opened) -> Layer:
    """What is inside a protected record, in the clear."""
    title = f"inside {title.removesuffix(PROTECTED)}"
    content = _content(listener, sender, opened.content_type, opened.plaintext, 0)
    if listener.keys is None or not listener.keys.newer:
        return Layer(title, opened.plaintext, content)
    octets = opened.plaintext + bytes((opened.content_type,))
    content += row(
        len(opened.plaintext),
        ("content type", 1, f"{_kind(opened.content_type)}", "The true type, hidden behind the content. Zeros could "
         "follow, to hide the length as well."),
    )  # fmt: skip
    return Layer(title, octets, content)


def _kind(content_type: int) -> str:
    return f"{dtls.CONTENT_TYPES.get(content_type, 'ACK')} ({content_type})"


def _content(listener: _Listener, sender: Role, kind: int, payload: bytes, at: int) -> list[Field]:
    """The fields of what a record carries, which begins at `at` of its layer."""
    try:
        return _readable_content(listener, sender, kind, payload, at)
    except Malformed:
        return row(at, ("octets", len(payload), "", UNREADABLE))


def _readable_content(listener: _Listener, sender: Role, kind: int, payload: bytes, at: int) -> list[Field]:
    if kind == dtls.HANDSHAKE:
        return list(_fragments(listener, sender, payload, at))
    reader = TracingReader(payload)
    if kind == dtls.ALERT:
        reader.uint8("alert level")
        reader.uint8("alert description")
    elif kind == dtls.ACK:
        block = reader.within(2, "record numbers")
        while block.remaining:
            block.uint64("epoch")
            block.uint64("sequence")
    elif kind == dtls.CHANGE_CIPHER_SPEC:
        reader.bytes(len(payload), "change cipher spec")
    reader.bytes(reader.remaining, "octets")
    found = fields_of(payload, reader, "record")
    return [part for each in found if (part := part_of(each, 0, len(payload), at)) is not None]


def _fragments(listener: _Listener, sender: Role, payload: bytes, at: int) -> Iterator[Field]:
    for part in dtls.fragments(payload):
        size, name = len(part.body), listener.names.get((sender, part.number), f"message of type {part.type}")
        end = part.offset + size
        piece = "" if size == part.length else f", octets {part.offset} to {end - 1} of {part.length}"
        parts = row(
            at,
            ("message type", 1, f"{name} ({part.type})", "Which message of the handshake this is."),
            ("message length", 3, f"{part.length} octets", "Of the whole message, however many fragments it is in."),
            ("message number", 2, str(part.number), "A handshake goes in order, datagrams do not. A repetition has the "
             "same number, in a record with a new one."),
            ("fragment offset", 3, str(part.offset), "Where in the message this part stands: certificates and "
             "post-quantum shares do not fit into a datagram."),
            ("fragment length", 3, f"{size} octets", "How much of the message is here."),
        )  # fmt: skip
        whole = listener.fields.get((sender, part.number))
        start = at + dtls.FRAGMENT_HEADER_SIZE
        if whole is None:
            parts += row(start, ("part of a message", size, "", "The rest of it is not in the capture."))
        else:
            found = (part_of(each, part.offset, end, start - part.offset) for each in whole)
            parts += [each for each in found if each is not None]
        yield Field(at, dtls.FRAGMENT_HEADER_SIZE + size, name + piece, "", "", parts)
        at = start + size


def _whole_fragments(payload: bytes) -> Iterator[dtls.Fragment]:
    with suppress(Malformed):
        yield from dtls.fragments(payload)


def _words(listener: _Listener, sender: Role, kind: int, payload: bytes) -> str:
    """What is in a record, in a few words."""
    if kind == dtls.ALERT and len(payload) == 2:
        return f"alert {tls.parse_alert(payload).name}"
    if kind != dtls.HANDSHAKE:
        return _kind(kind).partition(" ")[0].replace("_", " ").replace("change cipher spec", "ChangeCipherSpec")
    said = []
    for part in _whole_fragments(payload):
        name = listener.names.get((sender, part.number), f"message of type {part.type}")
        said.append(name if len(part.body) == part.length else f"{name} (part)")
    return ", ".join(said)
