"""Records of 1.3 are sealed and opened, once each, and only as they were sealed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.protocol import keyschedule13
from meetref.protocol.keyschedule13 import SUITES
from meetref.protocol.machine import ProtocolMisuse
from meetref.protocol.recordlayer import LAST_SEQUENCE
from meetref.protocol.recordlayer13 import OVERHEAD, Opened, RecordLayer13, nearest
from meetref.wire import dtls
from meetref.wire.dtls import Ciphertext, RecordNumber


def layers(suite: int = 0x1301, epochs: tuple[int, ...] = (3,)) -> tuple[RecordLayer13, RecordLayer13]:
    sealer, opener = RecordLayer13(), RecordLayer13()
    for epoch in epochs:
        keys = keyschedule13.traffic_keys(SUITES[suite], bytes((epoch,)) * SUITES[suite].hash_size)
        sealer.install_sealer(epoch, keys)
        opener.install_opener(epoch, keys)
    return sealer, opener


def only(data: bytes) -> Ciphertext:
    (record,) = dtls.mixed_records(data)
    assert isinstance(record, Ciphertext)
    return record


@pytest.mark.spec("dtls/unified-protection", "dtls/unified-replay")
@pytest.mark.parametrize("suite", SUITES)
def test_sealed_is_opened_once(suite: int) -> None:
    sealer, opener = layers(suite)
    for sequence in range(300):
        data = sealer.seal(3, dtls.APPLICATION_DATA, b"hello")
        assert len(data) == 5 + OVERHEAD
        assert opener.open(only(data)) == Opened(dtls.APPLICATION_DATA, b"hello", RecordNumber(3, sequence))
    assert opener.open(only(data)) == "record replayed"


@pytest.mark.spec("dtls/unified-protection")
def test_the_sequence_on_the_wire_tells_nothing() -> None:
    sealer, _ = layers()
    seen = [int.from_bytes(sealer.seal(3, 23, b"same")[1:3], "big") for _ in range(64)]
    assert seen != sorted(seen)
    assert len(set(seen)) > 60


@pytest.mark.spec("dtls/bad-record-dropped", "dtls/unified-protection", "dtls/ciphertext-too-short", "dtls/epoch-bits")
def test_every_part_is_bound() -> None:
    sealer, opener = layers()
    record = only(sealer.seal(3, 23, b"hello"))
    changed = [
        replace(record, header=bytes((record.header[0], record.header[1] ^ 1)) + record.header[2:]),
        replace(record, header=record.header[:3]),
        replace(record, payload=record.payload[:-1] + bytes((record.payload[-1] ^ 1,))),
        replace(record, payload=record.payload + b"\0"),
    ]
    assert {opener.open(each) for each in changed} == {"record not authentic"}
    assert opener.open(replace(record, payload=record.payload[:16])) == "record of an impossible length"
    assert opener.open(replace(record, header=b"\x2e" + record.header[1:])) == "record of another epoch"
    assert isinstance(opener.open(record), Opened)  # what was forged did not move the window


@pytest.mark.spec("dtls/unified-header-without-length", "dtls/padding-removed", "dtls/sequence-nearest")
@pytest.mark.parametrize("bits", [0, dtls.LENGTH_BIT, dtls.LONG_SEQUENCE_BIT])
def test_short_headers_and_padding_are_understood(bits: int) -> None:
    """What we never send: a sequence of one octet, no length, zeros behind the type."""
    sealer, opener = layers()
    direction = sealer._sealers[3]
    for sequence in (0, 1, 200, 255, 256, 300, 500):
        number = sequence.to_bytes(8, "big")
        size = 2 if bits & dtls.LONG_SEQUENCE_BIT else 1
        length = (5 + 1 + 7 + 16).to_bytes(2, "big") if bits & dtls.LENGTH_BIT else b""
        header = bytes((0x20 | bits | 3,)) + number[-size:] + length
        payload = direction.cipher.encrypt(direction.nonce(sequence), b"hello\x17" + bytes(7), header)
        data = Ciphertext(header, payload).unmasked(direction.mask(payload[:16]))[0] + payload
        opened = opener.open(only(data))
        if isinstance(opened, Opened):
            assert (opened.content_type, opened.plaintext, opened.number.sequence) == (23, b"hello", sequence)
        else:
            assert sequence in (200, 500)  # too far from the last one for eight bits
            assert size == 1


@pytest.mark.spec("dtls/padding-removed")
def test_nothing_but_zeros_has_no_type() -> None:
    sealer, opener = layers()
    opened = opener.open(only(sealer.seal(3, 0, bytes(20))))
    assert opened == Opened(0, b"", RecordNumber(3, 0))


@pytest.mark.spec("dtls/old-epoch-kept", "dtls/epoch-bits")
def test_old_epochs_stay_readable_for_a_while() -> None:
    sealer, opener = layers(epochs=(2, 3, 4, 5))
    assert isinstance(opener.open(only(sealer.seal(3, 23, b"old"))), Opened)
    assert isinstance(opener.open(only(sealer.seal(5, 23, b"new"))), Opened)
    assert opener.open(only(sealer.seal(2, 23, b"too old"))) == "record of another epoch"
    sealer.forget_sealers_before(4)
    with pytest.raises(ProtocolMisuse):
        sealer.seal(3, 23, b"")


@pytest.mark.spec("dtls/sequence-nearest")
@given(st.integers(0, 2**20), st.integers(-100, 100), st.sampled_from([8, 16]))
def test_the_nearest_number_is_found(expected: int, off: int, bits: int) -> None:
    sequence = max(0, expected + off)
    assert nearest(sequence & (1 << bits) - 1, bits, expected) == sequence


@given(st.binary(max_size=60))
def test_any_octets_are_opened_or_dropped(data: bytes) -> None:
    _, opener = layers()
    assert isinstance(opener.open(Ciphertext(b"\x2f\0\0\0\0", data)), str)


def test_misuse() -> None:
    layer = RecordLayer13()
    with pytest.raises((ProtocolMisuse, KeyError)):
        layer.seal(3, 23, b"")
    layer._next_sequence[0] = LAST_SEQUENCE + 1
    with pytest.raises(ProtocolMisuse):
        layer.seal(0, 21, b"")
