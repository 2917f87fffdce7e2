"""libwebrtc (PyPI wrtc) with its handshake inside connectivity checks: both versions, both roles, whoever offers."""

from __future__ import annotations

import sys
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from meetref.protocol import dtls
from meetref.protocol.keyschedule import Role
from meetref.protocol.negotiation import SentTrack
from tests.peers.whole_peer import Ours, Theirs, call, theirs

TRIAL = "WebRTC-IceHandshakeDtls"
POST_QUANTUM = "WebRTC-EnableDtlsPqc"
TLS_VERSIONS = {"1.2": "FEFD", "1.3": "FEFC"}
TRACKS = [
    SentTrack(mid="0", kind="audio", ssrc=1, cname="c", stream="s"),
    SentTrack(mid="1", kind="video", ssrc=2, rtx_ssrc=3, cname="c", stream="s"),
]


def program(*trials: str) -> AbstractAsyncContextManager[Theirs]:
    return theirs(sys.executable, str(Path(__file__).parent / "wrtc_person.py"), *trials)


async def connect(other: Theirs, version: str, role: Role, *, offers: bool) -> tuple[Ours, dict[str, Any]]:
    """Both sides of a call in which we have that DTLS role, once both are connected."""
    versions: dtls.Versions = "1.3 only" if version == "1.3" else "1.2 only"
    async with call(other, TRACKS, role, versions, offers=offers) as ours:
        await ours.connected()
        return ours, await other.do("stats", until="connected")


@pytest.mark.peer("wrtc")
@pytest.mark.spec("sped/confirmed", "sped/data-injected", "sped/acknowledgement-alone", "sped/acknowledgement-checksum")
@pytest.mark.parametrize("offers", [True, False], ids=["we-offer", "they-offer"])
@pytest.mark.parametrize("role", ["client", "server"])
@pytest.mark.parametrize("version", ["1.2", "1.3"])
async def test_the_handshake_goes_inside_of_checks(version: str, role: Role, offers: bool) -> None:
    async with program(TRIAL, POST_QUANTUM) as other:
        ours, stats = await connect(other, version, role, offers=offers)
    assert ours.dtls is not None
    assert ours.dtls.group == ("X25519MLKEM768" if version == "1.3" else "X25519")
    assert stats["version"] == TLS_VERSIONS[version]
    assert stats["role"] == ("server" if role == "client" else "client")
    assert ours.peer.sped.state in ("confirmed", "pending", "complete")
    assert (ours.peer.sped.carried if role == "client" else ours.peer.sped.received) > 0  # the ClientHello


@pytest.mark.peer("wrtc")
@pytest.mark.spec("sped/options-offered", "sped/fallback-same-octets")
@pytest.mark.parametrize("role", ["client", "server"])
async def test_without_the_trial_it_is_off(role: Role) -> None:
    async with program() as other:
        ours, stats = await connect(other, "1.3", role, offers=True)
    assert stats["version"] == TLS_VERSIONS["1.3"]
    assert ours.peer.sped.state == "off"
    assert ours.peer.sped.carried == ours.peer.sped.received == 0
