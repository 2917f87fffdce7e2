"""The locks: what one end locks the other opens, once, and nobody locks two packets under one index."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meetref.protocol.keyschedule import SRTPKeys
from meetref.protocol.libsrtp import LibrarySession
from meetref.protocol.sealing import MAXIMUM_SOURCES, SealedSession, derive
from meetref.protocol.srtp import MAXIMUM_PACKET, PROFILE_NAMES, REPLAY_WINDOW, LockRefused, Session, open_session
from meetref.wire import rtcp, rtp

SIZES = {0x0001: (16, 14), 0x0007: (16, 12), 0x0008: (32, 12)}
ENGINES = {"ours": SealedSession, "libsrtp": LibrarySession}
GCM = pytest.mark.parametrize("profile", [0x0007, 0x0008], ids=lambda profile: PROFILE_NAMES[profile])
EACH = pytest.mark.parametrize(
    ("profile", "engine"),
    [(0x0001, "libsrtp"), *((profile, engine) for profile in (0x0007, 0x0008) for engine in ENGINES)],
)


def keys(profile: int, seed: int) -> tuple[SRTPKeys, SRTPKeys]:
    """Of the two ends of one connection."""
    dice = random.Random(seed)
    key, salt = SIZES[profile]
    first, second = [(dice.randbytes(key), dice.randbytes(salt)) for _ in range(2)]
    return SRTPKeys(profile, *first, *second), SRTPKeys(profile, *second, *first)


def sessions(profile: int, engine: str, seed: int = 1) -> tuple[Session, Session]:
    """The two ends of one connection."""
    here, there = keys(profile, seed)
    return ENGINES[engine](here), ENGINES[engine](there)


def packet(sequence: int, payload: bytes = b"sound", ssrc: int = 7) -> bytes:
    return rtp.serialize(
        rtp.Packet(payload_type=111, sequence=sequence & 0xFFFF, timestamp=960, ssrc=ssrc, payload=payload)
    )


REPORT = rtcp.serialize([rtcp.ReceiverReport(7, []), rtcp.named(7, "somebody")])


@EACH
@settings(max_examples=30)
@given(payload=st.binary(max_size=1200), sequence=st.integers(0, 0xFFFF), seed=st.integers(0, 99))
def test_what_one_end_locks_the_other_opens(
    profile: int, engine: str, payload: bytes, sequence: int, seed: int
) -> None:
    here, there = sessions(profile, engine, seed)
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


@EACH
def test_no_index_is_locked_twice(profile: int, engine: str) -> None:
    here, _ = sessions(profile, engine)
    for sequence in range(65000, 65536 + 3000):
        here.lock(packet(sequence))
    newest = 65536 + 2999
    for sequence, payload in ((newest, b"sound"), (newest, b"other"), (newest - 100, b"other")):
        with pytest.raises(LockRefused):
            here.lock(packet(sequence, payload))
    with pytest.raises(LockRefused):  # too old to know whether it was used
        here.lock(packet(newest - REPLAY_WINDOW - 10, b"other"))


@EACH
def test_a_replayed_packet_does_not_open_again(profile: int, engine: str) -> None:
    here, there = sessions(profile, engine)
    early, locked = [here.lock(packet(number)) for number in (10, 11)]
    assert there.unlock(locked) is not None
    assert there.unlock(locked) is None
    assert there.unlock(early) == packet(10), "late is not a replay"
    control = here.lock_control(REPORT)
    assert there.unlock_control(control) == REPORT
    assert there.unlock_control(control) is None
    assert sum(there.refused.values()) == 2


@EACH
@settings(max_examples=60)
@given(place=st.integers(0, 1000), bit=st.integers(0, 7), control=st.booleans())
def test_one_changed_bit_keeps_it_shut(profile: int, engine: str, place: int, bit: int, control: bool) -> None:
    here, there = sessions(profile, engine)
    locked = bytearray(here.lock_control(REPORT) if control else here.lock(packet(100)))
    locked[place % len(locked)] ^= 1 << bit
    unlock = there.unlock_control if control else there.unlock
    assert unlock(bytes(locked)) is None
    assert there.refused.total() == 1


@EACH
@settings(max_examples=60)
@given(data=st.binary(max_size=1600))
def test_any_octets_stay_shut_and_raise_nothing(profile: int, engine: str, data: bytes) -> None:
    _, there = sessions(profile, engine)
    assert there.unlock(data) is None
    assert there.unlock_control(data) is None
    assert there.refused.total() == 2


@EACH
def test_what_is_too_large_or_no_packet_is_not_locked(profile: int, engine: str) -> None:
    here, there = sessions(profile, engine)
    largest = packet(1, bytes(MAXIMUM_PACKET - 12))
    assert there.unlock(here.lock(largest)) == largest
    for data in (packet(2, bytes(3000)), b"", b"\x80"):
        with pytest.raises(LockRefused):
            here.lock(data)
        with pytest.raises(LockRefused):
            here.lock_control(data)


@EACH
def test_a_forgotten_source_may_begin_anew(profile: int, engine: str) -> None:
    here, there = sessions(profile, engine)
    assert there.unlock(here.lock(packet(5, ssrc=99))) is not None
    there.forget(99)
    there.forget(99)
    assert there.refused["unknown source forgotten"] == 1


@EACH
def test_keys_are_not_shown(profile: int, engine: str) -> None:
    secret = keys(profile, 3)[0]
    session = ENGINES[engine](secret)
    inside = [getattr(session, name) for name in getattr(session, "__slots__", ()) or vars(session)]
    shown = repr(secret) + repr(session) + repr(inside)
    for value in (secret.local_key, secret.local_salt, secret.remote_key, secret.remote_salt):
        assert value.hex() not in shown
        assert repr(value)[2:-1] not in shown


@GCM
@settings(max_examples=40)
@given(
    seed=st.integers(0, 1 << 32),
    start=st.sampled_from([0, 5, 0x7FFE, 0xFFF0, 0xFFFF]),
    lost=st.floats(0, 0.4),
    swapped=st.floats(0, 0.4),
    damaged=st.floats(0, 0.2),
)
def test_both_engines_say_the_same_of_every_packet(
    profile: int, seed: int, start: int, lost: float, swapped: float, damaged: float
) -> None:
    """Streams that wrap around, with loss, disorder, repetition and damage: the same octets, the same refusals."""
    dice = random.Random(seed)
    ours, there_ours = sessions(profile, "ours", seed)
    library, there_library = sessions(profile, "libsrtp", seed)
    line: list[tuple[float, bytes, bool]] = []
    numbers = {7: start, 8: dice.randrange(0x8000)}
    for place in range(120):
        ssrc = dice.choice([7, 8])
        numbers[ssrc] += 1
        plain = packet(numbers[ssrc], dice.randbytes(dice.randrange(40)), ssrc)
        locked = ours.lock(plain)
        assert locked == library.lock(plain)
        line.append((place + 8 * dice.random() * (dice.random() < swapped), locked, False))
        if place % 10 == 0:
            control = ours.lock_control(REPORT)
            assert control == library.lock_control(REPORT)
            line.append((place, control, True))
    line += [dice.choice(line) for _ in range(10)]
    for _, locked, is_control in sorted(line):
        if dice.random() < lost:
            continue
        if dice.random() < damaged:
            broken = bytearray(locked)
            broken[dice.randrange(2, len(broken))] ^= 1 << dice.randrange(8)
            locked = bytes(broken)
        if is_control:
            assert there_ours.unlock_control(locked) == there_library.unlock_control(locked)
        else:
            assert there_ours.unlock(locked) == there_library.unlock(locked)


@GCM
def test_a_packet_in_two_parts_is_the_same_packet(profile: int) -> None:
    whole, parts = sessions(profile, "ours")[0], sessions(profile, "ours")[0]
    plain = packet(9, b"picture")
    assert parts.lock_run([(plain[:12], plain[12:14], plain[14:])]) == [whole.lock(plain)]


@GCM
def test_a_peer_that_invents_sources_fills_no_memory(profile: int) -> None:
    here, there = sessions(profile, "ours")
    opened = [there.unlock(here.lock(packet(1, ssrc=ssrc))) for ssrc in range(MAXIMUM_SOURCES + 10)]
    assert [plain is not None for plain in opened] == [True] * MAXIMUM_SOURCES + [False] * 10
    assert there.refused == {"too many sources": 10}
    there.forget(3)
    assert there.unlock(here.lock(packet(1, ssrc=5000))) is not None


@GCM
def test_a_control_packet_in_clear_stays_outside(profile: int) -> None:
    here, there = sessions(profile, "ours")
    locked = bytearray(here.lock_control(REPORT))
    locked[-4] &= 0x7F
    assert there.unlock_control(bytes(locked)) is None
    assert there.refused == {"control packet in clear": 1}


def test_session_keys_are_those_of_the_published_derivation() -> None:
    """RFC 3711 appendix B.3."""
    key, salt = bytes.fromhex("e1f97a0d3e018be0d64fa32c06de4139"), bytes.fromhex("0ec675ad498afeebb6960b3aabe6")
    assert derive(key, salt, 0, 16).hex() == "c61e7a93744f39ee10734afe3ff7a087"
    assert derive(key, salt, 2, 14).hex() == "30cbbc08863d8c85d49db34a9ae1"


@pytest.mark.parametrize("profile", sorted(PROFILE_NAMES))
def test_every_profile_has_an_engine(profile: int) -> None:
    session = open_session(keys(profile, 1)[0])
    assert isinstance(session, LibrarySession if profile == 0x0001 else SealedSession)
