"""Flights are cut to size, put together by the other side, and repeated with longer and longer waits."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.protocol.flight import (
    FIRST_TIMEOUT,
    LONGEST_TIMEOUT,
    MINIMUM_DATAGRAM,
    MINIMUM_ECHO_GAP,
    SMALL_DATAGRAM,
    CipherChange,
    Flight,
)
from meetref.protocol.keyschedule import KeyBlock
from meetref.protocol.reassembly import Message, Reassembly
from meetref.protocol.recordlayer import RecordLayer
from meetref.wire import dtls
from meetref.wire.handshake12 import FINISHED

KEYS = KeyBlock(bytes(16), bytes(16), bytes(4), bytes(4))


def protected() -> RecordLayer:
    records = RecordLayer()
    records.install(KEYS, "client")
    return records


@pytest.mark.spec("dtls/fragments-fit", "dtls/record-within-datagram")
@given(
    sizes=st.lists(st.integers(0, 3000), min_size=1, max_size=5),
    limit=st.integers(MINIMUM_DATAGRAM, 1500),
    seed=st.integers(),
)
def test_every_datagram_fits_and_the_messages_come_out(sizes: list[int], limit: int, seed: int) -> None:
    dice, records, opener = random.Random(seed), protected(), RecordLayer()
    opener.install(KEYS, "server")
    messages = [Message(11, number, dice.randbytes(size)) for number, size in enumerate(sizes)]
    finished = Message(FINISHED, len(sizes), bytes(12))
    flight = Flight(limit)
    flight.begin([*messages, CipherChange(), finished], 0.0, awaits_answer=True)
    reassembly, changes = Reassembly(), 0
    taken: list[Message] = []
    for datagram in flight.datagrams(records):
        assert len(datagram) <= limit
        for record in dtls.parse(datagram):
            plaintext = opener.open(record)
            assert isinstance(plaintext, bytes)
            changes += record.content_type == dtls.CHANGE_CIPHER_SPEC
            for fragment in dtls.fragments(plaintext) if record.content_type == dtls.HANDSHAKE else ():
                assert record.epoch == (fragment.type == FINISHED)
                assert reassembly.add(fragment) == "kept"
            while (message := reassembly.take()) is not None:
                taken.append(message)
    assert taken == [*messages, finished]
    assert changes == 1


@pytest.mark.spec("dtls/timer-doubles")
def test_the_wait_doubles_up_to_a_minute_and_shrinks_after_an_answer_at_once() -> None:
    flight = Flight(1200)
    flight.begin([Message(1, 0, b"")], 0.0, awaits_answer=True)
    waits, now = [flight.deadline], 0.0
    for _ in range(10):
        now = flight.deadline
        flight.repeat(now)
        waits.append(flight.deadline - now)
    assert waits[:3] == pytest.approx([FIRST_TIMEOUT, 2 * FIRST_TIMEOUT, 4 * FIRST_TIMEOUT])
    assert waits[-1] == LONGEST_TIMEOUT
    flight.begin([Message(1, 1, b"")], now, awaits_answer=True)
    assert flight.deadline - now == LONGEST_TIMEOUT
    flight.begin([Message(1, 2, b"")], now, awaits_answer=True)
    assert flight.deadline - now == pytest.approx(FIRST_TIMEOUT)


@pytest.mark.spec("dtls/smaller-after-tries")
def test_datagrams_become_smaller_after_three_tries() -> None:
    flight, records = Flight(1200), RecordLayer()
    flight.begin([Message(1, 0, bytes(2000))], 0.0, awaits_answer=True)
    sizes = []
    for now in range(5):
        sizes.append(max(map(len, flight.datagrams(records))))
        flight.repeat(float(now))
    assert sizes[:3] == [1200] * 3
    assert max(sizes[3:]) <= SMALL_DATAGRAM


@pytest.mark.spec("dtls/copies-do-not-breed")
def test_an_echo_goes_out_once_in_a_while() -> None:
    flight = Flight(1200)
    assert not flight.may_echo(0.0)
    flight.begin([Message(1, 0, b"")], 0.0, awaits_answer=False)
    assert not flight.may_echo(MINIMUM_ECHO_GAP / 2)
    assert flight.may_echo(MINIMUM_ECHO_GAP)
    assert not flight.may_echo(1.5 * MINIMUM_ECHO_GAP)
    assert flight.deadline == math.inf
    flight.end()
    assert not flight.may_echo(10.0)
