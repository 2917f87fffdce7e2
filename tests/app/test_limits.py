"""Buckets and places: bursts are allowed, rates are bounded, and the table of sources never outgrows the visitors."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from meetref.app.limits import MAXIMUM_SOURCES, Places, SourceBuckets, TokenBucket, is_loopback, source_of
from meetref.wire.address import Address


def test_a_burst_and_then_the_rate() -> None:
    bucket = TokenBucket(rate=2, burst=3, now=0.0)
    assert [bucket.take(0.0) for _ in range(4)] == [True, True, True, False]
    assert [bucket.take(0.6), bucket.take(0.6)] == [True, False]
    assert [bucket.take(100.0) for _ in range(4)] == [True, True, True, False]


def test_what_costs_more_takes_more() -> None:
    bucket = TokenBucket(rate=1, burst=10, now=0.0)
    assert [bucket.take(0.0, cost) for cost in (7, 4, 3, 1)] == [True, False, True, False]
    assert [bucket.take(4.0, 5), bucket.take(4.0, 4)] == [False, True]


@given(st.lists(st.floats(0, 10), max_size=60))
def test_never_more_than_the_burst_and_the_rate(instants: list[float]) -> None:
    bucket = TokenBucket(rate=3, burst=5, now=0.0)
    allowed = sum(bucket.take(now) for now in sorted(instants))
    assert allowed <= 5 + 3 * max(instants, default=0.0) + 1e-6


def test_time_that_stands_still_or_goes_back_gives_nothing() -> None:
    bucket = TokenBucket(rate=1, burst=1, now=5.0)
    assert [bucket.take(now) for now in (5.0, 5.0, 1.0, 1.5, 2.0)] == [True, False, False, False, True]
    assert TokenBucket(rate=1, burst=0, now=0.0).take(0.0) is False


def test_places_are_bounded_in_all_and_for_a_source() -> None:
    places = Places(total=3, per_source=2)
    here, there, other = Address("10.0.0.1", 1), Address("10.0.0.2", 1), Address("10.0.0.3", 1)
    assert [places.enter(here) for _ in range(3)] == [None, None, "full-for-source"]
    assert [places.enter(there), places.enter(other)] == [None, "full"]
    places.leave(here)
    assert [places.enter(other), places.taken] == [None, 3]
    for address in (here, there, other):
        places.leave(address)
    assert places.taken == 0
    assert not places._taken


def test_an_ipv6_network_is_one_source() -> None:
    assert source_of(Address("2001:db8::1", 1)) == source_of(Address("2001:db8::ffff:1", 2))
    assert source_of(Address("2001:db8::1", 1)) != source_of(Address("2001:db8:0:1::1", 1))
    assert source_of(Address("192.0.2.1", 1)) == "192.0.2.1"


def test_loopback() -> None:
    assert [is_loopback(host) for host in ("127.0.0.1", "127.1.2.3", "::1", "192.0.2.1", "::2")] == [
        True,
        True,
        True,
        False,
        False,
    ]


def test_each_source_has_a_bucket_and_the_table_an_end() -> None:
    buckets = SourceBuckets(rate=1, burst=2)
    here, there = Address("10.0.0.1", 1), Address("10.0.0.2", 1)
    assert [buckets.take(each, 0.0) for each in (here, here, here, there)] == [True, True, False, True]
    assert buckets.take(Address("10.0.0.1", 9), 1.0)
    for number in range(MAXIMUM_SOURCES + 10):
        buckets.take(Address(f"10.1.{number // 256}.{number % 256}", 1), 1.0)
    assert len(buckets) == MAXIMUM_SOURCES
