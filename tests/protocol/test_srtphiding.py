"""Hidden headers: nothing of them can be read on the way, everything comes out again, and no packet is hidden twice."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meetref.protocol.machine import ProtocolMisuse
from meetref.protocol.srtp import Hiding, LockRefused, open_session
from meetref.wire import rtp
from tests.protocol.srtp_ends import PROFILES, REPORT, keys, packet, sessions

CRYPTEX = Hiding(cryptex=True)
ELEMENTS = Hiding(elements=frozenset({1, 3}))
BOTH = Hiding(cryptex=True, elements=frozenset({1, 3}))
HIDINGS = pytest.mark.parametrize("hiding", [CRYPTEX, ELEMENTS, BOTH], ids=["cryptex", "elements", "both"])
LEVEL = b"\x8aSECRET."


def values() -> Any:
    return st.dictionaries(st.integers(1, 14), st.binary(min_size=1, max_size=20), max_size=5)


@PROFILES
@HIDINGS
@settings(max_examples=60)
@given(
    extensions=values(),
    csrcs=st.lists(st.integers(0, 0xFFFFFFFF), max_size=15),
    payload=st.binary(max_size=50),
    number=st.integers(0, 0xFFFF),
)
def test_everything_comes_out_again(
    profile: int, hiding: Hiding, extensions: dict[int, bytes], csrcs: list[int], payload: bytes, number: int
) -> None:
    here, there = sessions(profile, "ours", hiding=hiding)
    plain = packet(number, payload, csrcs=csrcs, extensions=extensions)
    locked = here.lock(plain)
    opened = there.unlock(locked)
    assert opened is not None
    got, wanted = rtp.parse(opened), rtp.parse(plain)
    if wanted.extension_profile is None and csrcs and hiding.cryptex:
        assert got.extension_profile == rtp.ONE_BYTE
        got.extension_profile = None
    assert got == wanted
    assert there.unlock(locked) is None, "once"
    assert there.unlock_control(here.lock_control(REPORT)) == REPORT


@pytest.mark.spec("srtp/cryptex-hidden-part")
@PROFILES
def test_cryptex_leaves_nothing_to_read(profile: int) -> None:
    here, _ = sessions(profile, "ours", hiding=CRYPTEX)
    plain = packet(1, csrcs=[0x53504541, 0x4B455221], extensions={1: LEVEL, 3: LEVEL})
    locked = here.lock(plain)
    assert locked[:12] == plain[:12]
    assert locked[20:24] == b"\xc0\xde" + plain[22:24]
    assert LEVEL not in locked
    assert b"SPEA" not in locked
    assert b"KER!" not in locked


@pytest.mark.spec("srtp/header-elements-mask", "srtp/header-elements-before-tag")
@PROFILES
def test_elements_hide_their_values_and_nothing_else(profile: int) -> None:
    here, _ = sessions(profile, "ours", hiding=ELEMENTS)
    plain = packet(1, csrcs=[9], extensions={1: LEVEL, 2: LEVEL, 3: LEVEL})
    locked = here.lock(plain)
    start = rtp.payload_offset(plain)
    changed = {at for at in range(start) if plain[at] != locked[at]}
    assert locked.count(LEVEL) == 1, "element 2 is to be read"
    assert changed <= {*range(21, 29), *range(39, 47)}
    assert len(changed) > 10


@pytest.mark.spec("srtp/hiding-one-way")
@PROFILES
def test_where_both_are_agreed_on_cryptex_is_the_one(profile: int) -> None:
    plain = packet(1, extensions={1: LEVEL})
    both, cryptex, elements = (
        sessions(profile, "ours", hiding=hiding)[0].lock(plain) for hiding in (BOTH, CRYPTEX, ELEMENTS)
    )
    assert both == cryptex
    assert both != elements
    taken = sessions(profile, "ours", hiding=BOTH)[1].unlock(elements)
    assert taken == plain, "and the other way is understood still"


@pytest.mark.spec("srtp/cryptex-tag-checked")
@PROFILES
def test_what_is_not_hidden_is_taken_as_ever(profile: int) -> None:
    here, there = sessions(profile, "libsrtp")[0], sessions(profile, "ours", hiding=CRYPTEX)[1]
    for number, extensions in enumerate(({}, {1: LEVEL}, {1: bytes(30)})):
        plain = packet(number, csrcs=[5], extensions=extensions)
        assert there.unlock(here.lock(plain)) == plain


@pytest.mark.spec("srtp/cryptex-known-extensions-only")
@PROFILES
@pytest.mark.parametrize("extension", [{"extension_profile": 0xABAC, "extension_body": b"four"},
                                       {"extension_profile": 0x1003, "extensions": {1: b"0"}}])  # fmt: skip
def test_other_extensions_are_not_hidden(profile: int, extension: dict[str, Any]) -> None:
    here, there = sessions(profile, "ours", hiding=CRYPTEX)
    plain = packet(1, **extension)
    locked = here.lock(plain)
    assert locked == sessions(profile, "ours")[0].lock(plain)
    assert there.unlock(locked) == plain


@pytest.mark.spec("srtp/header-elements-after-tag", "srtp/tag-wrong")
@PROFILES
@HIDINGS
@settings(max_examples=40)
@given(place=st.integers(0, 1000), bit=st.integers(0, 7))
def test_one_changed_bit_keeps_it_shut(profile: int, hiding: Hiding, place: int, bit: int) -> None:
    here, there = sessions(profile, "ours", hiding=hiding)
    locked = bytearray(here.lock(packet(1, csrcs=[1, 2], extensions={1: LEVEL, 2: LEVEL})))
    locked[place % len(locked)] ^= 1 << bit
    assert there.unlock(bytes(locked)) is None
    assert there.refused.total() == 1


@PROFILES
@HIDINGS
@settings(max_examples=40)
@given(data=st.binary(max_size=200))
def test_any_octets_stay_shut_and_raise_nothing(profile: int, hiding: Hiding, data: bytes) -> None:
    _, there = sessions(profile, "ours", hiding=hiding)
    assert there.unlock(data) is None
    assert there.unlock(b"\x90" + data) is None
    assert there.unlock_control(data) is None


@PROFILES
@settings(max_examples=60)
@given(body=st.binary(min_size=4, max_size=40).map(lambda octets: octets[: len(octets) // 4 * 4]))
def test_an_authentic_extension_without_sense_raises_nothing(profile: int, body: bytes) -> None:
    """A peer that has the keys may send anything: an extension whose elements do not add up comes out as it came."""
    here, there = sessions(profile, "libsrtp")[0], sessions(profile, "ours", hiding=ELEMENTS)[1]
    plain = packet(1, extension_profile=0xABAC, extension_body=body).replace(b"\xab\xac", b"\xbe\xde", 1)
    opened = there.unlock(here.lock(plain))
    assert opened is not None
    assert len(opened) == len(plain)


@PROFILES
def test_elements_that_do_not_add_up_are_not_locked(profile: int) -> None:
    here, _ = sessions(profile, "ours", hiding=ELEMENTS)
    plain = packet(1, extension_profile=0xABAC, extension_body=b"\x2f\0\0\0").replace(b"\xab\xac", b"\xbe\xde", 1)
    with pytest.raises(LockRefused, match="longer than the extension"):
        here.lock(plain)


@PROFILES
def test_libsrtp_hides_nothing(profile: int) -> None:
    with pytest.raises(ProtocolMisuse):
        open_session(keys(profile, 1)[0], "libsrtp", CRYPTEX)
    assert open_session(keys(profile, 1)[0], None, CRYPTEX).profile == profile
