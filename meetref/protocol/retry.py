"""HelloRetryRequest, asked without remembering it: all that is needed later travels in the cookie.

    client                                    server
    ClientHello                 ------>       (nothing is kept)
                                <------       HelloRetryRequest: the wanted group, cookie
    ClientHello: share, cookie  ------>       from the cookie: the first hello's hash, and what was asked

    cookie = cipher suite 2 | wanted group 2 (0: none) | hash of the first hello 32 or 48 | HMAC 32 (with the address)

One message serves two ends: it proves that the client receives at its address, and it asks for another key share.
Stands above `wire/tls`; `cookie` does the same for 1.2. Specification: RFC 9846 sections 4.2.4 and 4.3.2, RFC 9147
section 5.1. Leaves out: changing the secret while running. Read next: `protocol/server13.py`.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from meetref.protocol.keyschedule13 import SUITES, Suite
from meetref.protocol.machine import Dice
from meetref.wire.address import Address, pack_host
from meetref.wire.extension import Cookie, Extension, SelectedVersion, WantedGroup
from meetref.wire.tls import DTLS_1_2, DTLS_1_3, RETRY_RANDOM, ServerHello

TAG_SIZE = 32


@dataclass(slots=True, frozen=True)
class Retry:
    """What was asked: a share for `group` (None: those sent will do), and the hash of the hello that was answered."""

    suite: Suite
    group: int | None
    first_hello: bytes

    def octets(self) -> bytes:
        """Its half of the cookie."""
        return self.suite.number.to_bytes(2, "big") + (self.group or 0).to_bytes(2, "big") + self.first_hello

    def message(self, cookie: bytes) -> ServerHello:
        """The question, the same octets whenever it is made again."""
        extensions: list[Extension] = [SelectedVersion(DTLS_1_3)]
        if self.group is not None:
            extensions.append(WantedGroup(self.group))
        # spec: handshake13/retry-message
        extensions.append(Cookie(cookie))
        return ServerHello(DTLS_1_2, RETRY_RANDOM, b"", self.suite.number, 0, tuple(extensions))


class RetrySecret:
    """The secret of one door. Several endpoints may share it; then any of them knows the cookies of the others."""

    def __init__(self, dice: Dice) -> None:
        self._secret = dice(32)

    def seal(self, retry: Retry, remote: Address, client_random: bytes) -> bytes:
        """The cookie. The random ties it to this handshake: both hellos have the same one."""
        # spec: handshake13/cookie-bound
        place = pack_host(remote.host) + remote.port.to_bytes(2, "big")
        bound = bytes((len(place),)) + place + client_random + retry.octets()
        return retry.octets() + hmac.digest(self._secret, bound, "sha256")

    def open(self, cookie: bytes, remote: Address, client_random: bytes) -> Retry | None:
        """What was asked; None unless the cookie was made here, for this client. The comparison tells no time."""
        suite = SUITES.get(int.from_bytes(cookie[:2], "big"))
        if suite is None or len(cookie) != 4 + suite.hash_size + TAG_SIZE:
            return None
        retry = Retry(suite, int.from_bytes(cookie[2:4], "big") or None, cookie[4:-TAG_SIZE])
        return retry if hmac.compare_digest(self.seal(retry, remote, client_random), cookie) else None
