"""Flights of 1.3: every datagram fits, and nothing that arrived goes again."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.protocol import keyschedule13
from meetref.protocol.flight import MINIMUM_DATAGRAM, SMALL_DATAGRAM
from meetref.protocol.flight13 import MAXIMUM_RECORDS, Flight13, Receipts
from meetref.protocol.keyschedule13 import SUITES
from meetref.protocol.reassembly import Message, Reassembly
from meetref.protocol.recordlayer13 import Opened, RecordLayer13
from meetref.wire import dtls
from meetref.wire.dtls import RecordNumber

KEYS = keyschedule13.traffic_keys(SUITES[0x1301], bytes(32))


def layers() -> tuple[RecordLayer13, RecordLayer13]:
    sealer, opener = RecordLayer13(), RecordLayer13()
    sealer.install_sealer(2, KEYS)
    opener.install_opener(2, KEYS)
    return sealer, opener


def opened(data: bytes, opener: RecordLayer13) -> list[Opened]:
    found = []
    for record in dtls.mixed_records(data):
        if isinstance(record, dtls.Record):
            found.append(Opened(record.content_type, record.payload, RecordNumber(0, record.sequence)))
        else:
            each = opener.open(record)
            assert isinstance(each, Opened)
            found.append(each)
    return found


@pytest.mark.spec("dtls/fragments-fit", "handshake13/ack-partial", "handshake13/ack-ends-flight")
@given(
    sizes=st.lists(st.integers(0, 2000), min_size=1, max_size=5),
    limit=st.integers(MINIMUM_DATAGRAM, 1500),
    seed=st.integers(0, 99),
)
def test_what_is_acknowledged_never_goes_again(sizes: list[int], limit: int, seed: int) -> None:
    dice, (sealer, opener) = random.Random(seed), layers()
    messages = [Message(11, number, dice.randbytes(size)) for number, size in enumerate(sizes)]
    flight, reassembly = Flight13(limit), Reassembly()
    flight.begin([(2 if message.number else 0, message) for message in messages], 0.0)
    taken: list[Message] = []
    arrived: set[tuple[int, int]] = set()
    for turn in range(200):
        for datagram in flight.datagrams(sealer):
            assert len(datagram) <= limit
            if dice.random() < 0.5:
                continue
            for each in opened(datagram, opener):
                for fragment in dtls.fragments(each.plaintext):
                    octets = {
                        (fragment.number, at) for at in range(fragment.offset, fragment.offset + len(fragment.body))
                    }
                    assert not octets & arrived
                    arrived |= octets
                    reassembly.add(fragment)
                assert flight.acknowledge([each.number], 2)
            while (message := reassembly.take()) is not None:
                taken.append(message)
        if not flight.is_open:
            break
        flight.repeat(float(turn))
    assert taken == messages
    assert flight.deadline == math.inf
    assert not list(flight.datagrams(sealer))


def test_a_record_takes_all_that_fits() -> None:
    flight, (sealer, opener) = Flight13(600), layers()
    messages = [Message(8, number, bytes(size)) for number, size in enumerate((90, 40, 10, 500, 60))]
    flight.begin([(2 if message.number else 0, message) for message in messages], 0.0)
    first, second = flight.datagrams(sealer)
    assert [[fragment.number for fragment in dtls.fragments(each.plaintext)] for each in opened(first, opener)] == [
        [0],
        [1, 2, 3],
    ]
    assert len(first) == 600  # to the last octet
    record = opened(second, opener)[0]
    assert [fragment.number for fragment in dtls.fragments(record.plaintext)] == [3, 4]
    assert flight.acknowledge([record.number, RecordNumber(0, 0)], 2)
    rest = b"".join(flight.datagrams(sealer))
    assert [fragment.number for each in opened(rest, opener) for fragment in dtls.fragments(each.plaintext)] == [
        1,
        2,
        3,
    ]


def test_datagrams_become_smaller_after_three_tries_and_records_are_forgotten() -> None:
    flight, (sealer, _) = Flight13(1200), layers()
    flight.begin([(2, Message(1, 0, bytes(3000)))], 0.0)
    for now in range(400):
        largest = max(map(len, flight.datagrams(sealer)))
        assert largest == 1200 if now < 3 else largest <= SMALL_DATAGRAM
        flight.repeat(float(now))
    assert len(flight._records) == MAXIMUM_RECORDS
    assert not flight.acknowledge([RecordNumber(2, 0)], 2)
    assert flight.is_untouched


def test_receipts_are_sorted_and_bounded() -> None:
    receipts = Receipts()
    assert not receipts
    for sequence in range(200, 0, -1):
        receipts.note(RecordNumber(2, sequence))
    receipts.wait(3.0)
    receipts.wait(5.0)
    assert receipts.deadline == 3.0
    numbers = dtls.parse_ack(receipts.acknowledgement(1200))
    assert list(numbers) == [RecordNumber(2, sequence) for sequence in range(1, 65)]
    assert receipts.deadline == math.inf
    newest = dtls.parse_ack(receipts.acknowledgement(200))
    assert list(newest) == [RecordNumber(2, sequence) for sequence in range(1, 12)]  # 22 + 2 + 11 * 16 octets
    receipts.clear()
    assert dtls.parse_ack(receipts.acknowledgement(1200)) == ()
