"""The locks: what one end locks the other opens, once, and nobody locks two packets under one index."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meetref.protocol.keyschedule import SRTPKeys
from meetref.protocol.srtp import MAXIMUM_PACKET, PROFILE_NAMES, REPLAY_WINDOW, LockRefused, Session
from meetref.wire import rtcp, rtp

SIZES = {0x0001: (16, 14), 0x0007: (16, 12), 0x0008: (32, 12)}
PROFILES = pytest.mark.parametrize("profile", sorted(PROFILE_NAMES), ids=lambda profile: PROFILE_NAMES[profile])


def sessions(profile: int, seed: int = 1) -> tuple[Session, Session]:
    """The two ends of one connection."""
    dice = random.Random(seed)
    key, salt = SIZES[profile]
    first, second = [(dice.randbytes(key), dice.randbytes(salt)) for _ in range(2)]
    return Session(SRTPKeys(profile, *first, *second)), Session(SRTPKeys(profile, *second, *first))


def packet(sequence: int, payload: bytes = b"sound", ssrc: int = 7) -> bytes:
    return rtp.serialize(
        rtp.Packet(payload_type=111, sequence=sequence & 0xFFFF, timestamp=960, ssrc=ssrc, payload=payload)
    )


REPORT = rtcp.serialize([rtcp.ReceiverReport(7, []), rtcp.named(7, "somebody")])


@PROFILES
@settings(max_examples=30)
@given(payload=st.binary(max_size=1200), sequence=st.integers(0, 0xFFFF), seed=st.integers(0, 99))
def test_what_one_end_locks_the_other_opens(profile: int, payload: bytes, sequence: int, seed: int) -> None:
    here, there = sessions(profile, seed)
    plain = packet(sequence, payload)
    locked = here.lock(plain)
    assert payload not in locked or len(payload) < 4
    assert there.unlock(locked) == plain
    control = here.lock_control(REPORT)
    assert control != REPORT
    assert there.unlock_control(control) == REPORT
    back = there.lock(plain)
    assert back != locked, "each direction has keys of its own"
    assert here.unlock(back) == plain


@PROFILES
def test_no_index_is_locked_twice(profile: int) -> None:
    here, _ = sessions(profile)
    for sequence in range(65000, 65536 + 3000):
        here.lock(packet(sequence))
    newest = 65536 + 2999
    for sequence, payload in ((newest, b"sound"), (newest, b"other"), (newest - 100, b"other")):
        with pytest.raises(LockRefused):
            here.lock(packet(sequence, payload))
    with pytest.raises(LockRefused):  # too old to know whether it was used
        here.lock(packet(newest - REPLAY_WINDOW - 10, b"other"))


@PROFILES
def test_a_replayed_packet_does_not_open_again(profile: int) -> None:
    here, there = sessions(profile)
    early, locked = [here.lock(packet(number)) for number in (10, 11)]
    assert there.unlock(locked) is not None
    assert there.unlock(locked) is None
    assert there.unlock(early) == packet(10), "late is not a replay"
    control = here.lock_control(REPORT)
    assert there.unlock_control(control) == REPORT
    assert there.unlock_control(control) is None
    assert sum(there.refused.values()) == 2


@PROFILES
@settings(max_examples=60)
@given(place=st.integers(0, 1000), bit=st.integers(0, 7), control=st.booleans())
def test_one_changed_bit_keeps_it_shut(profile: int, place: int, bit: int, control: bool) -> None:
    here, there = sessions(profile)
    locked = bytearray(here.lock_control(REPORT) if control else here.lock(packet(100)))
    locked[place % len(locked)] ^= 1 << bit
    unlock = there.unlock_control if control else there.unlock
    assert unlock(bytes(locked)) is None
    assert there.refused.total() == 1


@PROFILES
@settings(max_examples=60)
@given(data=st.binary(max_size=1600))
def test_any_octets_stay_shut_and_raise_nothing(profile: int, data: bytes) -> None:
    _, there = sessions(profile)
    assert there.unlock(data) is None
    assert there.unlock_control(data) is None
    assert there.refused.total() == 2


@PROFILES
def test_what_is_too_large_or_no_packet_is_not_locked(profile: int) -> None:
    here, there = sessions(profile)
    largest = packet(1, bytes(MAXIMUM_PACKET - 12))
    assert there.unlock(here.lock(largest)) == largest
    for data in (packet(2, bytes(3000)), b"", b"\x80"):
        with pytest.raises(LockRefused):
            here.lock(data)
        with pytest.raises(LockRefused):
            here.lock_control(data)


def test_a_forgotten_source_may_begin_anew() -> None:
    here, there = sessions(0x0007)
    assert there.unlock(here.lock(packet(5, ssrc=99))) is not None
    there.forget(99)
    there.forget(99)
    assert there.refused["unknown source forgotten"] == 1


def test_keys_are_not_shown() -> None:
    keys = SRTPKeys(7, b"local-key-secret", b"local-salt!!", b"remote-key-secre", b"remote-salt!")
    shown = repr(keys) + repr(Session(keys)) + str(vars(Session(keys)))
    assert not any(word in shown for word in ("local-key", "local-salt", "remote-key", "remote-salt"))
