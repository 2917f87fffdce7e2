"""Foreign pages and rebound names stay outside; our own page and programs come in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.app.origin import HostNames, is_same_origin

LOOPBACK = HostNames.told([], only_loopback=True)


@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost:8080", "LOCALHOST:8080", "a.localhost:1", "127.0.0.1:8080", "[::1]:8080", "10.1.2.3"],
)
def test_names_that_are_ours(host: str) -> None:
    assert LOOPBACK.allows(host)


@pytest.mark.parametrize(
    "host",
    [
        None,
        "",
        "evil.example",
        "evil.example:8080",
        "localhost.evil.example",
        "notlocalhost",
        "127.0.0.1.evil.example",
        "user@localhost",
        "localhost/x",
        "localhost?x",
        "localhost:99999999",
        "[::1",
        "127.0.0.1, evil.example",
    ],
)
def test_names_that_are_not(host: str | None) -> None:
    assert not LOOPBACK.allows(host)


def test_a_server_for_others_has_the_names_it_was_told() -> None:
    named = HostNames.told(["Meet.Example."], only_loopback=False)
    assert named.allows("meet.example:443")
    assert not named.allows("evil.example")
    assert HostNames.told([], only_loopback=False).allows("anything.example")


@pytest.mark.parametrize(
    ("origin", "host", "same"),
    [
        (None, "localhost:8080", True),
        ("http://localhost:8080", "localhost:8080", True),
        ("http://LOCALHOST:8080", "localhost:8080", True),
        ("https://meet.example", "meet.example", True),
        ("https://meet.example", "meet.example:443", True),
        ("http://meet.example", "meet.example:443", False),
        ("http://localhost:8081", "localhost:8080", False),
        ("http://evil.example", "localhost:8080", False),
        ("http://evil.example:8080", "localhost:8080", False),
        ("null", "localhost:8080", False),
        ("", "localhost:8080", False),
        ("file://", "localhost:8080", False),
        ("http://localhost:8080/path", "localhost:8080", False),
        ("http://user@localhost:8080", "localhost:8080", False),
        ("http://[::1]:8080", "[::1]:8080", True),
        ("http://localhost:8080", None, False),
    ],
)
def test_same_origin(origin: str | None, host: str | None, same: bool) -> None:
    assert is_same_origin(origin, host) is same


@given(st.text(max_size=40), st.text(max_size=40))
def test_no_header_raises(origin: str, host: str) -> None:
    assert LOOPBACK.allows(host) is LOOPBACK.allows(host.upper())
    for whole in (origin, "http://" + origin):
        assert not is_same_origin(whole, host) or host.lower() in whole.lower()
