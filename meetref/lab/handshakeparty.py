"""The sides of handshakes in memory, ours and pyOpenSSL's, and what CPU time each of the two sides takes.

Stands on `protocol/handshake12` and `protocol/handshake13`; `lab/handshakes` lets two of them meet. pyOpenSSL is
imported only where a side of it is made: it is not among what meetref needs. Specification: none.
Leaves out: loss and time; what one side says arrives.
Read next: `lab/handshakes.py`.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any, Literal, Protocol

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import load_der_x509_certificate

from meetref.app.command import CommandFailed
from meetref.protocol import handshake12, handshake13
from meetref.protocol.association import Connected
from meetref.protocol.certificate import Certificate, derive_private_key
from meetref.protocol.conversation13 import Policy
from meetref.protocol.keyschedule import Role
from meetref.protocol.machine import Datagram, Dice
from meetref.wire.address import Address
from meetref.wire.tls import AEAD_AES_128_GCM, P_256

HERE, THERE = Address("192.0.2.1", 5000), Address("192.0.2.2", 5000)
LARGEST_DATAGRAM = 1200
MOST_TURNS = 20
PROFILE, PROFILE_NAME = AEAD_AES_128_GCM, b"SRTP_AEAD_AES_128_GCM"

Version = Literal["1.2", "1.3"]


class Identity:
    """A certificate of P-256 and its key, from a seed."""

    def __init__(self, seed: str) -> None:
        self.certificate = Certificate.generate(random.Random(seed).randbytes, now_wall=1.8e9)
        self.key = derive_private_key(random.Random(seed).randbytes)


class Party(Protocol):
    """`group` is what was agreed on, where the side tells it."""

    group: str | None
    is_done: bool

    def hear(self, datagrams: list[bytes]) -> list[bytes]:
        """Take these; gives what there is to say now."""


class Ours:
    """A side of ours."""

    def __init__(self, role: Role, identity: Identity, dice: Dice, version: Version, group: int) -> None:
        settings: dict[str, Any] = {"role": role, "certificate": identity.certificate, "dice": dice}
        settings |= {"local": HERE, "remote": THERE, "address_verified": True, "maximum_datagram": LARGEST_DATAGRAM}
        self._endpoint: handshake12.Endpoint | handshake13.Endpoint
        if version == "1.2":  # the other side chooses the group
            self._endpoint = handshake12.Endpoint(srtp_profiles=(PROFILE,), **settings)
        else:
            policy = Policy(groups=(group,), srtp_profiles=(PROFILE,))
            self._endpoint = handshake13.Endpoint(policy=policy, **settings)
        self._endpoint.start(0.0)
        self.group: str | None = None
        self.is_done = False

    def hear(self, datagrams: list[bytes]) -> list[bytes]:
        for data in datagrams:
            self._endpoint.receive_datagram(Datagram(data, HERE, THERE), 0.0)
        said = [datagram.data for datagram in self._endpoint.transmits()]
        for event in self._endpoint.events():
            if isinstance(event, Connected):
                self.group, self.is_done = event.group, True
        return said


class Theirs:
    """A side of pyOpenSSL."""

    def __init__(self, role: Role, context: Any) -> None:
        from OpenSSL import SSL

        self._wants_more = SSL.WantReadError
        self._connection = SSL.Connection(context)
        self._connection.set_connect_state() if role == "client" else self._connection.set_accept_state()
        self._connection.set_ciphertext_mtu(LARGEST_DATAGRAM)
        self.group: str | None = None
        self.is_done = False

    @staticmethod
    def is_installed() -> bool:
        try:
            import OpenSSL  # noqa: F401 - only whether it is there
        except ImportError:
            return False
        return True

    @staticmethod
    def context(identity: Identity, group: int) -> Any:
        """What many handshakes share, as ours share the certificate."""
        from OpenSSL import SSL

        context = SSL.Context(SSL.DTLS_METHOD)
        context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, lambda *anything: True)
        context.use_certificate(load_der_x509_certificate(identity.certificate.der))
        context.use_privatekey(identity.key)
        context.set_tlsext_use_srtp(PROFILE_NAME)
        if group == P_256:  # else it takes X25519
            context.set_tmp_ecdh(ec.SECP256R1())
        return context

    def hear(self, datagrams: list[bytes]) -> list[bytes]:
        for data in datagrams:
            self._connection.bio_write(data)
            self._go_on()
        if not self.is_done:
            self._go_on()
        return list(iter(self._next, b""))

    def _go_on(self) -> None:
        try:
            self._connection.do_handshake()
            self.is_done = True
        except self._wants_more:
            pass

    def _next(self) -> bytes:
        try:
            said: bytes = self._connection.bio_read(65536)
        except self._wants_more:
            return b""
        return said


def play(make_client: Callable[[], Party], make_server: Callable[[], Party], count: int) -> tuple[float, float, Party]:
    """`count` handshakes in step: CPU seconds of the clients, of the servers, and one of the clients.

    In step, so that what one side does is done `count` times in a row, with the caches as warm for one as for the
    other, whoever stands on the other side. Raises `CommandFailed`.
    """
    spent = [0.0, 0.0]
    sides: list[list[Party]] = []
    for number, make in enumerate((make_client, make_server)):
        started = time.process_time()
        sides.append([make() for _ in range(count)])
        spent[number] += time.process_time() - started
    said: list[list[bytes]] = [[]] * count
    for turn in range(MOST_TURNS):
        number = turn % 2
        started = time.process_time()
        said = [side.hear(heard) for side, heard in zip(sides[number], said, strict=True)]
        spent[number] += time.process_time() - started
        if not any(said) and turn > 2:
            break
    if not all(side.is_done for side in sides[0] + sides[1]):
        raise CommandFailed("the two sides did not come to an end: a mistake in one of them")
    return spent[0], spent[1], sides[0][0]
