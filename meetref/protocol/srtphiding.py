"""SRTP that hides headers too: who is speaking how loud is nobody's business on the way. Two ways, both an option.

    cryptex:   | 12 octets | CSRCs     | 0xC0DE, length | extension | payload |     one key stream for all that is
               |  clear    | encrypted |     clear      |    encrypted        |     hidden; the tag 0xC0DE says so

    elements:  | 12 octets, CSRCs, 0xBEDE, length | id, length | value     | ... |  another key stream, laid over the
               |               clear              |   clear    | encrypted |     |  values of the elements agreed on

Stands above `protocol/srtpsession`, whose packets it makes and reads otherwise; `protocol/srtp` opens it.
Specification: RFC 9335 (cryptex); RFC 6904, RFC 7714 section 8.3 (elements).
Cryptex is agreed on by `a=cryptex` where `protocol/peer` is told so.
Leaves out: `urn:ietf:params:rtp-hdrext:encrypt` in SDP, which no browser offers: of elements a session is told by its
owner. Also cryptex as a must: what comes unhidden is taken.
Read next: tests/protocol/test_srtphiding.py, where the published packets are.
"""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from meetref.protocol.keyschedule import SRTPKeys
from meetref.protocol.lock import LockRefused
from meetref.protocol.srtpindex import HEADER_KEY, HEADER_SALT, Source, derive
from meetref.protocol.srtpsession import Make, OwnSession
from meetref.wire import rtp
from meetref.wire.reader import Malformed

# spec: srtp/cryptex-tags
HIDDEN = {rtp.ONE_BYTE: 0xC0DE, rtp.TWO_BYTE: 0xC2DE}
SHOWN = {hidden: shown for shown, hidden in HIDDEN.items()}
SALT_OCTETS = 14
EXTENSION_BIT = 0x10


@dataclass(frozen=True, slots=True)
class Hiding:
    """What is hidden of a header: with `cryptex` all but its first 12 octets, else the values of `elements`, by id."""

    cryptex: bool = False
    elements: frozenset[int] = frozenset()


class HidingSession(OwnSession):
    """A `protocol.lock.Session` for any cipher that hides of headers what it is told to."""

    __slots__ = ("_hiding", "_in_veil", "_out_veil")

    def __init__(self, keys: SRTPKeys, make: Make, hiding: Hiding) -> None:
        super().__init__(keys, make)
        self._hiding = hiding
        self._out_veil = Veil(keys.local_key, keys.local_salt, hiding.elements)
        self._in_veil = Veil(keys.remote_key, keys.remote_salt, hiding.elements)

    def _seal(self, source: Source, index: int, head: bytes, payload: bytes) -> bytes:
        if self._hiding.cryptex:
            marked = mark(head)
            if marked is not None:  # spec: srtp/hiding-one-way
                clear, hidden, extension = split(marked)
                return join(clear, self._out.seal(source, index, clear, hidden + extension + payload))
        try:
            # spec: srtp/header-elements-before-tag
            return super()._seal(source, index, self._out_veil.cover(head, index), payload)
        except Malformed as error:
            raise LockRefused(error.what) from None

    def _open(self, source: Source, index: int, locked: bytes, start: int) -> bytes | None:
        head = locked[:start]
        if self._hiding.cryptex and _profile(head) in SHOWN:  # spec: srtp/cryptex-tag-checked
            clear, hidden, extension = split(head)
            plain = self._in.open(source, index, clear, hidden + extension + locked[start:])
            return None if plain is None else unmark(join(clear, plain))
        plain = super()._open(source, index, locked, start)
        try:
            # spec: srtp/header-elements-after-tag
            return None if plain is None else self._in_veil.cover(plain[:start], index) + plain[start:]
        except Malformed:
            return plain  # authentic, and yet no elements: whoever reads them will say so


# --- cryptex --------------------------------------------------------------------------------------


