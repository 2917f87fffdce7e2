"""Cookies: proof that a client receives at the address it sends from, without remembering that it was here.

    client                                   server
    ClientHello                ------>       (nothing is kept)
                               <------       HelloVerifyRequest, cookie = HMAC(secret, address, hello)
    ClientHello with cookie    ------>       the same computation gives the same cookie: now state is made

Stands above `wire/tls`. Behind ICE nobody needs it: an authenticated check has proven the address already.
Specification: RFC 6347 section 4.2.1.
Leaves out: changing the secret while running; a door that lives for weeks makes a new `CookieSecret`.
Read next: `protocol/handshake12.py`.
"""

from __future__ import annotations

import hmac

from meetref.protocol.machine import Dice
from meetref.protocol.reassembly import Message
from meetref.wire.address import Address, pack_host
from meetref.wire.dtls import Fragment
from meetref.wire.handshake12 import HELLO_VERIFY_REQUEST, HelloVerifyRequest, serialize
from meetref.wire.reader import Malformed, Reader
from meetref.wire.tls import DTLS_1_0, ClientHello, parse_client_hello, serialize_client_hello


class CookieSecret:
    """The secret of one door. Several endpoints may share it; then any of them knows the cookies of the others."""

    def __init__(self, dice: Dice) -> None:
        self._secret = dice(32)

    def make(self, remote: Address, hello: ClientHello) -> bytes:
        """The cookie for this hello from this address; what the hello itself has as cookie does not matter."""
        # spec: handshake12/cookie-bound-to-hello
        bare = ClientHello(
            hello.version,
            hello.random,
            hello.session_id,
            b"",
            hello.cipher_suites,
            hello.compression_methods,
            hello.extensions,
        )
        place = pack_host(remote.host) + remote.port.to_bytes(2, "big")
        return hmac.digest(self._secret, bytes((len(place),)) + place + serialize_client_hello(bare), "sha256")

    def verify(self, remote: Address, hello: ClientHello) -> bool:
        """Does the hello bring its own cookie? Takes the same time whatever differs."""
        return hmac.compare_digest(self.make(remote, hello), hello.cookie)

    def challenge(self, remote: Address, message: Message) -> Fragment | None:
        """What to ask the sender of this ClientHello; None when it brings its cookie, or can never be answered.

        The request bears the number of the hello, so that nobody has to remember how often it was asked, and
        names version 1.0 whatever will be agreed on: clients are told to ignore it (RFC 6347 section 4.2.1).
        """
        try:
            hello = parse_client_hello(Reader(message.body))
        except Malformed:
            return None  # the handshake will say so
        if self.verify(remote, hello):
            return None
        # spec: handshake12/cookie-wrong-asks-again
        body = serialize(HelloVerifyRequest(DTLS_1_0, self.make(remote, hello)))
        return Fragment(HELLO_VERIFY_REQUEST, len(body), message.number, 0, body)
