"""A conversation in signaling messages over a WebSocket: bounded both ways, with an end that says why.

Stands above `wire/signaling` and trio-websocket; `app/signaling` opens channels, rooms and bots use them.
`send` never waits, so that a room can tell forty people in one go; `receive` gives only messages that make sense.
Source: RFC 6455 section 7.4 (close codes); the bounds are our own.
Leaves out: what messages mean, except `ping` and `pong`.
Read next: `app/signaling.py`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

import msgspec
import trio
from trio_websocket import ConnectionClosed, ConnectionRejected, HandshakeError, WebSocketConnection
from wsproto.utilities import LocalProtocolError

from meetref.app.limits import TokenBucket
from meetref.meeting.channel import ChannelClosed
from meetref.wire.address import Address
from meetref.wire.reader import Malformed
from meetref.wire.signaling import (
    MAXIMUM_MESSAGE_SIZE,
    ClientMessage,
    Error,
    Ping,
    Pong,
    ServerMessage,
    parse_client,
    parse_server,
    serialize,
)

PING_INTERVAL = 5.0  # seconds
PONG_TIMEOUT = 12.0
HANDSHAKE_TIMEOUT = 10.0
GOODBYE_TIMEOUT = 1.0  # for what is still to be sent, and for the peer's own goodbye
MAXIMUM_WAITING = 4096  # messages that the peer has not taken yet; when half of a large room leaves, there are many
MAXIMUM_WAITING_SIZE = 8 * 1024 * 1024  # characters of them
MAXIMUM_UNREAD = 32  # messages that our side has not taken yet; after that the peer has to wait
MESSAGES_PER_SECOND, MESSAGES_AT_ONCE = 30.0, 150.0
CHARGED_SIZE = 4096  # octets; a message counts once more for each: a description is read in milliseconds, not for free
MAXIMUM_DROPPED = 1000  # messages that came too fast, until patience is over; it comes back one message a second

NORMAL, GOING_AWAY, POLICY = 1000, 1001, 1008

Complaint = Literal["malformed", "too-large", "too-fast"]

Out = TypeVar("Out", bound=ClientMessage | ServerMessage)
In = TypeVar("In", bound=ClientMessage | ServerMessage)
C = TypeVar("C", bound="Conversation[Any, Any]")
Connect = Callable[[trio.Nursery], Awaitable[WebSocketConnection]]


PEER_ERRORS = (
    ChannelClosed,
    ConnectionClosed,
    HandshakeError,
    LocalProtocolError,
    trio.BrokenResourceError,
    trio.ClosedResourceError,
)


@dataclass(slots=True, frozen=True)
class _End:
    """How the conversation ended, first reason first; `code` and `why` go to the peer when it was us."""

    clean: bool
    why: str
    code: int


class Conversation(Generic[In, Out]):
    """What both ends have in common: a queue each way and the one way to end."""

    def __init__(self, connection: WebSocketConnection, remote: Address, life: trio.CancelScope) -> None:
        self.remote = remote
        self._connection = connection
        self._life = life
        self._waiting: deque[str] = deque()
        self._waiting_size = 0
        self._wake = trio.Event()
        self._drained = trio.Event()
        self._end: _End | None = None
        self._put_unread, self._unread = trio.open_memory_channel[In](MAXIMUM_UNREAD)

    def send(self, message: Out) -> None:
        """Put a message on its way. Never waits; after the end it does nothing.

        A peer that does not take its messages is cut off when too many of them wait.
        """
        if self._end is not None:
            return
        text = serialize(message)
        self._waiting.append(text)
        self._waiting_size += len(text)
        if len(self._waiting) > MAXIMUM_WAITING or self._waiting_size > MAXIMUM_WAITING_SIZE:
            self._break("it does not take the messages that are sent to it")
        self._wake.set()

    async def drained(self) -> None:
        """Wait until nothing waits to be sent any more. Raises `ChannelClosed`."""
        await trio.lowlevel.checkpoint()
        while self._waiting and self._end is None:
            await self._drained.wait()
        if self._end is not None:
            raise ChannelClosed(self._end.clean, self._end.why)

    async def receive(self) -> In:
        """The next message. Raises `ChannelClosed`, also every time after that."""
        try:
            return await self._unread.receive()
        except (trio.EndOfChannel, trio.ClosedResourceError):
            end = self._end or _End(False, "the connection is closed", NORMAL)
            raise ChannelClosed(end.clean, end.why) from None

    def close(self, code: str = "") -> None:
        """Say goodbye: what was sent before still goes, then the close frame with the word `code` as its reason.

        Never waits; within a second everything is over, even for a task that is being cancelled.
        """
        self._finish(_End(True, code, GOING_AWAY if code == "closing" else NORMAL))
        self._life.deadline = min(self._life.deadline, trio.current_time() + GOODBYE_TIMEOUT)

    async def run(self, nursery: trio.Nursery) -> None:
        """Write, read and watch until the end; `hold` calls it."""
        nursery.start_soon(self._watch, name=f"signaling {self.remote} > alive?")
        nursery.start_soon(self._read_all, name=f"signaling {self.remote} > in")
        await self._write_all()
        nursery.cancel_scope.cancel()

    def finish(self) -> None:
        """The connection is over, whatever the reason: wakes whoever receives."""
        self._finish(_End(False, "the connection broke", GOING_AWAY))
        self._put_unread.close()

    def _finish(self, end: _End) -> None:
        self._end = self._end or end
        self._wake.set()
        self._tell_drained()

    def _tell_drained(self) -> None:
        self._drained.set()
        self._drained = trio.Event()

    def _break(self, why: str) -> None:
        """End without a goodbye: the peer does not read anyway."""
        self._finish(_End(False, why, POLICY))
        self._waiting.clear()
        self._life.cancel()

    async def _write_all(self) -> None:
        try:
            while self._waiting or self._end is None:
                if not self._waiting:
                    self._tell_drained()
                    self._wake = trio.Event()
                    await self._wake.wait()
                    continue
                text = self._waiting.popleft()
                await self._connection.send_message(text)
                self._waiting_size -= len(text)
            await self._connection.aclose(self._end.code, _short(self._end.why))
        except ConnectionClosed as closed:
            self._finish(_ended_by_peer(closed))

    async def _read_all(self) -> None:
        try:
            while True:
                message = self._understand(await self._connection.get_message(), trio.current_time())
                if message is not None:
                    await self._deliver(message)
        except ConnectionClosed as closed:
            self._finish(_ended_by_peer(closed))
        finally:
            self._put_unread.close()

    async def _deliver(self, message: In) -> None:
        await self._put_unread.send(message)

    async def _watch(self) -> None:
        """Is the peer still there?"""

    def _understand(self, text: str | bytes, now: float) -> In | None:
        """The message for our side, or `None` when it was answered already."""
        raise AssertionError("each end has its own")


class Channel(Conversation[ClientMessage, ServerMessage]):
    """The server's end: answers what cannot be read, sends pings, and ends when no pong comes back."""

    def __init__(self, connection: WebSocketConnection, remote: Address, life: trio.CancelScope) -> None:
        super().__init__(connection, remote, life)
        now = trio.current_time()
        self._bucket = TokenBucket(rate=MESSAGES_PER_SECOND, burst=MESSAGES_AT_ONCE, now=now)
        self._patience = TokenBucket(rate=1.0, burst=MAXIMUM_DROPPED, now=now)
        self._complained_at = -1.0
        self._alive_at = now
        self._is_delivering = False

    def _understand(self, text: str | bytes, now: float) -> ClientMessage | None:
        if not self._bucket.take(now, 1 + min(len(text), MAXIMUM_MESSAGE_SIZE) // CHARGED_SIZE):
            self._too_fast(now)
            return None
        message: ClientMessage | None = None
        if isinstance(text, bytes):
            self._complain("malformed", "Messages are text, not binary.")
        elif len(text.encode()) > MAXIMUM_MESSAGE_SIZE:
            self._complain("too-large", f"A message has at most {MAXIMUM_MESSAGE_SIZE} octets.")
        else:
            try:
                message = parse_client(text)
            except Malformed as error:
                self._complain("malformed", error.what, _type_of(text))
        if isinstance(message, Pong):
            self._alive_at = now
            return None
        return message

    def _too_fast(self, now: float) -> None:
        if not self._patience.take(now):
            self._finish(_End(False, "far too many messages", POLICY))
        elif now - self._complained_at >= 1.0:  # a complaint for each would be a flood of our own
            self._complained_at = now
            self._complain("too-fast", f"At most {MESSAGES_PER_SECOND:.0f} messages a second; this one was dropped.")

    def _complain(self, code: Complaint, sentence: str, about: str | None = None) -> None:
        self.send(Error(code=code, message=sentence, about=about))

    async def _deliver(self, message: ClientMessage) -> None:
        self._is_delivering = True  # as long as we are slow, the peer's pong waits in line: no sign of death
        await super()._deliver(message)
        self._is_delivering = False
        self._alive_at = trio.current_time()

    async def _watch(self) -> None:
        number, ping_at = 0, trio.current_time()
        while True:
            now = trio.current_time()
            lost_at = (now if self._is_delivering else self._alive_at) + PONG_TIMEOUT
            if now >= lost_at:
                self._break(f"no sign of life for {PONG_TIMEOUT:.0f} seconds")
                return
            if now >= ping_at:
                number, ping_at = number + 1, now + PING_INTERVAL
                self.send(Ping(number=number, timeout=PONG_TIMEOUT))
            await trio.sleep_until(min(ping_at, lost_at))


class ClientChannel(Conversation[ServerMessage, ClientMessage]):
    """A client's end: answers pings."""

    def _understand(self, text: str | bytes, now: float) -> ServerMessage | None:
        try:
            message = parse_server(text)
        except Malformed as error:
            self._finish(_End(False, f"the server sent what is no message: {error.what}", POLICY))
            return None
        if isinstance(message, Ping):
            self.send(Pong(number=message.number))
            return None
        return message


async def hold(
    kind: Callable[[WebSocketConnection, Address, trio.CancelScope], C],
    connect: Connect,
    remote: Address,
    *,
    task_status: trio.TaskStatus[C] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Keep a channel alive as a task; it is handed out by `task_status` when the handshake is done.

    Until then it can be cancelled; afterwards `close` ends it, so that a goodbye gets out even then.
    Raises `ChannelClosed` when there is no handshake.
    """
    channel: C | None = None
    with trio.CancelScope() as life:
        try:
            async with trio.open_nursery() as nursery:
                with trio.move_on_after(HANDSHAKE_TIMEOUT) as patience:
                    connection = await connect(nursery)
                if patience.cancelled_caught:
                    raise ChannelClosed(False, "no WebSocket handshake")
                channel = kind(connection, remote, life)
                life.shield = True
                task_status.started(channel)
                await channel.run(nursery)
        except BaseExceptionGroup as group:
            theirs, ours = group.split(PEER_ERRORS)
            if ours is not None:
                raise ours from None
            if channel is None:
                raise ChannelClosed(False, _sentence(theirs)) from None
        finally:
            if channel is not None:
                channel.finish()


class _Typed(msgspec.Struct):
    type: str = ""


def _type_of(text: str) -> str | None:
    """The `type` of a message that is otherwise wrong."""
    try:
        return msgspec.json.decode(text, type=_Typed).type[:32] or None
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None


def _ended_by_peer(closed: ConnectionClosed) -> _End:
    reason = closed.reason
    if reason is None:
        return _End(False, "the connection broke", GOING_AWAY)
    clean = reason.code in (NORMAL, GOING_AWAY)
    return _End(clean, reason.reason or ("said goodbye" if clean else f"closed with {reason.code}"), NORMAL)


def _sentence(error: BaseException | None) -> str:
    """Why there is no channel, from the first of the errors that say so."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, ConnectionRejected):
        return f"the server refused: {error.status_code} {(error.body or b'').decode(errors='replace').strip()[:200]}"
    return error.why if isinstance(error, ChannelClosed) else "the connection broke during the handshake"


def _short(why: str) -> str:
    """A reason that fits into a close frame: 123 octets (RFC 6455 section 5.5)."""
    return why.encode()[:123].decode(errors="ignore")
