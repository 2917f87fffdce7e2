"""Bits: every number is read back as it was written, and what is not there is `Malformed`."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.wire.bits import BitReader, BitWriter
from meetref.wire.reader import Malformed

numbers = st.integers(1, 40).flatmap(lambda width: st.tuples(st.just(width), st.integers(0, (1 << width) - 1)))


@given(st.lists(numbers, max_size=12))
def test_round_trip(written: list[tuple[int, int]]) -> None:
    writer = BitWriter()
    for width, value in written:
        writer.write(value, width)
    reader = BitReader(b"\xff" + writer.octets() + b"\xff", 1, len(writer.octets()) + 1)
    assert [reader.read(width) for width, _ in written] == [value for _, value in written]
    assert reader.remaining == -writer.size % 8
    assert reader.read(reader.remaining) == 0


@given(st.integers(1, 200).flatmap(lambda values: st.tuples(st.just(values), st.integers(0, values - 1))))
def test_a_number_below_a_bound(case: tuple[int, int]) -> None:
    values, value = case
    writer = BitWriter()
    writer.write_non_symmetric(value, values)
    assert BitReader(writer.octets()).non_symmetric(values) == value
    assert writer.size <= (values - 1).bit_length()


def test_the_table_of_the_specification_for_five_values() -> None:
    bits = []
    for value in range(5):
        writer = BitWriter()
        writer.write_non_symmetric(value, 5)
        bits.append(f"{writer.octets()[0]:08b}"[: writer.size])
    assert bits == ["00", "01", "10", "110", "111"]


@pytest.mark.parametrize(
    ("bits", "unsigned", "signed"),
    [("1", 0, 0), ("010", 1, 1), ("011", 2, -1), ("00100", 3, 2), ("00101", 4, -2), ("0001000", 7, 4)],
)
def test_exp_golomb(bits: str, unsigned: int, signed: int) -> None:
    octets = int(bits.ljust(8, "0"), 2).to_bytes(1)
    assert BitReader(octets).exp_golomb() == unsigned
    assert BitReader(octets).signed_exp_golomb() == signed


@given(st.binary(max_size=12), st.integers(1, 60))
def test_no_octets_raise_but_malformed(data: bytes, width: int) -> None:
    for read in (lambda r: r.read(width), lambda r: r.exp_golomb(), lambda r: r.non_symmetric(width + 1)):
        with pytest.raises(Malformed, match=f"at octet {len(data)}"):
            read_all(BitReader(data), read)


def read_all(reader: BitReader, read: Callable[[BitReader], int]) -> None:
    while True:
        read(reader)


def test_a_prefix_without_end_is_malformed() -> None:
    with pytest.raises(Malformed):
        BitReader(bytes(100)).exp_golomb()


@pytest.mark.parametrize(("value", "width"), [(4, 2), (-1, 8), (256, 8)])
def test_what_does_not_fit_is_not_written(value: int, width: int) -> None:
    with pytest.raises(Malformed):
        BitWriter().write(value, width)
    with pytest.raises(Malformed):
        BitWriter().write_non_symmetric(value, max(value, 1))
