"""The table of a pair, its rank, and which addresses may meet."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.protocol.pair import TRANSITIONS, Input, Pair, Remote, State, may_pair
from meetref.wire.address import Address
from tests.protocol.ice_conversation import ALICE, BOB, host

PRIORITIES = st.integers(min_value=1, max_value=2**31 - 1)


def pair(ours: int, theirs: int) -> Pair:
    return Pair(ALICE, BOB, host(ALICE, priority=ours), Remote(BOB, "host", theirs))


def test_the_table_is_total_and_gone_is_final() -> None:
    assert set(TRANSITIONS) == {(state, happened) for state in State for happened in Input}
    assert all(TRANSITIONS[State.GONE, happened] is State.GONE for happened in Input)


def test_only_an_answer_makes_a_pair_succeed() -> None:
    for (state, happened), then in TRANSITIONS.items():
        if then is State.SUCCEEDED and state is not State.SUCCEEDED:
            assert happened is Input.ANSWERED


@pytest.mark.spec("ice/pair-priority")
@given(PRIORITIES, PRIORITIES)
def test_both_sides_rank_a_pair_alike(ours: int, theirs: int) -> None:
    assert pair(ours, theirs).priority(True) == pair(theirs, ours).priority(False)
    assert pair(ours, theirs).priority(True) < 2**64


@pytest.mark.spec("ice/pair-priority")
def test_the_rank_of_a_pair_in_numbers() -> None:
    """2^32 * min(G, D) + 2 * max(G, D) + (G > D ? 1 : 0), worked by hand."""
    assert pair(5, 3).priority(True) == 3 * 4294967296 + 10 + 1
    assert pair(5, 3).priority(False) == 3 * 4294967296 + 10
    assert pair(4, 4).priority(True) == 4 * 4294967296 + 8


@pytest.mark.spec("ice/same-family", "ice/link-local-pairs")
@pytest.mark.parametrize(
    ("local", "remote", "may"),
    [
        ("192.0.2.1", "192.0.2.2", True),
        ("192.0.2.1", "2001:db8::1", False),
        ("2001:db8::1", "192.0.2.1", False),
        ("2001:db8::1", "2001:db8::2", True),
        ("2001:db8::1", "fe80::1", False),
        ("fe80::1", "2001:db8::1", False),
        ("fe80::1", "fe80::2", True),
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "192.0.2.1", False),
        ("192.0.2.1", "127.0.0.1", False),
        ("::1", "::1", True),
        ("192.0.2.1", "0.0.0.0", False),
        ("192.0.2.1", "224.0.0.1", False),
    ],
)
def test_which_addresses_may_meet(local: str, remote: str, may: bool) -> None:
    assert may_pair(Address(local, 1), Address(remote, 1)) is may


def test_port_zero_is_nobody() -> None:
    assert not may_pair(ALICE, BOB._replace(port=0))
