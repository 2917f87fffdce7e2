"""How our candidates are called and ranked."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.protocol.candidacy import Candidacy, interleave, priority
from meetref.wire.address import Address, StreamAddress
from meetref.wire.candidate import Candidate

FOUR, SIX, LOCAL = "192.0.2.1", "2001:db8::1", "127.0.0.1"
SERVER = "198.51.100.1"
MAPPED, RELAYED = Address("203.0.113.7", 61000), Address(SERVER, 49152)


def every_kind(candidacy: Candidacy) -> list[Candidate]:
    """From the one that should be tried first to the last resort."""
    base = Address(FOUR, 1000)
    return [
        candidacy.host(base),
        candidacy.reflexive(MAPPED, base, SERVER),
        candidacy.active(FOUR),
        candidacy.passive(StreamAddress(FOUR, 1000)),
        candidacy.relayed(RELAYED, MAPPED, base, SERVER),
        candidacy.relayed(RELAYED, MAPPED, base, SERVER, over="tcp"),
        candidacy.relayed(RELAYED, MAPPED, base, SERVER, over="tls"),
    ]


@pytest.mark.spec("ice/priority-formula")
def test_the_formula_in_numbers() -> None:
    """2^24 * type + 2^8 * local + (256 - component), worked by hand."""
    assert priority(126, 65535) == 126 * 16777216 + 65535 * 256 + 255 == 2130706431
    assert priority(0, 0, component=256) == 0


@pytest.mark.spec("ice/type-preferences", "ice/host-candidates")
def test_direct_before_relayed_and_datagrams_before_streams() -> None:
    ranks = [candidate.priority for candidate in every_kind(Candidacy([FOUR]))]
    assert ranks == sorted(ranks, reverse=True)
    assert len(set(ranks)) == len(ranks)


@pytest.mark.spec("ice/foundations")
def test_what_works_or_fails_together_has_one_foundation() -> None:
    candidacy = Candidacy([FOUR, SIX])
    base, other = Address(FOUR, 1000), Address(FOUR, 2000)
    assert candidacy.host(base).foundation == candidacy.host(other).foundation
    mapped = candidacy.reflexive(MAPPED, base, SERVER)
    assert mapped.foundation == candidacy.reflexive(MAPPED._replace(port=1), other, SERVER).foundation
    different = [*every_kind(candidacy), candidacy.host(Address(SIX, 1000)), candidacy.reflexive(MAPPED, base, SIX)]
    assert len({candidate.foundation for candidate in different}) == len(different)


@pytest.mark.spec("ice/tcp-preference", "ice/tcp-direction")
def test_the_local_preference_of_a_stream_names_its_direction_first() -> None:
    """2^13 * direction + other, with 6 for active and 4 for passive hosts."""
    candidacy = Candidacy([FOUR, "192.0.2.2"])
    assert candidacy.active(FOUR).priority >> 8 & 0xFFFF == 6 * 8192 + 8191
    assert candidacy.passive(StreamAddress("192.0.2.2", 80)).priority >> 8 & 0xFFFF == 4 * 8192 + 8190
    assert (candidacy.active(FOUR).port, candidacy.active(FOUR).tcp_type) == (9, "active")


def test_a_reflexive_candidate_names_its_base_and_a_relayed_one_how_the_relay_sees_us() -> None:
    candidacy = Candidacy([FOUR])
    base = Address(FOUR, 1000)
    assert candidacy.reflexive(MAPPED, base, SERVER).related == (FOUR, 1000)
    assert candidacy.relayed(RELAYED, MAPPED, base, SERVER).related == (MAPPED.host, MAPPED.port)


@pytest.mark.spec("ice/dual-stack")
def test_two_families_are_mixed_with_a_head_start_for_the_newer() -> None:
    fours = [f"192.0.2.{number}" for number in (1, 2)]
    sixes = [f"2001:db8::{number}" for number in range(1, 7)]
    assert interleave(fours + sixes) == [*sixes[:4], fours[0], *sixes[4:], fours[1]]  # the document's own example
    assert interleave([FOUR, SIX]) == [SIX, FOUR]
    assert interleave([FOUR, LOCAL, "::1", SIX, "fe80::1"]) == [SIX, FOUR, "fe80::1", "::1", LOCAL]
    assert interleave([]) == []


@pytest.mark.spec("ice/dual-stack")
@given(st.lists(st.ip_addresses(v=4).map(str), max_size=9), st.lists(st.ip_addresses(v=6).map(str), max_size=9))
def test_no_address_is_lost_and_each_keeps_its_own_preference(fours: list[str], sixes: list[str]) -> None:
    mixed = interleave([*fours, *sixes])
    assert sorted(mixed) == sorted({*fours, *sixes})
    candidacy = Candidacy([*fours, *sixes])
    ranks = [candidacy.host(Address(host, 1)).priority for host in mixed]
    assert ranks == sorted(set(ranks), reverse=True)
