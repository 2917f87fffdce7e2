"""What tutorial 6 asks for, made of the real thing: without `--module`, test_srtp.py looks at this."""

from __future__ import annotations

from meetref.protocol.certificate import fingerprints_match
from meetref.protocol.keyschedule import SRTP_LABEL, SRTP_SIZES, SRTPKeys, divide_srtp_keys, pseudorandom
from meetref.protocol.srtp import open_session
from meetref.protocol.srtpgcm import GcmDirection
from meetref.protocol.srtpindex import derive
from meetref.wire import rtp
from meetref.wire.reader import Malformed

__all__ = ["Receiver", "Sender", "derive", "divide", "keying_material", "seal", "seal_control", "unseal", "vouches"]

PROFILES = {16: 0x0007, 32: 0x0008}  # by the octets of a key
ENCRYPTED = 1 << 31


def vouches(fingerprint: str, certificate: bytes) -> bool:
    name, _, value = fingerprint.partition(" ")
    return fingerprints_match(certificate, [(name, value)])


def keying_material(master: bytes, client_random: bytes, server_random: bytes, size: int) -> bytes:
    return pseudorandom(master, SRTP_LABEL, client_random + server_random, size)


def divide(material: bytes, key_octets: int, salt_octets: int) -> tuple[bytes, bytes, bytes, bytes]:
    profile = next(number for number, sizes in SRTP_SIZES.items() if sizes == (key_octets, salt_octets))
    keys = divide_srtp_keys(material, "client", profile)
    return keys.local_key, keys.remote_key, keys.local_salt, keys.remote_salt


def seal(key: bytes, salt: bytes, packet: bytes, index: int) -> bytes:
    start, way = rtp.payload_offset(packet), GcmDirection(key, salt, 64)
    source = way.begin(int.from_bytes(packet[8:12]), 0)
    return packet[:start] + way.seal(source, index, packet[:start], packet[start:])


def unseal(key: bytes, salt: bytes, packet: bytes, index: int) -> bytes | None:
    try:
        start, way = rtp.payload_offset(packet), GcmDirection(key, salt, 64)
    except Malformed:
        return None
    opened = way.open(way.begin(int.from_bytes(packet[8:12]), 0), index, packet[:start], packet[start:])
    return None if opened is None else packet[:start] + opened


def seal_control(key: bytes, salt: bytes, packet: bytes, index: int) -> bytes:
    way, trailer = GcmDirection(key, salt, 64), (ENCRYPTED | index).to_bytes(4)
    source = way.begin(int.from_bytes(packet[4:8]), 0)
    return packet[:8] + way.seal(source, index, packet[:8] + trailer, packet[8:]) + trailer


class Sender:
    def __init__(self, master_key: bytes, master_salt: bytes) -> None:
        here, nobody = (master_key, master_salt), (bytes(len(master_key)), bytes(len(master_salt)))
        session = open_session(SRTPKeys(PROFILES[len(master_key)], *here, *nobody))
        self.lock, self.lock_control = session.lock, session.lock_control


class Receiver:
    def __init__(self, master_key: bytes, master_salt: bytes) -> None:
        there, nobody = (master_key, master_salt), (bytes(len(master_key)), bytes(len(master_salt)))
        session = open_session(SRTPKeys(PROFILES[len(master_key)], *nobody, *there))
        self.unlock, self.unlock_control = session.unlock, session.unlock_control
