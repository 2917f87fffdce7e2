"""A DTLS 1.3 endpoint, client or server: from the first hello to protected data, new keys, and the last close_notify.

    client                                                server
      |  ClientHello: groups, key shares                    |
    1 |---------------------------------------------------->|   only when the address is not proven yet, or when no
      |                      HelloRetryRequest: cookie, group    share is of a group that the server wants
    2 |<- - - - - - - - - - - - - - - - - - - - - - - - - - |
      |  ClientHello: the share, cookie                     |
    3 |- - - - - - - - - - - - - - - - - - - - - - - - - - >|
      |        ServerHello: key share                       |   both have the keys of the handshake, {...}, epoch 2
      |        {EncryptedExtensions, CertificateRequest,    |
    4 |<----------------------------------------------------|
      |         Certificate, CertificateVerify, Finished}   |   the client is done: Connected
      |  {Certificate, CertificateVerify, Finished}         |
    5 |---------------------------------------------------->|   the server is done: Connected
      |                                              [ACK]  |   [...] has the keys of the data, epoch 3 and above
    6 |<----------------------------------------------------|
      |  [data] <------------------------------------------>|
      |  [KeyUpdate] ------------------------> <----- [ACK] |   after that ACK the client sends in the next epoch

Each arrow is a flight (protocol/flight13): repeated until it is answered or acknowledged, without what has arrived.
Stands above `client13`, `server13` (what is said), `recordlayer13`, `reassembly`, `flight13` (how it travels).
Specification: RFC 9147, RFC 9846, RFC 5764; whom to trust is the owner's (fingerprints).
Leaves out: resumption, early data, connection ids; tickets are acknowledged and dropped.
Read next: `protocol/client13.py`; above, `protocol/dtls.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from meetref.protocol import client13, keyschedule13, server13
from meetref.protocol.association import Closed, Failed, Received, Side
from meetref.protocol.certificate import Certificate
from meetref.protocol.conversation13 import (
    Conversation,
    Established,
    HelloExpected,
    HelloSent,
    NotStarted,
    OlderVersionChosen,
    Over,
    Policy,
    State,
    connected,
    is_in_place,
)
from meetref.protocol.epochs import Epochs
from meetref.protocol.flight13 import Flight13, Receipts
from meetref.protocol.keyschedule import Role
from meetref.protocol.keyshare import Encapsulate, encapsulate
from meetref.protocol.machine import Datagram, Dice, Event, ProtocolMisuse
from meetref.protocol.reassembly import MOST_MESSAGES, Reassembly
from meetref.protocol.recordlayer13 import FIRST_DATA_EPOCH, LAST_EPOCH, MOST_SEALED, Intake, RecordLayer13
from meetref.protocol.refusal import Refused
from meetref.protocol.retry import RetrySecret
from meetref.wire import dtls, tls
from meetref.wire import handshake13 as wire
from meetref.wire.address import Address
from meetref.wire.dtls import Ciphertext, Fragment, Record, RecordNumber
from meetref.wire.reader import Malformed

HANDSHAKE_TIME = 30.0
"""Seconds from the first hello until the handshake is given up, and from a KeyUpdate until its acknowledgement."""


class Endpoint(Side):
    """One side of one association; a machine. `local` and `remote` may be changed when the path does.

    `policy` says what is spoken. Where `address_verified` is False a server asks for a cookie first; doors with many
    endpoints give all of them one `retry_secret`. `key_log` is called with a line for each secret. `maximum_datagram`
    is in octets of UDP payload. `encapsulate` is the post-quantum part that takes no dice (protocol/keyshare).
    """

    def __init__(
        self,
        *,
        role: Role,
        certificate: Certificate,
        dice: Dice,
        local: Address,
        remote: Address,
        policy: Policy,
        address_verified: bool,
        key_log: Callable[[str], None] | None = None,
        maximum_datagram: int = 1200,
        retry_secret: RetrySecret | None = None,
        encapsulate: Encapsulate = encapsulate,
    ) -> None:
        super().__init__(role, local, remote, maximum_datagram)
        self.state: State = NotStarted() if role == "client" else HelloExpected()
        self._talk = Conversation(role, certificate, dice, policy, encapsulate)
        self._step = client13.step if role == "client" else server13.step
        self._verified = address_verified
        self._retries = retry_secret or RetrySecret(dice)
        self._records = RecordLayer13()
        self._intake = Intake(self._records)
        self._epochs = Epochs(role, self._records, key_log or (lambda line: None))
        self._reassembly = Reassembly()
        self.repetition = self._flight = Flight13(maximum_datagram)
        self._receipts = Receipts()
        self._deadline = math.inf
        self._turns = 0
        self._first_after = 0  # the number of the peer's first message after the handshake
        self._updates_keys = self._wants_update = False

    @property
    def next_record(self) -> int:
        """The number of the next plain record: where somebody who takes over goes on."""
        return self._records.next_number(0).sequence

    # --- what the owner asks for ------------------------------------------------------------------

    def start(self, now: float) -> None:
        """A client says hello; a server waits."""
        if self.role == "server":
            return
        if not isinstance(self.state, NotStarted):
            raise ProtocolMisuse("this endpoint was started before")
        self.state = client13.hello(self._talk)
        self._deadline = now + HANDSHAKE_TIME
        self._send_turn(now)

    def send(self, data: bytes, now: float) -> None:
        """Send application data as one record in one datagram. Only after `Connected`."""
        if not isinstance(self.state, Established):
            raise ProtocolMisuse("there is no established association to send on")
        if len(data) > min(self._talk.record_limit or dtls.MAXIMUM_PLAINTEXT, dtls.MAXIMUM_PLAINTEXT):
            raise ProtocolMisuse(f"{len(data)} octets do not fit into a record")
        self._transmits.append(self._records.seal(self._records.write_epoch, dtls.APPLICATION_DATA, data))
        if self._records.sealed >= MOST_SEALED and not self._updates_keys:
            self.update_keys(now)  # spec: handshake13/key-limits

    def update_keys(self, now: float, *, both: bool = False) -> None:
        """Change the keys with which we send, and where `both` is True ask the peer to do so too."""
        if not isinstance(self.state, Established):
            raise ProtocolMisuse("there are no keys to change yet")
        if self._flight.is_open:
            self._wants_update = True  # spec: handshake13/one-key-update
        elif self._records.write_epoch < LAST_EPOCH and self._talk.next_number < MOST_MESSAGES:
            self._talk.say(wire.KeyUpdate(int(both)), self._records.write_epoch)
            self._talk.transcript.begin()  # it ended with the handshake
            self._updates_keys, self._wants_update = True, False
            self._deadline = now + HANDSHAKE_TIME
            self._send_turn(now)

    def close(self, now: float) -> None:
        """Say goodbye and stop. Closing twice, or what has failed, does nothing."""
        if isinstance(self.state, Over):
            return
        if not isinstance(self.state, NotStarted | HelloExpected):
            self._send_alert(tls.WARNING, "close_notify")
        self._end(Closed())

    def export(self, label: bytes, size: int) -> bytes:
        """`size` octets of keying material for another protocol, without context (RFC 9846 section 7.5)."""
        if not isinstance(self.state, Established):
            raise ProtocolMisuse("there is nothing to export from yet")
        return keyschedule13.export(self.state.agreed.suite, self.state.application.exporter, label, size)

    # --- the machine ------------------------------------------------------------------------------

    def receive_datagram(self, datagram: Datagram, now: float) -> None:
        try:
            for record in dtls.mixed_records(datagram.data):
                self._receive_record(record, now)
        except Malformed:
            self._ignore("not a DTLS record, or its content cannot be read")
        if isinstance(self.state, Established) and self._receipts:
            self._acknowledge()  # spec: handshake13/last-flight-acknowledged

    def next_timeout(self) -> float:
        return min(self._deadline, self._flight.deadline, self._receipts.deadline)

    def handle_timeout(self, now: float) -> None:
        if now >= self._deadline:
            return self._end(Failed(None, f"the other side did not complete within {HANDSHAKE_TIME:.0f} seconds"))
        if now >= self._receipts.deadline:
            self._acknowledge()
        if now >= self._flight.deadline:
            self._flight.repeat(now)
            self._transmits.extend(self._flight.datagrams(self._records))
        return None

    # --- records ----------------------------------------------------------------------------------

    def _receive_record(self, record: Record | Ciphertext, now: float) -> None:
        if isinstance(self.state, Over | NotStarted | OlderVersionChosen):
            return self._ignore("record outside of an association")
        waits = not isinstance(self.state, HelloExpected | Established)
        opened = self._intake.open(record, waits=waits)
        if opened is None:
            return self._expect_the_rest(now)
        if isinstance(opened, str):
            if self._records.is_forged:
                return self._end(Failed(None, "too many records were not authentic"))  # spec: handshake13/key-limits
            return self._ignore(opened)
        try:
            return self._receive_content(opened.content_type, opened.plaintext, opened.number, now)
        except Malformed as malformed:
            if not opened.number.epoch:
                raise  # whoever that was
            return self._fail("decode_error", f"a record has content that cannot be read: {malformed.what}")

    def _receive_content(self, kind: int, content: bytes, number: RecordNumber, now: float) -> None:
        match kind:
            case dtls.HANDSHAKE if content or not number.epoch:
                self._receive_handshake(content, number, now)
            case dtls.ALERT if content or not number.epoch:
                self._receive_alert(content)
            case dtls.ACK:
                self._receive_ack(content, number.epoch, now)
            case dtls.APPLICATION_DATA if number.epoch >= FIRST_DATA_EPOCH:
                self._events.append(Received(content))
            case _:
                # spec: handshake13/inner-type
                self._fail("unexpected_message", f"protected content of type {kind} out of place")

    def _receive_alert(self, content: bytes) -> None:
        alert = tls.parse_alert(content)
        if isinstance(self.state, HelloExpected) or alert.name == "user_canceled":
            return self._ignore("alert out of place")
        if alert.name == "close_notify" and isinstance(self.state, Established):
            self._send_alert(tls.WARNING, "close_notify")  # spec: handshake13/close-notify
            return self._end(Closed())
        # spec: handshake13/every-alert-ends
        return self._end(Failed(alert.name, f"the peer ended it with {alert.name}"))

    # --- acknowledgements -------------------------------------------------------------------------

    def _receive_ack(self, content: bytes, epoch: int, now: float) -> None:
        numbers = dtls.parse_ack(content)
        news = self._flight.acknowledge(numbers, epoch)
        if self._flight.is_open:
            # spec: handshake13/ack-empty
            if (news or not numbers) and self._flight.may_echo(now):
                self._transmits.extend(self._flight.datagrams(self._records))
        elif news and isinstance(self.state, Established):
            self._deadline = math.inf
            if self._updates_keys:
                self._updates_keys = False
                self._epochs.change_write_keys()
            self._records.forget_sealers_before(self._records.write_epoch)
            if self._wants_update:
                self.update_keys(now)

    def _expect_the_rest(self, now: float) -> None:
        """Part of a flight is here. What is protected shows that the peer speaks 1.3, and will understand an ACK."""
        if self._intake.early or not isinstance(self.state, HelloSent):
            self._receipts.wait(now + self._flight.timeout / 4)

    def _acknowledge(self) -> None:
        # spec: handshake13/ack-sent-epoch
        payload = self._receipts.acknowledgement(self._flight.datagram_limit)
        self._transmits.append(self._records.seal(self._records.write_epoch, dtls.ACK, payload))
        if isinstance(self.state, Established):
            self._receipts.clear()

    # --- handshake messages -----------------------------------------------------------------------

    def _receive_handshake(self, content: bytes, number: RecordNumber, now: float) -> None:
        turns, established = self._turns, isinstance(self.state, Established)
        heard = [self._receive_fragment(fragment, number, now) for fragment in dtls.fragments(content)]
        # What led to an answer is acknowledged by the answer; what was not kept must not be.
        # spec: handshake13/ack-only-what-was-kept
        over = isinstance(self.state, HelloExpected | Over | OlderVersionChosen)
        if all(heard) and not over and (established or turns == self._turns):
            self._receipts.note(number)
            if not isinstance(self.state, Established):
                self._expect_the_rest(now)

    def _receive_fragment(self, fragment: Fragment, record: RecordNumber, now: float) -> bool:
        """Take a fragment; should its record be acknowledged?"""
        if isinstance(self.state, Over | OlderVersionChosen):
            return False
        old = fragment.number < self._reassembly.expected
        if not is_in_place(self.state, fragment.type, record.epoch, old=old):
            why = "handshake message in the wrong epoch"
            self._fail("unexpected_message", why) if record.epoch else self._ignore(why)
            return False
        match self._reassembly.add(fragment):
            case "old":
                return self._heard_again(fragment, record.epoch, now)
            case "refused":
                self._ignore("handshake fragment refused")
                return False
        try:
            if isinstance(self.state, HelloExpected):
                self._first_hello(fragment, record.sequence, now)
            else:
                self._take_messages(now)
        except Malformed as malformed:
            # spec: handshake13/decode-error
            self._fail("decode_error", f"a handshake message cannot be read: {malformed.what}")
        except Refused as refused:
            self._fail(refused.alert, refused.why)
        return True

    def _heard_again(self, fragment: Fragment, epoch: int, now: float) -> bool:
        """Our answer may be lost. Should this be acknowledged? Of a hello, its end speaks for the whole flight."""
        if isinstance(self.state, Established):
            if self.role == "server" or fragment.number >= self._first_after:
                return True  # spec: handshake13/last-flight-acknowledged
        elif epoch:
            return True
        # spec: handshake13/flight-repeated
        is_end = epoch > 0 or fragment.offset + len(fragment.body) == fragment.length
        if is_end and self._flight.is_open and self._flight.is_untouched and self._flight.may_echo(now):
            self._transmits.extend(self._flight.datagrams(self._records))
        else:
            self._ignore("handshake message repeated")
        return False

    def _first_hello(self, fragment: Fragment, sequence: int, now: float) -> None:
        """A server's beginning: the hello may have number 0 or, after a retry, 1."""
        self._deadline = min(self._deadline, now + HANDSHAKE_TIME)
        message = self._reassembly.take(fragment.number)
        if message is None:
            return None
        self._records.continue_from(sequence)
        answer = server13.respond(message, self.remote, self._retries, self._talk, verified=self._verified)
        if isinstance(answer, bytes):
            self._reassembly.forget()  # spec: handshake13/cookie-stateless
            self._deadline = math.inf
            request = dtls.serialize_fragment(Fragment(wire.SERVER_HELLO, len(answer), message.number, 0, answer))
            return self._transmits.append(self._records.seal(0, dtls.HANDSHAKE, request))
        self.state = answer
        self._reassembly.forget_ahead()
        self._install_keys()
        return self._send_turn(now)

    def _take_messages(self, now: float) -> None:
        """Every whole message, in its turn. Raises `Malformed` and `Refused`."""
        while not isinstance(self.state, Over) and (message := self._reassembly.take()) is not None:
            if isinstance(self.state, HelloSent) and client13.is_older(self.state, message.type, self._talk):
                self.state = OlderVersionChosen(self.state.hello)
            if isinstance(self.state, OlderVersionChosen):
                return
            if message.type not in wire.MESSAGES:
                raise Refused("unexpected_message", f"a handshake message of type {message.type}")
            said = wire.parse(message.type, message.body)
            if isinstance(self.state, Established):
                self._after_the_handshake(said, now)
                continue
            self._talk.hear(message)
            self.state = self._step(self.state, said, self._talk)
            self._go_on(now)

    def _go_on(self, now: float) -> None:
        """A step was made: new keys, an answer, perhaps the end; and what waited for the keys."""
        if isinstance(self.state, OlderVersionChosen):
            return
        self._flight.end()  # spec: handshake13/answer-acknowledges
        could_read = self._records.read_epoch
        self._install_keys()
        self._send_turn(now)
        if isinstance(self.state, Established):
            self._complete(self.state)
        if self._records.read_epoch > could_read:
            self._reassembly.forget_ahead()
            for record in self._intake.release():
                self._receive_record(record, now)

    def _install_keys(self) -> None:
        """Make the epochs usable whose secrets are known by now."""
        talk = self._talk
        if talk.suite is not None and talk.handshake is not None:
            random = self.state.agreed.client_random  # type: ignore[union-attr]  # every state after the hellos has it
            self._epochs.begin_handshake(talk.suite, talk.handshake, random)
            if talk.application is not None:
                complete = isinstance(self.state, Established)
                self._epochs.begin_data(talk.suite, talk.application, random, complete=complete)

    def _send_turn(self, now: float) -> None:
        turn = self._talk.take_turn()
        if not turn:
            return
        self._turns += 1
        if not self._first_after:  # later on answers acknowledge nothing
            self._receipts.clear()
        self._flight.maximum_plaintext = self._talk.record_limit or dtls.MAXIMUM_PLAINTEXT
        self._flight.begin(turn, now)
        self._transmits.extend(self._flight.datagrams(self._records))

    def _complete(self, state: Established) -> None:
        """The peer's Finished was right. A client's own must still be acknowledged, before the deadline."""
        self._deadline = math.inf if self.role == "server" else self._deadline
        self._receipts.deadline = math.inf
        self._first_after = self._reassembly.expected
        self._talk.transcript.begin()
        self._events.append(connected(state, self.role))

    def _after_the_handshake(self, message: wire.Handshake, now: float) -> None:
        match message:
            case wire.NewSessionTicket() if self.role == "client":
                pass  # spec: handshake13/tickets-dropped
            case wire.KeyUpdate(request_update) if request_update > 1:
                # spec: handshake13/key-update-value
                raise Refused("illegal_parameter", f"a KeyUpdate that asks for {request_update}")
            case wire.KeyUpdate(request_update):
                self._epochs.change_read_keys()
                if request_update and not self._updates_keys:
                    self.update_keys(now)
            case _:
                # spec: handshake13/no-renegotiation
                raise Refused("unexpected_message", f"{type(message).__name__} after the handshake")

    # --- ends -------------------------------------------------------------------------------------

    def _send_alert(self, level: int, name: str) -> None:
        alert = tls.serialize_alert(tls.Alert(level, tls.ALERT_NUMBERS[name]))
        self._transmits.append(self._records.seal(self._records.write_epoch, dtls.ALERT, alert))

    def _end(self, event: Event) -> None:
        self.state = Over()
        self._deadline = math.inf
        self._flight.end()
        self._reassembly.forget()
        self._intake.early.clear()
        self._receipts.clear()
        self._talk.forget()
        self._epochs.forget()
        self._events.append(event)
