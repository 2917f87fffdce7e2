"""Where a topic is, as it is written; what a broker says is tried in tests/peers/test_kafka.py."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.archive.broker import Place, read_place
from meetref.wire.reader import Malformed


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("kafka://localhost:9092/events", Place("localhost:9092", "events")),
        (
            "kafka://192.0.2.1:9092,kafka-2.example:9093/a.b_c-9",
            Place("192.0.2.1:9092,kafka-2.example:9093", "a.b_c-9"),
        ),
        ("kafka://[2001:db8::1]:9092/events", Place("[2001:db8::1]:9092", "events")),
    ],
)
def test_a_place_is_read(url: str, place: Place) -> None:
    assert read_place(url) == place


@pytest.mark.parametrize(
    "url", ["kafka://h:1/..", "kafka://h:1/" + "x" * 250, "kafka://h:1,/x", "kafka://u:p@h:1/x", "kafka://h:1/x\n"]
)
def test_what_is_no_place_is_told(url: str) -> None:
    with pytest.raises(Malformed, match="HOST:PORT/TOPIC"):
        read_place(url)


@given(st.text() | st.text().map(lambda text: "kafka://" + text))
def test_anything_is_a_place_or_malformed(url: str) -> None:
    try:
        place = read_place(url)
    except Malformed:
        return
    assert f"kafka://{place.servers}/{place.topic}" == url
