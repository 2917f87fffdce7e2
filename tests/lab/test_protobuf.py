"""As much of protobuf as the lab speaks: what is written can be read, and no bytes make more than `Malformed` of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.lab import protobuf
from meetref.wire.reader import Malformed

numbers = st.integers(1, 2**20)


@given(st.dictionaries(numbers, st.one_of(st.integers(0, 2**64 - 1), st.text(), st.binary())))
def test_what_is_written_can_be_read(fields: dict[int, int | str | bytes]) -> None:
    read = protobuf.parse(protobuf.serialize(fields))
    assert read[0] == {number: value for number, value in fields.items() if isinstance(value, int)}
    texts = {number: value.encode() if isinstance(value, str) else value for number, value in fields.items()}
    assert read[1] == {number: value for number, value in texts.items() if isinstance(value, bytes)}


def test_a_message_within_a_message() -> None:
    """The example of the encoding guide: field 3 is a message whose field 1 is 150."""
    assert protobuf.serialize({3: {1: 150}}) == bytes.fromhex("1a03089601")
    assert protobuf.parse(bytes.fromhex("1a03089601")) == ({}, {3: bytes.fromhex("089601")})


def test_numbers_of_fixed_size_are_skipped() -> None:
    assert protobuf.parse(b"\x09" + bytes(8) + b"\x15" + bytes(4) + b"\x18\x05") == ({3: 5}, {})


@given(st.binary(max_size=64))
def test_any_bytes(data: bytes) -> None:
    try:
        read, contents = protobuf.parse(data)
    except Malformed:
        return
    assert all(value >= 0 for value in read.values())
    assert sum(len(content) for content in contents.values()) <= len(data)


@pytest.mark.parametrize("text", ["0a", "0a05ff", "08", "08ffffffffffffffffffff01", "0b", "0d0000", "0900"])
def test_what_ends_too_early_or_has_no_kind_is_malformed(text: str) -> None:
    with pytest.raises(Malformed):
        protobuf.parse(bytes.fromhex(text))
