"""Addresses of servers as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.wire import uri
from meetref.wire.address import Address, unpack_host
from meetref.wire.reader import Malformed
from meetref.wire.uri import ServerUri

names = st.from_regex(r"[a-z][a-z0-9-]{0,10}[a-z0-9](\.[a-z][a-z0-9]{0,5}){0,3}", fullmatch=True)
hosts = st.one_of(
    names, st.binary(min_size=4, max_size=4).map(unpack_host), st.binary(min_size=16, max_size=16).map(unpack_host)
)
ports = st.integers(1, 65535)
uris = st.one_of(
    st.builds(ServerUri, st.sampled_from(["stun", "stuns"]), hosts, ports),
    st.builds(ServerUri, st.sampled_from(["turn", "turns"]), hosts, ports, st.sampled_from([None, "udp", "tcp"])),
)


@given(uris)
def test_an_address_survives_its_text(given_uri: ServerUri) -> None:
    assert uri.parse(uri.serialize(given_uri)) == given_uri


@given(st.one_of(st.text(max_size=60), st.text(max_size=60).map(lambda rest: "turn:" + rest)))
def test_any_text_is_an_address_or_malformed(text: str) -> None:
    try:
        read = uri.parse(text)
    except Malformed:
        return
    assert uri.parse(uri.serialize(read)) == read


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("stun:example.org", ServerUri("stun", "example.org", 3478)),
        ("stuns:example.org", ServerUri("stuns", "example.org", 5349)),
        ("turn:example.org", ServerUri("turn", "example.org", 3478)),
        ("turns:example.org", ServerUri("turns", "example.org", 5349)),
        ("turns:example.org:443?transport=tcp", ServerUri("turns", "example.org", 443, "tcp")),
        ("TURN:Example.ORG?transport=UDP", ServerUri("turn", "example.org", 3478, "udp")),
        ("stun:192.0.2.7:8000", ServerUri("stun", "192.0.2.7", 8000)),
        ("stun:[2001:DB8:0::1]:8000", ServerUri("stun", "2001:db8::1", 8000)),
        ("stun:example.org:", ServerUri("stun", "example.org", 3478)),
    ],
)
@pytest.mark.spec("stun/uri-default-port", "stun/uri-transport")
def test_what_an_address_says(text: str, expected: ServerUri) -> None:
    assert uri.parse(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "stun://example.org",
        "stun:user@example.org",
        "stun:example.org/path",
        "stun:example.org#fragment",
        "stun:example.org?transport=udp",
        "turn:example.org?transport=sctp",
        "turn:example.org?ttl=5",
        "turn:example.org?transport=udp&x=1",
        "turn:",
        "turn::3478",
        "turn:example.org:0",
        "turn:example.org:65536",
        "turn:example.org:000003478",
        "turn:example.org:http",
        "turn:2001:db8::1",
        "turn:[192.0.2.7]",
        "turn:[2001:db8::1",
        "turn:[::1]x",
        "turn:999.1.1.1",
        "turn:-bad-.example",
        "turn:a..b",
        "turn:" + "a" * 64,
        "turn:" + "a." * 300,
        "http:example.org",
        " turn:example.org",
        "turn:example.org\n",
    ],
)
@pytest.mark.spec("stun/uri-not-hierarchical", "stun/uri-transport")
def test_what_is_no_address_of_a_server(text: str) -> None:
    with pytest.raises(Malformed):
        uri.parse(text)


def test_what_an_address_is_good_for() -> None:
    assert uri.parse("turns:192.0.2.7").address == Address("192.0.2.7", 5349)
    assert uri.parse("turns:relay.example").address is None
    assert [uri.parse(f"{scheme}:a").secure for scheme in ("stun", "stuns", "turn", "turns")] == [False, True] * 2
    assert [uri.parse(f"{scheme}:a").relays for scheme in ("stun", "stuns", "turn", "turns")] == [False] * 2 + [
        True
    ] * 2
