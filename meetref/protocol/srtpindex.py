"""Which packet is this, and has it been before? Indexes, replay, and the keys of SRTP, whatever the cipher.

A packet carries 16 bits of its number; its index has 48, and both ends must count the roll-overs alike.
Stands below `protocol/srtpsession` and the two transforms.
Specification: RFC 3711 sections 3.3.1 (index), 3.3.2 (replay), 4.3 (key derivation).
Leaves out: a key derivation rate, which WebRTC does not negotiate: keys are made once.
Read next: `protocol/srtpsession.py`.
"""

from __future__ import annotations

from array import array
from typing import NamedTuple

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from meetref.protocol.lock import LockRefused

SENDING_WINDOW = 256
"""Packets. Ours leave in order, but for a publisher's own disorder; what is later than this is refused."""

CONTROL_WINDOW = 128
"""Packets of RTCP, as libsrtp has it: compounds are few, and a late one has nothing new to say."""

LAST_INDEX = (1 << 48) - 1
LAST_CONTROL_INDEX = (1 << 31) - 1


class Labels(NamedTuple):
    """What the key derivation is told to make (RFC 3711 section 4.3.2, RFC 6904 section 3)."""

    key: int
    authentication: int
    salt: int


RTP_LABELS, RTCP_LABELS = Labels(0, 1, 2), Labels(3, 4, 5)
HEADER_KEY, HEADER_SALT = 6, 7


class Source:
    """The numbers of one SSRC: which packet comes next, and which indexes have had their turn.

    A ring: an index has its place by its low bits, and the place holds the highest one that was ever there. Whatever
    is not above that was used, or is older than the window.
    """

    __slots__ = ("base", "highest", "mask", "used")

    def __init__(self, base: int, window: int, first: int) -> None:
        self.base = base
        self.used = array("q", [-1]) * window
        self.mask = window - 1
        self.highest = first

    def index_of(self, sequence: int) -> int:
        """The index that a sequence number stands for: the one nearest to the highest (RFC 3711 appendix A).

        Before the first round there is none, so a number far ahead is far ahead there.
        """
        highest = self.highest
        index = highest & ~0xFFFF | sequence
        # spec: srtp/index-guess
        if index - highest > 0x8000 and index > 0xFFFF:
            return index - 0x10000
        return index + 0x10000 if highest - index > 0x8000 else index

    def is_fresh(self, index: int) -> bool:
        """Whether it may be used: neither used before nor too old to know, and there at all."""
        # spec: srtp/replay-window
        # spec: srtp/index-exhausted
        return self.highest - self.mask <= index <= LAST_INDEX and index > self.used[index & self.mask]

    def use(self, index: int) -> None:
        """A packet proved authentic, or was locked: its index has had its turn."""
        self.used[index & self.mask] = index  # spec: srtp/replay-updated-after-authentication
        if index > self.highest:
            self.highest = index  # spec: srtp/roll-over

    def claim(self, sequence: int) -> int:
        """The index of a packet to be locked; nobody gets it again. Raises `LockRefused`.

        It is mostly the next one. `is_fresh` and `use` are written out: every packet that leaves comes through here.
        """
        highest, used = self.highest, self.used
        index = highest + 1 if sequence == (highest + 1) & 0xFFFF else self.index_of(sequence)
        place = index & self.mask
        if not highest - self.mask <= index <= LAST_INDEX or index <= used[place]:
            raise LockRefused("index already used, or too old to know")  # spec: srtp/no-index-twice
        used[place] = index
        if index > highest:
            self.highest = index
        return index

    def claim_next(self) -> int:
        """The index of a control packet to be locked, which travels whole. Raises `LockRefused`."""
        index = self.highest + 1  # spec: srtp/control-index-counts
        if index > LAST_CONTROL_INDEX:
            raise LockRefused("no index is left")  # spec: srtp/index-exhausted
        self.use(index)
        return index


def derive(master_key: bytes, master_salt: bytes, label: int, octets: int) -> bytes:
    """A session key or salt: the key stream of AES in counter mode (RFC 3711 section 4.3.3, RFC 7714 section 11).

    `master_key` has 16 or 32 octets, `master_salt` 12 or 14.
    """
    # spec: srtp/key-derivation
    # spec: srtp/key-derivation-aead
    block = int.from_bytes(master_salt.ljust(14, b"\0")) ^ label << 48
    stream = Cipher(algorithms.AES(master_key), modes.CTR((block << 16).to_bytes(16))).encryptor()
    return stream.update(bytes(octets))
