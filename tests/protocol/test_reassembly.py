"""Fragments in any order, overlapping, twice; and every bound that keeps a stranger from filling memory."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.protocol.reassembly import (
    MAXIMUM_AHEAD,
    MAXIMUM_ASKED,
    MAXIMUM_GAPS,
    MAXIMUM_HELD,
    MAXIMUM_MESSAGE,
    Reassembly,
)
from meetref.wire.dtls import Fragment


@pytest.mark.spec("dtls/any-order", "dtls/overlaps")
@given(size=st.integers(0, 300), seed=st.integers(0, 10_000))
def test_any_cut_in_any_order_gives_the_message(size: int, seed: int) -> None:
    dice = random.Random(seed)
    body = dice.randbytes(size)
    cuts = sorted({0, size, *(dice.randrange(size + 1) for _ in range(dice.randrange(8)))})
    pieces = [(start, min(size, end + dice.randrange(20))) for start, end in pairwise(cuts)]
    pieces = pieces or [(0, 0)]
    pieces += dice.choices(pieces, k=3)
    dice.shuffle(pieces)
    reassembly = Reassembly()
    for start, end in pieces:
        assert reassembly.add(Fragment(11, size, 0, start, body[start:end])) == "kept"
    message = reassembly.take()
    assert message is not None
    assert message.body == body
    assert message.octets()[:12] == bytes((11,)) + size.to_bytes(3, "big") + bytes(5) + size.to_bytes(3, "big")
    assert reassembly.held == 0


@pytest.mark.spec("dtls/message-order")
def test_messages_are_taken_in_the_order_of_their_numbers() -> None:
    reassembly = Reassembly()
    for number in (2, 0, 1):
        reassembly.add(Fragment(11, 1, number, 0, bytes((number,))))
    taken = [reassembly.take(), reassembly.take(), reassembly.take(), reassembly.take()]
    assert [message.number if message else None for message in taken] == [0, 1, 2, None]
    assert reassembly.add(Fragment(11, 1, 2, 0, b"x")) == "old"


@pytest.mark.spec("dtls/overlaps")
def test_the_first_octets_stay() -> None:
    reassembly = Reassembly()
    reassembly.add(Fragment(11, 4, 0, 1, b"bc"))
    reassembly.add(Fragment(11, 4, 0, 0, b"AXYZ"))
    message = reassembly.take()
    assert message is not None
    assert message.body == b"AbcZ"


@pytest.mark.spec("dtls/fragments-agree")
def test_fragments_of_one_message_agree() -> None:
    reassembly = Reassembly()
    assert reassembly.add(Fragment(11, 4, 0, 0, b"ab")) == "kept"
    assert reassembly.add(Fragment(12, 4, 0, 2, b"cd")) == "refused"
    assert reassembly.add(Fragment(11, 5, 0, 2, b"cd")) == "refused"
    assert reassembly.add(Fragment(11, 4, 0, 2, b"cd")) == "kept"
    assert reassembly.take() is not None


def test_an_empty_fragment_of_a_message_brings_nothing() -> None:
    reassembly = Reassembly()
    for offset in range(4):
        assert reassembly.add(Fragment(11, 4, 0, offset, b"")) == "kept"
    assert reassembly.take() is None


@pytest.mark.spec("dtls/reassembly-bounds")
def test_a_hello_has_a_number_that_questions_explain() -> None:
    reassembly = Reassembly()
    assert reassembly.add(Fragment(1, 1, MAXIMUM_ASKED + 1, 0, b"x")) == "refused"
    assert reassembly.add(Fragment(1, 1, MAXIMUM_ASKED, 0, b"x")) == "kept"


@pytest.mark.spec("dtls/reassembly-bounds")
def test_bounds() -> None:
    reassembly = Reassembly()
    assert reassembly.add(Fragment(11, MAXIMUM_MESSAGE + 1, 0, 0, b"x")) == "refused"
    assert reassembly.add(Fragment(11, 10, MAXIMUM_AHEAD + 1, 0, b"x")) == "refused"
    for number in range(MAXIMUM_AHEAD):
        reassembly.add(Fragment(11, MAXIMUM_MESSAGE, number, 0, b"x"))
    assert reassembly.held <= MAXIMUM_HELD
    reassembly.forget()
    assert reassembly.held == 0
    verdicts = [reassembly.add(Fragment(11, MAXIMUM_MESSAGE, 0, 2 * at, b"x")) for at in range(MAXIMUM_GAPS + 1)]
    assert verdicts == ["kept"] * MAXIMUM_GAPS + ["refused"]
