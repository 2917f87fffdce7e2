"""One door for both versions of DTLS: the first hello decides which handshake goes on.

    server   ClientHello offers 1.3, and policy has it    -> handshake13
             anything else                                -> handshake12, which says no where it must
    client   offers both in one hello; the answer names 1.3, or asks to retry        -> handshake13 goes on
             the answer is HelloVerifyRequest, or a ServerHello without a version    -> handshake12 takes over

Until that is known the datagrams are held, within small bounds, and then given to whoever goes on. Where the address
is not proven, nothing is kept from one hello to the next, and at most three times the octets received are sent.
Stands above `handshake12` and `handshake13`, whose methods and events it has; `protocol/peer` opens it.
Specification: RFC 9846 sections 4.2.1 and 4.3.1, RFC 9147 section 5.1. Leaves out: DTLS 1.0.
Read next: `protocol/handshake13.py`; above, `protocol/peer.py`.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from meetref.protocol import conversation12, handshake12, handshake13
from meetref.protocol.association import Closed, Connected, Failed, Received
from meetref.protocol.certificate import Certificate
from meetref.protocol.conversation13 import GROUP_PREFERENCE, HelloExpected, HelloSent, OlderVersionChosen, Policy
from meetref.protocol.cookie import CookieSecret
from meetref.protocol.flight import FIRST_TIMEOUT
from meetref.protocol.keyschedule import Role
from meetref.protocol.keyshare import Encapsulate, encapsulate
from meetref.protocol.machine import Datagram, Dice, Event, Ignored, ProtocolMisuse
from meetref.protocol.reassembly import Message, Reassembly
from meetref.protocol.retry import RetrySecret
from meetref.wire import dtls
from meetref.wire.address import Address
from meetref.wire.extension import SupportedVersions, find_extension
from meetref.wire.handshake13 import CLIENT_HELLO
from meetref.wire.reader import Malformed, Reader
from meetref.wire.tls import (
    AEAD_AES_128_GCM,
    AEAD_AES_256_GCM,
    AES128_CM_SHA1_80,
    DTLS_1_2,
    DTLS_1_3,
    ClientHello,
    parse_client_hello,
)

__all__ = ["Closed", "Connected", "DoorSecrets", "Endpoint", "Failed", "Received", "Versions"]

Versions = Literal["1.3 preferred", "1.2 only", "1.3 only"]
HELLO_TIME = handshake12.HANDSHAKE_TIME

MAXIMUM_HELD = 32
"""Datagrams kept until the version is known: a post-quantum hello in the smallest datagrams has about fifteen."""

AMPLIFICATION = 3
"""How many octets may be sent for each received one, until the address is proven (RFC 9147 section 5.1 wants few)."""


@dataclass(slots=True, frozen=True)
class DoorSecrets:
    """The secrets behind the cookies of both versions; all endpoints of one door share them."""

    cookie: CookieSecret
    retry: RetrySecret

    @classmethod
    def make(cls, dice: Dice) -> DoorSecrets:
        """New ones."""
        return cls(CookieSecret(dice), RetrySecret(dice))


class Endpoint:
    """One side of one association; a machine. `local` and `remote` may be changed when the path does.

    `versions` is the policy; `srtp_profiles`, and `groups` for 1.3, stand in order of preference. Where
    `address_verified` is False a server asks for a cookie first. `key_log` is told every secret. `maximum_datagram` is
    in octets of UDP payload.
    """

    def __init__(
        self,
        *,
        role: Role,
        certificate: Certificate,
        dice: Dice,
        local: Address,
        remote: Address,
        versions: Versions = "1.3 preferred",
        srtp_profiles: Sequence[int] = (AEAD_AES_256_GCM, AEAD_AES_128_GCM, AES128_CM_SHA1_80),
        groups: Sequence[int] = GROUP_PREFERENCE,
        address_verified: bool,
        key_log: Callable[[str], None] | None = None,
        maximum_datagram: int = 1200,
        secrets: DoorSecrets | None = None,
        encapsulate: Encapsulate = encapsulate,
    ) -> None:
        self.role: Role = role
        self.local, self.remote = local, remote
        self.versions: Versions = versions
        self._verified = address_verified
        self._secrets = secrets or DoorSecrets.make(dice)
        self._profiles, self._groups = tuple(srtp_profiles), tuple(groups)
        self._encapsulate = encapsulate
        self._settings: dict[str, Any] = {
            "role": role,
            "certificate": certificate,
            "dice": dice,
            "address_verified": address_verified,
            "key_log": key_log,
            "maximum_datagram": maximum_datagram,
        }
        self._first_wait = FIRST_TIMEOUT
        self._endpoint: handshake12.Endpoint | handshake13.Endpoint | None = self._fixed()
        self._decided = versions != "1.3 preferred"
        self._held: deque[Datagram] = deque(maxlen=MAXIMUM_HELD)
        self._hello = Reassembly()
        self._deadline = math.inf
        self._started_at = 0.0
        self._credit = 0
        self._transmits: deque[bytes] = deque()
        self._events: deque[Event] = deque()

    def __repr__(self) -> str:
        return f"Endpoint({self.versions}, {self._endpoint or self.role})"

    @property
    def flight(self) -> tuple[bytes, ...]:
        """The datagrams in which we said last what the peer may still have to hear; none once it has answered."""
        return self._endpoint.repetition.sent if self._endpoint is not None else ()

    # --- what the owner asks for ------------------------------------------------------------------

    def start(self, now: float) -> None:
        """A client says hello; a server waits."""
        self._started_at = now
        if self._endpoint is not None:
            self._endpoint.start(now)

    def send(self, data: bytes, now: float) -> None:
        """Send application data as one record in one datagram. Only after `Connected`."""
        self._established().send(data, now)

    def close(self, now: float) -> None:
        """Say goodbye and stop. Closing twice, or what has failed, does nothing."""
        if self._endpoint is not None:
            self._endpoint.close(now)
        elif not self._decided:
            self._decided = True
            self._forget()
            self._events.append(Closed())

    def export(self, label: bytes, size: int) -> bytes:
        """`size` octets of keying material for another protocol, without context."""
        return self._established().export(label, size)

    def _established(self) -> handshake12.Endpoint | handshake13.Endpoint:
        if self._endpoint is None:
            raise ProtocolMisuse("there is no association yet")
        return self._endpoint

    def adapt(self, now: float, *, first_wait: float = FIRST_TIMEOUT, maximum_datagram: int) -> None:
        """See `flight.Repetition.adapt`; it holds for endpoints that are still to be chosen, too."""
        self._first_wait = first_wait
        self._settings["maximum_datagram"] = maximum_datagram
        self._adapt(now)

    def _adapt(self, now: float) -> None:
        if self._endpoint is not None:
            size = self._settings["maximum_datagram"]
            self._endpoint.repetition.adapt(now, first_wait=self._first_wait, maximum_datagram=size)

    # --- the machine ------------------------------------------------------------------------------

    def receive_datagram(self, datagram: Datagram, now: float) -> None:
        self._credit += AMPLIFICATION * len(datagram.data)
        if self._decided:
            if self._endpoint is not None:
                self._endpoint.receive_datagram(datagram, now)
            else:
                self._events.append(Ignored("record outside of an association"))
        elif self.role == "client":
            self._receive_as_client(datagram, now)
        else:
            self._receive_as_server(datagram, now)

    def next_timeout(self) -> float:
        waiting = self._endpoint.next_timeout() if self._endpoint is not None else math.inf
        return min(self._deadline, waiting)

    def handle_timeout(self, now: float) -> None:
        if now >= self._deadline:
            self._forget()
            if self._verified:
                self._decided = True
                self._events.append(Failed(None, f"no whole hello came within {HELLO_TIME:.0f} seconds"))
        elif self._endpoint is not None:
            self._endpoint.handle_timeout(now)

    def transmits(self) -> Iterator[Datagram]:
        self._collect()
        while self._transmits:
            yield Datagram(self._transmits.popleft(), self.local, self.remote)

    def events(self) -> Iterator[Event]:
        self._collect()
        while self._events:
            yield self._events.popleft()

    def _collect(self) -> None:
        """What the chosen one has to say becomes ours; to an unproven address not more than was earned."""
        if self._endpoint is None:
            return
        bounded = self.role == "server" and not self._verified and _is_waiting(self._endpoint)
        for datagram in self._endpoint.transmits():
            self._credit -= len(datagram.data)
            if not bounded or self._credit >= 0:  # spec: handshake13/amplification
                self._transmits.append(datagram.data)
        self._events.extend(self._endpoint.events())

    # --- which version ----------------------------------------------------------------------------

    def _fixed(self) -> handshake12.Endpoint | handshake13.Endpoint | None:
        """Who begins; None for a server that waits for the hello to say it."""
        if self.versions == "1.2 only":
            return self._speak_older(newer_allowed=False)
        if self.versions == "1.3 only":
            return self._speak_newer((DTLS_1_3,))
        return self._speak_newer((DTLS_1_3, DTLS_1_2)) if self.role == "client" else None

    def _speak_older(self, *, newer_allowed: bool) -> handshake12.Endpoint:
        return handshake12.Endpoint(
            local=self.local,
            remote=self.remote,
            srtp_profiles=self._profiles,
            cookie_secret=self._secrets.cookie,
            newer_allowed=newer_allowed,
            **self._settings,
        )

    def _speak_newer(self, versions: Sequence[int]) -> handshake13.Endpoint:
        return handshake13.Endpoint(
            local=self.local,
            remote=self.remote,
            policy=Policy(versions=versions, groups=self._groups, srtp_profiles=self._profiles),
            retry_secret=self._secrets.retry,
            encapsulate=self._encapsulate,
            **self._settings,
        )

    def _receive_as_client(self, datagram: Datagram, now: float) -> None:
        newer = self._endpoint
        assert isinstance(newer, handshake13.Endpoint)  # only that one offers two versions
        self._held.append(datagram)
        newer.receive_datagram(datagram, now)
        match newer.state:
            case OlderVersionChosen(hello):
                self._take_over(newer, hello, now)
            case HelloSent(retry=None):
                return
        self._decided = True
        self._forget()

    def _take_over(self, newer: handshake13.Endpoint, hello: ClientHello, now: float) -> None:
        """The server speaks 1.2: what it said so far is for somebody else."""
        older = self._endpoint = self._speak_older(newer_allowed=True)
        self._adapt(now)
        older.take_over(hello, newer.next_record, now, self._started_at + HELLO_TIME)
        for datagram in self._held:
            older.receive_datagram(datagram, now)  # spec: handshake13/older-version

    def _receive_as_server(self, datagram: Datagram, now: float) -> None:
        self._held.append(datagram)  # spec: handshake13/hello-in-fragments
        message = self._whole_hello(datagram.data)
        if message is None:
            self._deadline = min(self._deadline, now + HELLO_TIME)
            return
        newer = _offers_newer(message.body)  # spec: handshake13/version-from-hello
        endpoint = self._endpoint = self._speak_newer((DTLS_1_3,)) if newer else self._speak_older(newer_allowed=True)
        self._adapt(now)
        for held in self._held:
            endpoint.receive_datagram(held, now)
        self._decided = not _is_waiting(endpoint)
        self._collect()
        self._forget()
        if not self._decided:
            self._endpoint = None  # a cookie was asked for: the next hello begins anew

    def _whole_hello(self, data: bytes) -> Message | None:
        try:
            for record in dtls.mixed_records(data):
                if isinstance(record, dtls.Record) and record.content_type == dtls.HANDSHAKE and not record.epoch:
                    for fragment in dtls.fragments(record.payload):
                        if fragment.type == CLIENT_HELLO and self._hello.add(fragment) != "refused":
                            message = self._hello.take(fragment.number)
                            if message is not None:
                                return message
        except Malformed:
            self._events.append(Ignored("not a DTLS record"))
        return None

    def _forget(self) -> None:
        self._held.clear()
        self._hello.forget()
        self._deadline = math.inf


def _is_waiting(endpoint: handshake12.Endpoint | handshake13.Endpoint) -> bool:
    return isinstance(endpoint.state, conversation12.HelloExpected | HelloExpected)


def _offers_newer(body: bytes) -> bool:
    try:
        versions = find_extension(parse_client_hello(Reader(body)).extensions, SupportedVersions)
    except Malformed:
        return False  # whoever takes it will say so
    return versions is not None and DTLS_1_3 in versions.versions
