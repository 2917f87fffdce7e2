"""The reader succeeds or says where it failed; it never reads past its end."""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.wire.reader import Malformed, Reader

NUMBERS: list[tuple[int, Callable[[Reader], int]]] = [
    (1, Reader.uint8),
    (2, Reader.uint16),
    (3, Reader.uint24),
    (4, Reader.uint32),
    (6, Reader.uint48),
    (8, Reader.uint64),
]


@given(st.binary(max_size=10), st.sampled_from(NUMBERS))
def test_numbers_are_big_endian_or_missing(data: bytes, which: tuple[int, Callable[[Reader], int]]) -> None:
    size, read = which
    reader = Reader(data)
    if len(data) < size:
        with pytest.raises(Malformed):
            read(reader)
    else:
        assert read(reader) == int.from_bytes(data[:size], "big")
        assert reader.remaining == len(data) - size


def test_the_end_may_stand_before_the_end_of_the_octets() -> None:
    reader = Reader(b"abcdef", 1, 4)
    assert reader.bytes(2) == b"bc"
    with pytest.raises(Malformed) as caught:
        reader.bytes(2, "two letters")
    assert caught.value.offset == 3
    assert "two letters" in str(caught.value)
    assert reader.rest() == b"d"
    reader.expect_end("letters")


@given(st.binary(max_size=300), st.sampled_from([1, 2, 3]))
def test_a_vector_is_its_length_and_its_octets(data: bytes, size: int) -> None:
    if len(data) < 256**size:
        reader = Reader(len(data).to_bytes(size, "big") + data + b"more")
        assert reader.vector(size) == data
        assert reader.rest() == b"more"
    if len(data) + 1 < 256**size:
        with pytest.raises(Malformed):
            Reader((len(data) + 1).to_bytes(size, "big") + data).vector(size)


def test_the_rest_must_be_nothing() -> None:
    with pytest.raises(Malformed) as caught:
        Reader(b"ab", 1).expect_end("a letter")
    assert caught.value.offset == 1


def test_a_layout() -> None:
    reader = Reader(b"\x01\x00\x02")
    assert reader.struct(Struct("!BH"), "a byte and a number") == (1, 2)
    with pytest.raises(Malformed):
        reader.struct(Struct("!B"), "another byte")


def test_no_negative_sizes() -> None:
    with pytest.raises(Malformed):
        Reader(b"abc").bytes(-1)
