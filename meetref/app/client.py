"""A participant that is a program: signaling and both connections from the client's side.

The server offers *down* and answers *up*; here the roles are turned, on the same ICE, DTLS and SRTP. Bots, the virtual
meetings and the labs are made of it.
Stands on `app/signaling` (client channel), `protocol/peer`, `net/driver`; `app/bot` gives it a voice and a face.
Specification: RFC 9429; the messages are `wire/signaling`.
Leaves out: devices and what people do; the owner sends media through `send_audio` and `send_video`.
Read next: `app/bot.py`.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import trio

from meetref.app.signaling import open_client_channel
from meetref.meeting.channel import ChannelClosed
from meetref.net.driver import Driver
from meetref.net.network import Network
from meetref.net.port import open_port
from meetref.protocol import answering, offering
from meetref.protocol.certificate import Certificate
from meetref.protocol.ice import Credentials
from meetref.protocol.machine import Datagram, Event
from meetref.protocol.negotiation import SentTrack, Setup, Transport
from meetref.protocol.peer import Peer, Remote, StateChanged
from meetref.wire import signaling
from meetref.wire.address import Address
from meetref.wire.candidate import Candidate

logger = logging.getLogger("meetref.client")