def _profile(head: bytes) -> int | None:
    """The word that says what the extension is, or None where there is no extension."""
    at = rtp.HEADER_SIZE + (head[0] & 0x0F) * 4
    return int.from_bytes(head[at : at + 2]) if head[0] & EXTENSION_BIT else None


def mark(head: bytes) -> bytes | None:
    """The header with the word that says it is hidden, or None where nothing is to hide, or nothing may be.

    CSRCs without an extension get an empty one, which is where the word stands.
    """
    at = rtp.HEADER_SIZE + (head[0] & 0x0F) * 4
    profile = _profile(head)
    if profile is None and at > rtp.HEADER_SIZE:
        # spec: srtp/cryptex-empty-extension
        return bytes([head[0] | EXTENSION_BIT]) + head[1:] + rtp.extension_head.pack(HIDDEN[rtp.ONE_BYTE], 0)
    if profile is None or profile not in HIDDEN:  # spec: srtp/cryptex-known-extensions-only
        return None
    return head[:at] + HIDDEN[profile].to_bytes(2) + head[at + 2 :]


def unmark(packet: bytes) -> bytes:
    """The packet with the word that its extension has in the open."""
    at = rtp.HEADER_SIZE + (packet[0] & 0x0F) * 4
    return packet[:at] + SHOWN[int.from_bytes(packet[at : at + 2])].to_bytes(2) + packet[at + 2 :]


def split(head: bytes) -> tuple[bytes, bytes, bytes]:
    """What stays clear of a marked header, its CSRCs, and the elements of its extension."""
    at = rtp.HEADER_SIZE + (head[0] & 0x0F) * 4
    # spec: srtp/cryptex-associated-data
    return head[: rtp.HEADER_SIZE] + head[at : at + 4], head[rtp.HEADER_SIZE : at], head[at + 4 :]


def join(clear: bytes, hidden: bytes) -> bytes:
    """The packet: the CSRCs, the first of what was hidden, stand before the extension's head, which is clear."""
    # spec: srtp/cryptex-hidden-part
    csrcs = (clear[0] & 0x0F) * 4
    return clear[: rtp.HEADER_SIZE] + hidden[:csrcs] + clear[rtp.HEADER_SIZE :] + hidden[csrcs:]


# --- elements -------------------------------------------------------------------------------------


class Veil:
    """The key stream that is laid over the values of some elements, in one direction; laid on twice it is off again."""

    __slots__ = ("_cipher", "_elements", "_salt")

    def __init__(self, master_key: bytes, master_salt: bytes, elements: frozenset[int]) -> None:
        # spec: srtp/header-elements-keys
        key = derive(master_key, master_salt, HEADER_KEY, len(master_key))
        self._cipher = Cipher(algorithms.AES(key), modes.CTR(bytes(16))).encryptor()
        # As long as the session's own salt, so with AES-GCM two octets of the counter's 14 are not salted.
        salt = derive(master_key, master_salt, HEADER_SALT, len(master_salt))
        self._salt = int.from_bytes(salt.ljust(SALT_OCTETS, b"\0"))
        self._elements = elements

    def cover(self, head: bytes, index: int) -> bytes:
        """The header with the values exclusive-ored. Raises `Malformed`."""
        if not self._elements or not head[0] & EXTENSION_BIT:
            return head
        begin = rtp.HEADER_SIZE + (head[0] & 0x0F) * 4 + 4  # the key stream begins with the first element
        counter = self._salt << 16 ^ int.from_bytes(head[8:12]) << 64 ^ index << 16
        # spec: srtp/header-elements-stream
        self._cipher.reset_nonce(counter.to_bytes(16))
        stream = bytes(begin) + self._cipher.update(bytes(len(head) - begin))
        covered = bytearray(head)
        for number, at, size in rtp.element_places(head):
            if number in self._elements:  # spec: srtp/header-elements-mask
                covered[at : at + size] = bytes(a ^ b for a, b in zip(head[at : at + size], stream[at:], strict=False))
        return bytes(covered)
