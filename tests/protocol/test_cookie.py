"""Cookies belong to one address and one hello, and to the door that made them."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from meetref.protocol.cookie import CookieSecret
from meetref.protocol.reassembly import Message
from meetref.wire import extension, tls
from meetref.wire import handshake12 as wire
from meetref.wire.address import Address

HELLO = tls.ClientHello(tls.DTLS_1_2, bytes(32), b"", b"", (0xC02B,), b"\x00", (extension.ExtendedMasterSecret(),))
PLACE = Address("192.0.2.1", 5000)


def test_a_cookie_is_its_own() -> None:
    door = CookieSecret(random.Random(1).randbytes)
    cookie = door.make(PLACE, HELLO)
    assert len(cookie) == 32
    assert door.verify(PLACE, replace(HELLO, cookie=cookie))
    assert not door.verify(PLACE, HELLO)


@pytest.mark.spec("handshake12/cookie-bound-to-hello")
def test_a_cookie_is_bound_to_address_hello_and_door() -> None:
    door, other = CookieSecret(random.Random(1).randbytes), CookieSecret(random.Random(2).randbytes)
    with_cookie = replace(HELLO, cookie=door.make(PLACE, HELLO))
    assert not door.verify(Address("192.0.2.1", 5001), with_cookie)
    assert not door.verify(Address("192.0.2.2", 5000), with_cookie)
    assert not door.verify(Address("2001:db8::1", 5000), with_cookie)
    assert not door.verify(PLACE, replace(with_cookie, random=bytes(31) + b"\x01"))
    assert not door.verify(PLACE, replace(with_cookie, cipher_suites=(0xC02B, 0xC02F)))
    assert not door.verify(PLACE, replace(with_cookie, extensions=()))
    assert not other.verify(PLACE, with_cookie)


def test_what_cannot_be_read_is_not_asked_for_a_cookie() -> None:
    """The handshake will refuse it; an answer with a cookie would only be a second packet."""
    door = CookieSecret(random.Random(1).randbytes)
    assert door.challenge(PLACE, Message(1, 0, b"\xfe")) is None
    request = door.challenge(PLACE, Message(1, 3, wire.serialize(HELLO)))
    assert request is not None
    assert request.number == 3
