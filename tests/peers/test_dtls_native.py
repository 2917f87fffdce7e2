"""DTLS 1.3 with stacks that nobody here wrote, in C and Rust: BoringSSL, wolfSSL, dimpl; both roles, many groups.

What is compared of each handshake, certificates and exported keys among it, is in tests/peers/dtls_programs.py.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from meetref.wire.tls import P_256
from tests.peers.dtls_programs import Role, agrees, asked_again_for, hello_was_in_fragments, meet


@pytest.mark.peer("boringssl")
@pytest.mark.slow
@pytest.mark.parametrize("role", ["client", "server"])
@pytest.mark.parametrize("groups", ["-", "X25519MLKEM768", "X25519", "P-256", "P-384"])
@pytest.mark.parametrize("size", ["1200", "500"])
async def test_boringssl(tmp_path: Path, role: Role, groups: str, size: str) -> None:
    connected, theirs, door = await meet(
        tmp_path, "boringssl", role, "13", groups, size, address_verified=groups != "X25519"
    )
    agrees(connected, theirs, door)
    assert connected.group == theirs["group"] == ("X25519MLKEM768" if groups == "-" else groups)
    if groups in ("-", "X25519MLKEM768"):
        assert hello_was_in_fragments(door)
    asked = {"cookie"} if role == "server" and groups == "X25519" else set()
    assert asked_again_for(door) == asked | ({"group"} if role == "client" and groups.startswith("P-") else set())


@pytest.mark.peer("boringssl")
@pytest.mark.slow
@pytest.mark.spec("handshake13/retry-group", "handshake13/retry-answered", "handshake13/cookie-returned")
@pytest.mark.parametrize("verified", [True, False], ids=["", "cookie"])
async def test_boringssl_is_asked_for_another_group(tmp_path: Path, verified: bool) -> None:
    """Its hello has a share of P-384 alone, and our server wants P-256."""
    settings = {"groups": (P_256,), "address_verified": verified}
    connected, theirs, door = await meet(tmp_path, "boringssl", "server", "13", "P-384:P-256", **settings)
    agrees(connected, theirs, door)
    assert connected.group == theirs["group"] == "P-256"
    assert asked_again_for(door) == {"group", "cookie"}  # one question, and the cookie remembers it


@pytest.mark.peer("boringssl")
@pytest.mark.slow
@pytest.mark.spec("handshake12/group-preference", "handshake12/sentinel-written")
@pytest.mark.parametrize(
    ("role", "groups"),
    [("client", "X25519"), ("client", "P-256"), ("client", "P-384"), ("server", "X25519:P-256"), ("server", "P-256")],
)
async def test_boringssl_with_1_2(tmp_path: Path, role: Role, groups: str) -> None:
    """As client it takes no certificate of P-256 unless it names that curve too."""
    connected, theirs, _ = await meet(tmp_path, "boringssl", role, "12", groups, versions="1.3 preferred")
    group = groups.partition(":")[0]
    assert (connected.version, connected.group, theirs["group"]) == ("1.2", group, group)
    assert theirs["app"] == "hello"


@pytest.mark.peer("wolfssl")
@pytest.mark.slow
@pytest.mark.parametrize("role", ["client", "server"])
@pytest.mark.parametrize("group", ["mlkem", "x25519", "p256"])
async def test_wolfssl(tmp_path: Path, role: Role, group: str) -> None:
    """Its server drops a hello that comes in fragments, so ours comes whole; its client begins without a share."""
    settings = {"maximum_datagram": 1700} if role == "client" else {"address_verified": group != "x25519"}
    connected, theirs, door = await meet(tmp_path, "wolfssl", role, "13", group, **settings)
    agrees(connected, theirs, door)
    assert connected.group == {"mlkem": "X25519MLKEM768", "x25519": "X25519", "p256": "P-256"}[group]
    asked = {"cookie"} if role == "client" or group == "x25519" else set()
    # Its server has only the one group; of its client we want the post-quantum one, for which it brought no share.
    wants_group = group == ("p256" if role == "client" else "mlkem")
    assert asked_again_for(door) == ({"cookie", "group"} if wants_group else asked)


@pytest.mark.peer("dimpl")
@pytest.mark.slow
@pytest.mark.parametrize("role", ["client", "server"])
@pytest.mark.parametrize("groups", ["-", "x25519", "p256", "p384"])
@pytest.mark.parametrize("size", ["mtu=1200", "mtu=300"])
async def test_dimpl(tmp_path: Path, role: Role, groups: str, size: str) -> None:
    connected, theirs, door = await meet(
        tmp_path, "dimpl", role, "13", groups, size, address_verified=groups != "x25519"
    )
    agrees(connected, theirs, door)
    assert connected.group == {"-": "X25519", "x25519": "X25519", "p256": "P-256", "p384": "P-384"}[groups]
    asked = {"cookie"} if role == "client" or groups == "x25519" else set()
    assert asked_again_for(door) == asked | ({"group"} if role == "client" and groups in ("p256", "p384") else set())
    assert hello_was_in_fragments(door) == (role == "client")


@pytest.mark.slow
@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.peer(name)) for name in ("boringssl", "dimpl")])
@pytest.mark.parametrize("role", ["client", "server"])
@pytest.mark.parametrize(("ours", "theirs"), [("1.3 preferred", "any"), ("1.3 preferred", "12"), ("1.2 only", "any")])
async def test_the_versions_agree(tmp_path: Path, name: str, role: Role, ours: str, theirs: str) -> None:
    connected, said, _ = await meet(tmp_path, name, role, theirs, versions=ours)
    assert connected.version == ("1.3" if (ours, theirs) == ("1.3 preferred", "any") else "1.2")
    assert said["app"] == "hello"
