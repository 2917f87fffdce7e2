"""The locks: what one end locks the other opens, once, and nobody locks two packets under one index."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meetref.protocol.libsrtp import LibrarySession
from meetref.protocol.lock import MAXIMUM_SOURCES
from meetref.protocol.srtp import FASTER, MAXIMUM_PACKET, REPLAY_WINDOW, Engine, LockRefused, open_session
from meetref.protocol.srtpindex import LAST_CONTROL_INDEX, LAST_INDEX
from meetref.protocol.srtpsession import OwnSession
from tests.protocol.srtp_ends import EACH, PROFILES, REPORT, keys, packet, sessions


@EACH
@settings(max_examples=30)
@given(payload=st.binary(max_size=1200), sequence=st.integers(0, 0xFFFF), seed=st.integers(0, 99))
def test_what_one_end_locks_the_other_opens(
    profile: int, engine: Engine, payload: bytes, sequence: int, seed: int
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


@pytest.mark.spec("srtp/no-index-twice")
@EACH
def test_no_index_is_locked_twice(profile: int, engine: Engine) -> None:
    here, _ = sessions(profile, engine)
    for sequence in range(65000, 65536 + 3000):
        here.lock(packet(sequence))
    newest = 65536 + 2999
    for sequence, payload in ((newest, b"sound"), (newest, b"other"), (newest - 100, b"other")):
        with pytest.raises(LockRefused):
            here.lock(packet(sequence, payload))
    with pytest.raises(LockRefused):  # too old to know whether it was used
        here.lock(packet(newest - REPLAY_WINDOW - 10, b"other"))


@pytest.mark.spec("srtp/replay-window")
@EACH
def test_a_replayed_packet_does_not_open_again(profile: int, engine: Engine) -> None:
    here, there = sessions(profile, engine)
    early, locked = [here.lock(packet(number)) for number in (10, 11)]
    assert there.unlock(locked) is not None
    assert there.unlock(locked) is None
    assert there.unlock(early) == packet(10), "late is not a replay"
    control = here.lock_control(REPORT)
    assert there.unlock_control(control) == REPORT
    assert there.unlock_control(control) is None
    assert sum(there.refused.values()) == 2


@pytest.mark.spec("srtp/tag-wrong")
@EACH
@settings(max_examples=60)
@given(place=st.integers(0, 1000), bit=st.integers(0, 7), control=st.booleans())
def test_one_changed_bit_keeps_it_shut(profile: int, engine: Engine, place: int, bit: int, control: bool) -> None:
    here, there = sessions(profile, engine)
    locked = bytearray(here.lock_control(REPORT) if control else here.lock(packet(100)))
    locked[place % len(locked)] ^= 1 << bit
    unlock = there.unlock_control if control else there.unlock
    assert unlock(bytes(locked)) is None
    assert there.refused.total() == 1


@EACH
@settings(max_examples=60)
@given(data=st.binary(max_size=1600))
def test_any_octets_stay_shut_and_raise_nothing(profile: int, engine: Engine, data: bytes) -> None:
    _, there = sessions(profile, engine)
    assert there.unlock(data) is None
    assert there.unlock_control(data) is None
    assert there.refused.total() == 2


@pytest.mark.spec("srtp/largest-packet")
@EACH
def test_what_is_too_large_or_no_packet_is_not_locked(profile: int, engine: Engine) -> None:
    here, there = sessions(profile, engine)
    largest = packet(1, bytes(MAXIMUM_PACKET - 12))
    assert there.unlock(here.lock(largest)) == largest
    for data in (packet(2, bytes(3000)), b"", b"\x80"):
        with pytest.raises(LockRefused):
            here.lock(data)
        with pytest.raises(LockRefused):
            here.lock_control(data)


@EACH
def test_a_forgotten_source_may_begin_anew(profile: int, engine: Engine) -> None:
    here, there = sessions(profile, engine)
    assert there.unlock(here.lock(packet(5, ssrc=99))) is not None
    there.forget(99)
    there.forget(99)
    assert there.refused["unknown source forgotten"] == 1


@EACH
def test_keys_are_not_shown(profile: int, engine: Engine) -> None:
    secret = keys(profile, 3)[0]
    session = open_session(secret, engine)
    inside = [getattr(session, name) for name in dir(session)]
    shown = repr(secret) + repr(session) + repr(inside)
    for value in (secret.local_key, secret.local_salt, secret.remote_key, secret.remote_salt):
        assert value.hex() not in shown
        assert repr(value)[2:-1] not in shown


@pytest.mark.spec("srtp/largest-packet", "srtp/no-index-twice")
@EACH
def test_a_run_leaves_out_what_cannot_be_locked_and_counts_it(profile: int, engine: Engine) -> None:
    here, there = sessions(profile, engine)
    plain = [packet(1, b"one"), packet(2, bytes(3000)), packet(1, b"again"), packet(3, b"three")]
    locked = here.lock_run([(data[:12], data[12:14], data[14:]) for data in plain])
    assert [there.unlock(data) for data in locked] == [plain[0], plain[3]]
    assert here.refused.total() == 2


@PROFILES
def test_a_packet_in_parts_is_the_same_packet(profile: int) -> None:
    whole, parts = sessions(profile, "ours")[0], sessions(profile, "ours")[0]
    plain = packet(9, b"picture")
    assert parts.lock_run([(plain[:12], plain[12:14], plain[14:])]) == [whole.lock(plain)]


@pytest.mark.spec("srtp/sources-bounded")
@EACH
def test_a_peer_that_invents_sources_fills_no_memory(profile: int, engine: Engine) -> None:
    here, there = sessions(profile, engine)
    opened = [there.unlock(here.lock(packet(1, ssrc=ssrc))) for ssrc in range(MAXIMUM_SOURCES + 10)]
    assert [plain is not None for plain in opened] == [True] * MAXIMUM_SOURCES + [False] * 10
    assert there.refused == {"too many sources": 10}
    there.forget(3)
    assert there.unlock(here.lock(packet(1, ssrc=5000))) is not None


@pytest.mark.spec("srtp/control-encrypted-flag")
@PROFILES
def test_a_control_packet_in_clear_stays_outside(profile: int) -> None:
    here, there = sessions(profile, "ours")
    locked = bytearray(here.lock_control(REPORT))
    locked[-4 if profile >= 7 else -14] &= 0x7F
    assert there.unlock_control(bytes(locked)) is None
    assert there.refused == {"control packet in clear": 1}


@PROFILES
def test_the_engine_is_a_choice(profile: int) -> None:
    assert isinstance(open_session(keys(profile, 1)[0], "libsrtp"), LibrarySession)
    assert not isinstance(open_session(keys(profile, 1)[0], "ours"), LibrarySession)
    assert isinstance(open_session(keys(profile, 1)[0]), LibrarySession) == (FASTER[profile] == "libsrtp")


@pytest.mark.spec("srtp/sources-bounded")
@EACH
def test_a_peer_that_invents_sources_of_reports_fills_no_memory(profile: int, engine: Engine) -> None:
    here, there = sessions(profile, engine)
    reports = [REPORT[:4] + ssrc.to_bytes(4) + REPORT[8:] for ssrc in range(MAXIMUM_SOURCES + 10)]
    opened = [there.unlock_control(here.lock_control(report)) for report in reports]
    assert [plain is not None for plain in opened] == [True] * MAXIMUM_SOURCES + [False] * 10
    assert there.refused == {"too many sources": 10}


@pytest.mark.spec("srtp/index-exhausted")
@PROFILES
def test_nothing_is_locked_when_the_indexes_have_run_out(profile: int) -> None:
    session = open_session(keys(profile, 1)[0], "ours")
    assert isinstance(session, OwnSession)
    session._out.sender(7, 0).highest = LAST_INDEX - 1
    session.lock(packet(0xFFFF))
    session._out_control.sender(7, 0).highest = LAST_CONTROL_INDEX - 1
    session.lock_control(REPORT)
    for _ in range(2):
        with pytest.raises(LockRefused):
            session.lock(packet(0))
        with pytest.raises(LockRefused):
            session.lock_control(REPORT)


@pytest.mark.spec("srtp/control-index-counts", "srtp/control-trailer")
@EACH
def test_the_index_of_control_packets_counts(profile: int, engine: Engine) -> None:
    here, _ = sessions(profile, engine)
    tail = 0 if profile >= 7 else 10
    trailers = [here.lock_control(REPORT)[-4 - tail :][:4] for _ in range(5)]
    assert [int.from_bytes(trailer) for trailer in trailers] == [1 << 31 | index for index in range(1, 6)]


@pytest.mark.spec("srtp/session-keys-apart", "srtp/index-per-source")
@EACH
def test_media_and_control_know_nothing_of_each_other(profile: int, engine: Engine) -> None:
    here, there = sessions(profile, engine)
    locked, control = here.lock(packet(1)), here.lock_control(REPORT)
    assert there.unlock_control(locked) is None
    assert there.unlock(control) is None
    assert there.unlock(locked) == packet(1)
    assert there.unlock_control(control) == REPORT


@PROFILES
def test_a_control_packet_that_cannot_be_one_is_called_too_short(profile: int) -> None:
    _, there = sessions(profile, "ours")
    least = 8 + 4 + (16 if profile >= 7 else 10)
    assert [there.unlock_control(bytes(size)) for size in range(least)] == [None] * least
    assert there.refused == {"shorter than a locked control packet": least}
    assert there.unlock_control(bytes(least)) is None
    assert there.refused["control packet in clear"] == 1
