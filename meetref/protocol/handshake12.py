"""A DTLS 1.2 endpoint, client or server: from the first hello to protected data and the last close_notify.

    client                                                server
      |  ClientHello                                        |
    1 |---------------------------------------------------->|   only when the address is not proven yet:
      |                                  HelloVerifyRequest |   the hello is said again, with the cookie
    2 |<- - - - - - - - - - - - - - - - - - - - - - - - - - |
      |  ClientHello (cookie)                               |
    3 |- - - - - - - - - - - - - - - - - - - - - - - - - - >|
      |          ServerHello, Certificate, ServerKeyExchange|   the share is signed: whose it is is known now
    4 |<----------------------------------------------------|
      |                 CertificateRequest, ServerHelloDone |
      |  Certificate, ClientKeyExchange, CertificateVerify  |   both have the master secret
    5 |---------------------------------------------------->|
      |  [ChangeCipherSpec] {Finished}                      |   {...} is protected, epoch 1
      |                       [ChangeCipherSpec] {Finished} |   the server is done: Connected
    6 |<----------------------------------------------------|   the client is done: Connected
      |  {application data} <------------------------------>|

Each arrow is a flight (protocol/flight): repeated until the next one begins; 6 is repeated when 5 comes again.
Stands above `client12`, `server12` (what is said), `recordlayer`, `reassembly`, `flight` (how it travels).
Specification: RFC 6347 section 4.2, RFC 5246 section 7.4, RFC 5764; whom to trust is the owner's (fingerprints).
Leaves out: resumption, renegotiation (refused, RFC 5246 section 7.2.2), suites without forward secrecy.
Read next: `protocol/client12.py`; above, `protocol/peer.py`.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence

from meetref.protocol import client12, keyschedule, server12
from meetref.protocol.association import Closed, Connected, Failed, Received, Side
from meetref.protocol.certificate import Certificate
from meetref.protocol.conversation12 import (
    Conversation,
    Established,
    FinishedExpected,
    HelloExpected,
    NotStarted,
    Over,
    State,
)
from meetref.protocol.cookie import CookieSecret
from meetref.protocol.flight import Flight
from meetref.protocol.keyschedule import Role, SRTPKeys
from meetref.protocol.machine import Datagram, Dice, Event, ProtocolMisuse
from meetref.protocol.reassembly import Message, Reassembly
from meetref.protocol.recordlayer import RecordLayer
from meetref.protocol.refusal import Refused
from meetref.wire import dtls, tls
from meetref.wire import handshake12 as wire
from meetref.wire.address import Address
from meetref.wire.dtls import Fragment, Record
from meetref.wire.reader import Malformed
from meetref.wire.tls import AEAD_AES_128_GCM, AEAD_AES_256_GCM, AES128_CM_SHA1_80, ClientHello

__all__ = ["Closed", "Connected", "Endpoint", "Failed", "Received", "SRTPKeys"]

HANDSHAKE_TIME = 30.0
"""Seconds from the first hello until the handshake is given up."""

MAXIMUM_EARLY = 16
"""Protected records kept that came before they could be opened or were allowed: a reordered flight has one or two."""


class Endpoint(Side):
    """One side of one association; a machine. `local` and `remote` may be changed when the path does.

    `srtp_profiles` stand in order of preference; none leaves SRTP out. Where `address_verified` is False a server
    asks for a cookie first; doors with many endpoints give all of them one `cookie_secret`. `key_log` is called
    once with a line that decrypts everything. `maximum_datagram` is in octets of UDP payload. `newer_allowed` says
    that 1.3 would have been spoken, had the client offered it.
    """

    def __init__(
        self,
        *,
        role: Role,
        certificate: Certificate,
        dice: Dice,
        local: Address,
        remote: Address,
        srtp_profiles: Sequence[int] = (AEAD_AES_256_GCM, AEAD_AES_128_GCM, AES128_CM_SHA1_80),
        address_verified: bool,
        key_log: Callable[[str], None] | None = None,
        maximum_datagram: int = 1200,
        cookie_secret: CookieSecret | None = None,
        newer_allowed: bool = False,
    ) -> None:
        super().__init__(role, local, remote, maximum_datagram)
        self.state: State = NotStarted() if role == "client" else HelloExpected()
        self._talk = Conversation(role, certificate, dice, srtp_profiles, newer_allowed=newer_allowed)
        self._step = client12.step if role == "client" else server12.step
        asks_cookie = role == "server" and not address_verified
        self._cookies = (cookie_secret or CookieSecret(dice)) if asks_cookie else None
        self._key_log = key_log
        self._records = RecordLayer()
        self._reassembly = Reassembly()
        self.repetition = self._flight = Flight(maximum_datagram)
        self._write_epoch = 0
        self._deadline = math.inf
        self._early: deque[Record] = deque()

    # --- what the owner asks for ------------------------------------------------------------------

    def start(self, now: float) -> None:
        """A client says hello; a server waits."""
        if self.role == "server":
            return
        if not isinstance(self.state, NotStarted):
            raise ProtocolMisuse("this endpoint was started before")
        self.state = client12.hello(self._talk)
        self._deadline = now + HANDSHAKE_TIME
        self._send_turn(now)

    def take_over(self, hello: ClientHello, next_record: int, now: float, deadline: float) -> None:
        """Go on as client after a hello that offered 1.3 as well, and that the server answers in 1.2.

        `next_record` is the number of the first record that was not used yet, `deadline` the one that the hello set.
        """
        if not isinstance(self.state, NotStarted):
            raise ProtocolMisuse("this endpoint was started before")
        self.state = client12.said(hello, self._talk)
        self._deadline = deadline
        self._records.continue_from(next_record)
        self._flight.begin(self._talk.take_turn(), now, awaits_answer=True)

    def send(self, data: bytes, now: float) -> None:
        """Send application data, at most 2^14 octets, as one record in one datagram. Only after `Connected`."""
        if not isinstance(self.state, Established):
            raise ProtocolMisuse("there is no established association to send on")
        if len(data) > min(self._talk.record_limit, dtls.MAXIMUM_PLAINTEXT):
            raise ProtocolMisuse(f"{len(data)} octets do not fit into a record")
        self._transmits.append(self._records.seal(1, dtls.APPLICATION_DATA, data))

    def close(self, now: float) -> None:
        """Say goodbye and stop. Closing twice, or what has failed, does nothing."""
        if isinstance(self.state, Over):
            return
        if not isinstance(self.state, NotStarted | HelloExpected):
            self._send_alert(tls.WARNING if isinstance(self.state, Established) else tls.FATAL, "close_notify")
        self._end(Closed())

    def export(self, label: bytes, size: int) -> bytes:
        """`size` octets of keying material for another protocol, without context (RFC 5705)."""
        if not isinstance(self.state, Established):
            raise ProtocolMisuse("there is nothing to export from yet")
        return keyschedule.export(self.state.session, label, size)

    # --- the machine ------------------------------------------------------------------------------

    def receive_datagram(self, datagram: Datagram, now: float) -> None:
        try:
            for record in dtls.records(datagram.data):
                self._receive_record(record, now)
        except Malformed:
            self._ignore("not a DTLS record")

    def next_timeout(self) -> float:
        return min(self._deadline, self._flight.deadline)

    def handle_timeout(self, now: float) -> None:
        if now >= self._deadline:
            self._end(Failed(None, f"the handshake did not complete within {HANDSHAKE_TIME:.0f} seconds"))
        elif now >= self._flight.deadline:
            self._flight.repeat(now)  # spec: dtls/flight-retransmitted
            self._transmits.extend(self._flight.datagrams(self._records))

    # --- records ----------------------------------------------------------------------------------

    def _receive_record(self, record: Record, now: float) -> None:
        if isinstance(self.state, Over | NotStarted):
            return self._ignore("record outside of an association")
        established = isinstance(self.state, Established)
        if record.epoch == 1 and not (
            established or (self._records.is_protected and record.content_type != dtls.APPLICATION_DATA)
        ):
            return self._keep_early(record)
        plaintext = self._records.open(record)
        if isinstance(plaintext, str):
            return self._ignore(plaintext)
        if established and record.epoch == 0:
            # spec: handshake12/plain-after-finished
            return self._ignore("plain record after the handshake")
        match record.content_type:
            case dtls.HANDSHAKE:
                self._receive_handshake(plaintext, record, now)
            case dtls.ALERT:
                self._receive_alert(plaintext)
            case dtls.APPLICATION_DATA if record.epoch == 1:
                self._events.append(Received(plaintext))
            case dtls.APPLICATION_DATA:
                self._ignore("application data without protection")  # spec: handshake12/plain-data-dropped
            case _:
                pass  # ChangeCipherSpec: the epoch in each record says the same, and cannot be lost
        return None

    def _keep_early(self, record: Record) -> None:
        """A record of epoch 1 came first; network order is nobody's fault."""
        # spec: handshake12/early-bounded
        if isinstance(self.state, HelloExpected) or len(self._early) >= MAXIMUM_EARLY:
            return self._ignore("protected record too early")
        self._early.append(record)  # spec: dtls/epoch-ahead-kept
        return None

    def _release_early(self, now: float) -> None:
        early, self._early = self._early, deque()
        for record in early:
            self._receive_record(record, now)

    def _receive_alert(self, plaintext: bytes) -> None:
        try:
            alert = tls.parse_alert(plaintext)
        except Malformed:
            if isinstance(self.state, Established):
                return self._fail("decode_error", "an alert that cannot be read")
            return self._ignore("alert that cannot be read")
        established = isinstance(self.state, Established)
        if alert.name == "close_notify" and established:
            self._send_alert(tls.WARNING, "close_notify")  # spec: handshake12/close-notify
            return self._end(Closed())
        if alert.level == tls.FATAL or alert.name == "close_notify":
            if isinstance(self.state, HelloExpected):
                return self._ignore("alert before the hello")
            # spec: handshake12/fatal-alert-ends
            return self._end(Failed(alert.name, f"the peer ended it with {alert.name}"))
        return self._ignore("warning alert")

    # --- handshake messages -----------------------------------------------------------------------

    def _receive_handshake(self, payload: bytes, record: Record, now: float) -> None:
        try:
            for fragment in dtls.fragments(payload):
                self._receive_fragment(fragment, record, now)
        except Malformed:
            self._ignore("not a handshake fragment")

    def _receive_fragment(self, fragment: Fragment, record: Record, now: float) -> None:
        if isinstance(self.state, Over):
            return None
        if isinstance(self.state, Established):
            return self._after_the_handshake(fragment, now)
        if isinstance(self.state, HelloExpected) and fragment.type != wire.CLIENT_HELLO:
            return self._ignore("handshake message before the hello")
        if (fragment.type == wire.FINISHED) != (record.epoch == 1):
            # spec: handshake12/finished-protected
            if record.epoch and fragment.type not in (wire.HELLO_REQUEST, wire.CLIENT_HELLO):
                return self._fail("unexpected_message", "a protected message that is not Finished")
            return self._ignore("handshake message in the wrong epoch")
        match self._reassembly.add(fragment):
            case "old":
                return self._echo(fragment, now)
            case "refused":
                return self._ignore("handshake fragment refused")
        if isinstance(self.state, HelloExpected):
            return self._first_hello(fragment, record, now)
        while (message := self._reassembly.take()) is not None:
            self._take(message, now)
        return None

    def _first_hello(self, fragment: Fragment, record: Record, now: float) -> None:
        """A server's beginning: the hello may have number 0 or, after a cookie, a higher one."""
        self._deadline = min(self._deadline, now + HANDSHAKE_TIME)
        message = self._reassembly.take(fragment.number)
        if message is None:
            return
        self._records.continue_from(record.sequence)  # spec: handshake12/server-record-number
        if self._cookies is not None and (request := self._cookies.challenge(self.remote, message)) is not None:
            self._reassembly.forget()  # spec: handshake12/cookie-stateless
            self._deadline = math.inf
            self._transmits.append(self._records.seal(0, dtls.HANDSHAKE, dtls.serialize_fragment(request)))
            return
        self._talk.begin(message.number)
        self._take(message, now)

    def _take(self, message: Message, now: float) -> None:
        """One whole message, in its turn."""
        if isinstance(self.state, Over):
            return None
        if message.type == wire.HELLO_REQUEST and self.role == "client":
            # spec: handshake12/hello-request-ignored
            return self._ignore("a wish to negotiate anew, while negotiating")
        if message.type not in wire.MESSAGES:
            return self._fail("unexpected_message", f"a handshake message of type {message.type}")
        self._talk.hear(message)
        try:
            if message.type not in wire.MESSAGES:
                raise Refused("unexpected_message", f"a handshake message of type {message.type}")
            self.state = self._step(self.state, wire.parse(message.type, message.body), self._talk)
        except Malformed as malformed:
            # spec: handshake12/decode-error
            return self._fail("decode_error", f"a handshake message cannot be read: {malformed.what}")
        except Refused as refused:
            return self._fail(refused.alert, refused.why)
        session = self._talk.session
        if session is not None and not self._records.is_protected:
            self._records.install(keyschedule.key_block(session), self.role)
            if self._key_log is not None:
                self._key_log(keyschedule.key_log_line(session))
        self._send_turn(now)
        if isinstance(self.state, Established):
            self._complete(self.state)
        if self._records.is_protected:
            self._release_early(now)
        return None

    def _send_turn(self, now: float) -> None:
        turn = self._talk.take_turn()
        if not turn:
            return
        done = isinstance(self.state, Established)
        self._write_epoch = 1 if done or isinstance(self.state, FinishedExpected) else 0
        self._flight.maximum_plaintext = self._talk.record_limit
        self._flight.begin(turn, now, awaits_answer=not done)
        self._transmits.extend(self._flight.datagrams(self._records))

    def _complete(self, state: Established) -> None:
        """The peer's Finished was right."""
        self._deadline = math.inf
        if self.role == "client":
            self._flight.end()  # answered; the server's own is kept, should the client's last one come again
        self._talk.transcript.clear()
        self._events.append(_connected(state, self.role))

    def _echo(self, fragment: Fragment, now: float) -> None:
        """The end of the peer's last flight came again: ours may have been lost."""
        is_end = fragment.number == self._reassembly.expected - 1
        if is_end and fragment.offset + len(fragment.body) == fragment.length and self._flight.may_echo(now):
            self._transmits.extend(self._flight.datagrams(self._records))  # spec: dtls/last-flight-again
        else:
            self._ignore("handshake message repeated")

    def _after_the_handshake(self, fragment: Fragment, now: float) -> None:
        """Only what is protected gets here: a Finished that came again, or the wish to negotiate anew."""
        if fragment.type == wire.FINISHED:
            if fragment.number >= self._reassembly.expected:
                return self._fail("unexpected_message", "a second Finished")
            return self._echo(fragment, now)
        if fragment.type in (wire.HELLO_REQUEST, wire.CLIENT_HELLO):
            self._send_alert(tls.WARNING, "no_renegotiation")  # spec: handshake12/renegotiation-refused
        return self._ignore("handshake message after the handshake")

    # --- ends -------------------------------------------------------------------------------------

    def _send_alert(self, level: int, name: str) -> None:
        alert = tls.serialize_alert(tls.Alert(level, tls.ALERT_NUMBERS[name]))
        self._transmits.append(self._records.seal(self._write_epoch, dtls.ALERT, alert))

    def _end(self, event: Event) -> None:
        self.state = Over()
        self._deadline = math.inf
        self._flight.end()
        self._reassembly.forget()
        self._early.clear()
        self._talk.begin(0)
        self._talk.session = None
        self._events.append(event)


def _connected(state: Established, role: Role) -> Connected:
    agreed, profile = state.agreed, state.agreed.srtp_profile
    assert agreed.group is not None  # there is no session without a share
    return Connected(
        version="1.2",
        cipher=tls.CIPHER_SUITES[agreed.suite.number],
        group=tls.GROUPS[agreed.group],
        srtp_profile=profile,
        srtp_keys=keyschedule.srtp_keys(state.session, role, profile) if profile is not None else None,
        peer_certificate=state.certificate,
        extended_master_secret=agreed.extended_master_secret,
    )
