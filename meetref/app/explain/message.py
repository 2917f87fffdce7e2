"""What stands where in a handshake message: the parsers of `wire/` read it, and what they read becomes fields.

A certificate and a signature are octets to TLS; here they are opened further, as DER.
Stands above `wire/tracing`, `wire/der` and `explain/words`.
Specification: that of the parsers, `wire/handshake12` and `wire/handshake13`; RFC 5280 section 4.1 (certificates).
Leaves out: checks. What a parser refuses is told as octets.
Read next: `explain/conversation.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from meetref.app.explain.field import Field, row
from meetref.app.explain.words import EXTENSION_NAMES, EXTENSION_WHYS, meaning
from meetref.wire import der, handshake12, handshake13
from meetref.wire.reader import Malformed, Reader
from meetref.wire.tls import RETRY_RANDOM
from meetref.wire.tracing import Read, TracingReader

# What stands where in a certificate: the way there through its elements, its name, why it is there.
CERTIFICATE = {
    (0,): ("certificate", "Signed as a whole by its owner."),
    (0, 0): ("to be signed", "What the signature at the end covers."),
    (0, 0, 0): ("certificate version", "2 means version 3, the one with extensions."),
    (0, 0, 1): ("serial number", "By chance. An authority would count, and a self-signed certificate needs to differ."),
    (0, 0, 2): ("signature algorithm", "Said again, inside what is signed."),
    (0, 0, 3): ("issuer", "Itself. No authority vouches for it."),
    (0, 0, 4): ("validity", "From, until. Browsers do not look: the call is shorter."),
    (0, 0, 5): ("subject", "A name that nobody looks at: browsers write WebRTC or numbers by chance."),
    (0, 0, 6): ("public key", "The only part that matters: CertificateVerify proves who has the other half."),
    (0, 0, 6, 0): ("kind of key", "An elliptic curve, and which."),
    (0, 0, 6, 1): ("point", "The public key: a point of the curve, not compressed, after one octet of unused bits."),
    (0, 0, 7): ("certificate extensions", "None is needed here."),
    (0, 1): ("signature algorithm", "How the owner signed."),
    (0, 2): ("signature of the certificate", "By its own key. It proves little: the fingerprint does."),
}
SIGNATURE = {
    (0,): ("ECDSA signature", "Two numbers, r and s."),
    (0, 0): ("r", "From the point that a number used only once leads to."),
    (0, 1): ("s", "From r, the hash of what is signed, and the private key."),
}
NAMES = {11: "Certificate"}
POINT = "The public half of a key that lives for this handshake."
SHARES = {  # by their size: X25519MLKEM768 of a client and of a server, and a point of P-256
    1216: (("encapsulation key", 1184, "ML-KEM-768: with it the server sends a secret that only the client can open."),
           ("X25519 point", 32, POINT)),
    1120: (("ML-KEM ciphertext", 1088, "The secret, as only the client can open it. No quantum computer helps, as "
            "far as is known."),
           ("X25519 point", 32, POINT + " Both secrets are used: who wants the keys has to break both.")),
    65: (("form", 1, "4: both coordinates follow."), ("x", 32, POINT), ("y", 32, POINT)),
    32: (("X25519 point", 32, POINT),),
}  # fmt: skip
HEAD_WHY = "DER: which type follows, and how long it is."
OBJECTS = {
    "2a8648ce3d0201": "ecPublicKey", "2a8648ce3d030107": "P-256", "2a8648ce3d040302": "ecdsa-with-SHA256",
    "550403": "commonName", "2b81040022": "P-384",
}  # fmt: skip


def message_name(kind: int, body: bytes, newer: bool) -> str:
    """The name of a message by its type; a HelloRetryRequest is told from a ServerHello by its random."""
    name, _ = _row(kind, newer)
    return "HelloRetryRequest" if name == "ServerHello" and body[2:34] == RETRY_RANDOM else name


def message_fields(kind: int, body: bytes, newer: bool) -> list[Field]:
    """What is in the body of a whole message. Octets that no parser understands are one field."""
    name, reader = message_name(kind, body, newer), TracingReader(body)
    try:
        _row(kind, newer)[1](reader)
        reader.expect_end(name)
    except Malformed:
        return [Field(0, len(body), "octets", "", "Not understood.")] if body else []
    return _fields(body, reader.reads, (name,))


def _row(kind: int, newer: bool) -> tuple[str, Callable[[Reader], object]]:
    """Name and parser of a type of message."""
    if newer and kind in handshake13.MESSAGES:
        row = handshake13.MESSAGES[kind]
        return NAMES.get(kind, row.kind.__name__), row.read
    if not newer and kind in handshake12.MESSAGES:
        older = handshake12.MESSAGES[kind]
        return NAMES.get(kind, older.kind.__name__), older.read
    return f"message of type {kind}", lambda reader: None


def fields_of(body: bytes, reader: TracingReader, context: str) -> list[Field]:
    """What a parser has read of something that is no handshake message."""
    return _fields(body, reader.reads, (context,))


def _fields(body: bytes, reads: Sequence[Read], context: tuple[str, ...]) -> list[Field]:
    found: list[Field] = []
    pending: Field | None = None  # the number of an extension, which is told together with what it holds
    for read in reads:
        octets = body[read.offset : read.offset + read.length]
        if pending is not None and read.name in ("extension length", "extension"):
            pending = _extend(pending, read, body, context)
            continue
        if read.name == "extension type":
            number = int.from_bytes(octets, "big")
            leaf = _leaf(read, octets, context)
            name = EXTENSION_NAMES.get(number, f"extension {number}")
            pending = Field(read.offset, 2, name, "", EXTENSION_WHYS.get(number, "Not acted on here."), [leaf])
            found.append(pending)
            continue
        found.append(_group(read, body, context) if read.parts else _leaf(read, octets, context))
    return found


def _extend(pending: Field, read: Read, body: bytes, context: tuple[str, ...]) -> Field:
    """Put what was read of an extension into the field that began with its number."""
    octets = body[read.offset : read.offset + read.length]
    inner = (*context, pending.name)
    pending.length += read.length
    if read.name == "extension" and read.parts:
        pending.parts += _fields(body, read.parts, inner)
    else:
        pending.parts.append(_leaf(read, octets, inner))
    return pending


def _group(read: Read, body: bytes, context: tuple[str, ...]) -> Field:
    return Field(read.offset, read.length, read.name, parts=_fields(body, read.parts, context))


def _leaf(read: Read, octets: bytes, context: tuple[str, ...]) -> Field:
    value, why = meaning(context, read.name, octets)
    made = Field(read.offset, read.length, read.name, value, why)
    if read.name == "share" and read.length in SHARES:
        cells = [(name, size, f"{size} octets", why) for name, size, why in SHARES[read.length]]
        made.parts = row(read.offset, *cells)
    table = {"certificate": CERTIFICATE, "signature": SIGNATURE}.get(read.name)
    if table is not None:
        try:
            made.parts = list(_der(octets, der.walk(octets), (), read.offset, table))
        except Malformed:
            made.parts = []
    return made


def _der(
    octets: bytes,
    reads: Sequence[Read],
    way: tuple[int, ...],
    shift: int,
    table: dict[tuple[int, ...], tuple[str, str]],
) -> Iterator[Field]:
    """DER elements as fields; what `table` has no name for is called by its tag."""
    for index, read in enumerate(reads):
        here = (*way, index)
        name, why = table.get(here, (read.name, ""))
        outer = Field(shift + read.offset, read.length, name, "", why)
        for part in read.parts:
            value = octets[part.offset : part.offset + part.length]
            if part.name == der.HEAD:
                shown = f"{der.tag_name(value[0])}, {read.length - part.length} octets"
                outer.parts.append(Field(shift + part.offset, part.length, "tag and length", shown, HEAD_WHY))
            elif part.name == der.VALUE:
                outer.parts.append(
                    Field(shift + part.offset, part.length, name, _shown(read.name, value), why or _inside(way, table))
                )
        inner = [part for part in read.parts if part.name not in (der.HEAD, der.VALUE)]
        outer.parts += _der(octets, inner, here, shift, table)
        yield outer


def _inside(way: tuple[int, ...], table: dict[tuple[int, ...], tuple[str, str]]) -> str:
    """Why something without a name of its own is there: it belongs to what is around it."""
    while way not in table and way:
        way = way[:-1]
    name, why = table.get(way, ("", ""))
    return f"Belongs to: {name}. {why}" if name else "Belongs to what is around it."


def _shown(tag: str, value: bytes) -> str:
    if tag == "OBJECT IDENTIFIER":
        return OBJECTS.get(value.hex(), value.hex(" "))
    if tag in ("UTF8String", "PrintableString", "UTCTime", "GeneralizedTime"):
        return value.decode("ascii", "replace")
    if tag == "INTEGER" and len(value) <= 4:
        return str(int.from_bytes(value, "big"))
    return f"{len(value)} octets"
