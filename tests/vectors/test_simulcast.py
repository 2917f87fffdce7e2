"""Replays vectors/simulcast against the reading and answering of descriptions.

Read next: tests/generate/simulcast.py, where the cases come from.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from meetref.wire import sdpattributes as attributes
from meetref.wire.reader import Malformed
from tests.generate.simulcast import reading, rid_reading, simulcast_reading
from tests.vectors.codeccases import Vector, load

PARSERS: dict[str, Callable[[str], Any]] = {
    "parse-rid": attributes.parse_rid,
    "parse-simulcast": attributes.parse_simulcast,
}


@pytest.mark.parametrize("vector", load("simulcast/lines"), ids=str)
def test_lines(vector: Vector) -> None:
    text = vector.given["text"]
    if vector.invalid:
        with pytest.raises(Malformed):
            PARSERS[vector.operation](text)
        return
    found = PARSERS[vector.operation](text)
    again: str
    if isinstance(found, attributes.RID):
        assert rid_reading(found) == vector.out
        again = attributes.serialize_rid(found)
    else:
        assert simulcast_reading(found) == vector.out
        again = attributes.serialize_simulcast(found)
    assert PARSERS[vector.operation](again) == found
    if "Canonical" in vector.flags:
        assert again == text


@pytest.mark.parametrize("vector", load("simulcast/offers"), ids=str)
def test_offers(vector: Vector) -> None:
    assert reading(vector.given["sdp"]) == vector.out
