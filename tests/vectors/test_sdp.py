"""Replays vectors/sdp against our offers and answers. Read next: tests/generate/sdp.py, where the cases come from."""

from __future__ import annotations

import json

import pytest

from meetref.protocol.answering import read_offer
from meetref.protocol.offering import read_answer
from meetref.wire import sdp
from meetref.wire.reader import Malformed
from tests.generate.sdp import answer_reading, offer_reading, slots_from
from tests.vectors.codeccases import Vector, load


@pytest.mark.parametrize("vector", [*load("sdp/offers"), *load("sdp/down")], ids=str)
def test_offers(vector: Vector) -> None:
    if vector.invalid:
        with pytest.raises(Malformed):
            read_offer(vector.given["sdp"])
    else:  # what is acceptable we take
        assert json.loads(json.dumps(offer_reading(read_offer(vector.given["sdp"])))) == vector.out


@pytest.mark.parametrize("vector", load("sdp/answers"), ids=str)
def test_answers(vector: Vector) -> None:
    slots = slots_from(vector.given["slots"])
    if vector.invalid:
        with pytest.raises(Malformed):
            read_answer(vector.given["sdp"], slots)
    else:
        assert json.loads(json.dumps(answer_reading(read_answer(vector.given["sdp"], slots)))) == vector.out


@pytest.mark.parametrize("vector", [*load("sdp/offers"), *load("sdp/down"), *load("sdp/answers")], ids=str)
def test_nothing_is_lost_in_a_round_trip(vector: Vector) -> None:
    if not vector.invalid:
        session = sdp.parse(vector.given["sdp"])
        assert sdp.parse(sdp.serialize(session)) == session
