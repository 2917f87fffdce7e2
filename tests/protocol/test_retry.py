"""Cookies of 1.3 carry what was asked, and only those made here, for that client, are read."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.protocol.keyschedule13 import SUITES
from meetref.protocol.retry import Retry, RetrySecret
from meetref.wire.address import Address

HERE = Address("192.0.2.1", 5000)
SECRET = RetrySecret(random.Random(1).randbytes)


@pytest.mark.spec("handshake13/cookie-bound", "handshake13/cookie-stateless")
@pytest.mark.parametrize("suite", list(SUITES.values()), ids=lambda suite: suite.hash_name)
@pytest.mark.parametrize("group", [None, 0x18])
def test_a_cookie_comes_back(suite: object, group: int | None) -> None:
    retry = Retry(suite, group, bytes(suite.hash_size))  # type: ignore[arg-type, attr-defined]
    cookie = SECRET.seal(retry, HERE, bytes(32))
    assert SECRET.open(cookie, HERE, bytes(32)) == retry
    assert SECRET.open(cookie, HERE._replace(port=5001), bytes(32)) is None
    assert SECRET.open(cookie, Address("2001:db8::1", 5000), bytes(32)) is None
    assert SECRET.open(cookie, HERE, bytes(31) + b"\1") is None
    assert RetrySecret(random.Random(2).randbytes).open(cookie, HERE, bytes(32)) is None
    for at in range(len(cookie)):
        assert SECRET.open(cookie[:at] + bytes((cookie[at] ^ 1,)) + cookie[at + 1 :], HERE, bytes(32)) is None


@pytest.mark.spec("handshake13/cookie-wrong")
@given(st.binary(max_size=120))
def test_nothing_else_is_a_cookie(octets: bytes) -> None:
    assert SECRET.open(octets, HERE, bytes(32)) is None
