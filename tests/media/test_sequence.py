"""Numbers that wrap."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from meetref.media.sequence import Unwrapper, difference


@given(st.integers(0, 2**40), st.lists(st.integers(-100, 3000), max_size=60), st.sampled_from([8, 16, 24, 32]))
def test_an_index_is_found_again_from_its_low_bits(start: int, steps: list[int], bits: int) -> None:
    modulus = 1 << bits
    unwrapper = Unwrapper(bits)
    offset = start - unwrapper.unwrap(start % modulus)
    index = highest = start
    for step in steps:
        index = highest + max(-modulus // 2 + 1, min(step, modulus // 2 - 1))
        assert unwrapper.nearest(index % modulus) == index - offset
        assert unwrapper.unwrap(index % modulus) == index - offset
        highest = max(highest, index)
        assert unwrapper.highest == highest - offset


def test_the_first_number_is_its_own_index_and_an_older_one_may_be_negative() -> None:
    unwrapper = Unwrapper()
    assert unwrapper.nearest(7) == 7
    assert unwrapper.unwrap(1) == 1
    assert unwrapper.unwrap(65535) == -1
    assert unwrapper.unwrap(2) == 2


@given(st.integers(0, 65535), st.integers(-32768, 32767))
def test_difference(earlier: int, way: int) -> None:
    assert difference((earlier + way) & 0xFFFF, earlier) == way
