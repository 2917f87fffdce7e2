"""The two ends of one connection under lock, and packets for them.

Stands below `tests/protocol/test_srtp*.py`.
"""

from __future__ import annotations

import random
from typing import Any

import pytest

from meetref.protocol.keyschedule import SRTP_SIZES, SRTPKeys
from meetref.protocol.srtp import ENGINES, PROFILE_NAMES, Engine, Hiding, Session, open_session
from meetref.wire import rtcp, rtp

PROFILES = pytest.mark.parametrize("profile", sorted(PROFILE_NAMES), ids=lambda profile: PROFILE_NAMES[profile])
EACH = pytest.mark.parametrize(
    ("profile", "engine"), [(profile, engine) for profile in sorted(PROFILE_NAMES) for engine in ENGINES]
)
REPORT = rtcp.serialize([rtcp.ReceiverReport(7, []), rtcp.named(7, "somebody")])


def keys(profile: int, seed: int) -> tuple[SRTPKeys, SRTPKeys]:
    """Of the two ends of one connection."""
    dice = random.Random(seed)
    key, salt = SRTP_SIZES[profile]
    first, second = [(dice.randbytes(key), dice.randbytes(salt)) for _ in range(2)]
    return SRTPKeys(profile, *first, *second), SRTPKeys(profile, *second, *first)


def sessions(profile: int, engine: Engine, seed: int = 1, hiding: Hiding | None = None) -> tuple[Session, Session]:
    """The two ends of one connection."""
    here, there = keys(profile, seed)
    return open_session(here, engine, hiding), open_session(there, engine, hiding)


def packet(sequence: int, payload: bytes = b"sound", ssrc: int = 7, **more: Any) -> bytes:
    given: dict[str, Any] = {"payload_type": 111, "timestamp": 960, "ssrc": ssrc} | more
    return rtp.serialize(rtp.Packet(sequence=sequence & 0xFFFF, payload=payload, **given))
