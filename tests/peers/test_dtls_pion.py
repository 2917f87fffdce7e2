"""DTLS 1.2 with Pion (Go): both roles, its groups, with and without cookies, whole and in small pieces."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.peers.dtls_programs import Role, agrees, meet

pytestmark = [pytest.mark.peer("pion-dtls", "openssl"), pytest.mark.slow]

GROUPS = {"-": "X25519", "x25519": "X25519", "p256": "P-256", "p384": "P-384"}


@pytest.mark.spec("handshake12/group-preference", "handshake12/exporter-no-context", "handshake12/client-proof")
@pytest.mark.spec("handshake12/extended-master-secret", "handshake12/srtp-own-preference", "dtls/fragments-fit")
@pytest.mark.parametrize("role", ["client", "server"])
@pytest.mark.parametrize("groups", GROUPS)
@pytest.mark.parametrize("size", [1200, 400])
async def test_pion(tmp_path: Path, role: Role, groups: str, size: int) -> None:
    settings = {"address_verified": groups != "x25519", "maximum_datagram": size}
    connected, theirs, door = await meet(
        tmp_path, "pion", role, groups, str(size), versions="1.3 preferred", **settings
    )
    agrees(connected, theirs, door, "1.2")
    assert connected.group == (GROUPS[groups] if role == "server" else "X25519")  # its server takes what is named first
    assert connected.srtp_profile == 8
    assert connected.extended_master_secret


@pytest.mark.spec("handshake12/cookie-same-hello", "handshake13/older-version")
@pytest.mark.parametrize("versions", ["1.2 only", "1.3 preferred"])
@pytest.mark.parametrize("words", [(), ("nocookie",)], ids=["cookie", ""])
async def test_pions_server_asks_for_a_cookie(tmp_path: Path, versions: str, words: tuple[str, ...]) -> None:
    connected, theirs, door = await meet(tmp_path, "pion", "client", "-", "1200", *words, versions=versions)
    agrees(connected, theirs, door, "1.2")
