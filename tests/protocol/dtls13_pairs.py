"""Two endpoints of 1.3 on the wire of `dtls_pairs`, with the settings most tests want."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from meetref.protocol.conversation13 import Policy
from meetref.protocol.handshake13 import Endpoint
from meetref.protocol.reassembly import Message
from meetref.wire import dtls
from meetref.wire import handshake13 as wire
from meetref.wire.dtls import Ciphertext, Fragment, Record
from meetref.wire.tls import (
    AEAD_AES_128_GCM,
    AEAD_AES_256_GCM,
    AES128_CM_SHA1_80,
    P_256,
    P_384,
    X25519,
    X25519_ML_KEM_768,
)
from tests.protocol.dtls_pairs import Pair, same_keys

GROUPS = (X25519_ML_KEM_768, X25519, P_256, P_384)
POLICY = Policy(srtp_profiles=(AEAD_AES_256_GCM, AEAD_AES_128_GCM, AES128_CM_SHA1_80))


def endpoint(**settings: Any) -> Endpoint:
    return Endpoint(**({"policy": POLICY} | settings))


class NewerPair(Pair):
    """`Pair`, speaking 1.3."""

    client: Any
    server: Any

    def __init__(self, **settings: Any) -> None:
        super().__init__(kind=endpoint, **settings)


def connected_pair(**settings: Any) -> NewerPair:
    pair = NewerPair(**settings)
    pair.start().run()
    assert pair.both_connected, pair.events
    return pair


def seal_message(sender: Endpoint, message: wire.Handshake, number: int) -> bytes:
    """A record in the sender's newest epoch with a whole message."""
    said = Message(wire.message_number(message), number, wire.serialize(message))
    fragment = Fragment(said.type, len(said.body), said.number, 0, said.body)
    return sender._records.seal(sender._records.write_epoch, dtls.HANDSHAKE, dtls.serialize_fragment(fragment))


__all__ = ["GROUPS", "POLICY", "NewerPair", "connected_pair", "lying", "on_the_way", "same_keys", "seal_message"]


Edit = Callable[[wire.Handshake], wire.Handshake]


def lying(role: str, edit: Edit, **settings: Any) -> NewerPair:
    """A pair of which `role` says each message as `edit` has it, and believes to have said just that; played."""
    pair = NewerPair(**settings)
    talk = getattr(pair, role)._talk
    say = talk.say

    def lie(message: wire.Handshake, epoch: int = 2) -> None:
        say(edit(message), epoch)

    talk.say = lie
    pair.start().run()
    return pair


def on_the_way(role: str, edit: Edit, **settings: Any) -> NewerPair:
    """A pair whose plain messages of `role` go through `edit` on their way; played."""

    def change(sender: Endpoint, data: bytes) -> list[bytes]:
        if sender.role != role:
            return [data]
        return [b"".join(_edited(record, edit) for record in dtls.mixed_records(data))]

    whole = {"maximum_datagram": 8000}
    both = {f"{end}_settings": whole | settings.pop(f"{end}_settings", {}) for end in ("client", "server")}
    pair = NewerPair(change=change, **both, **settings)
    pair.start().run()
    return pair


def _edited(record: Record | Ciphertext, edit: Edit) -> bytes:
    if isinstance(record, Ciphertext):
        return record.header + record.payload
    if record.content_type != dtls.HANDSHAKE:
        return dtls.serialize(record)
    (fragment,) = dtls.fragments(record.payload)
    if len(fragment.body) < fragment.length:
        return dtls.serialize(record)  # after some tries datagrams become small; the edit has done its work by then
    message = edit(wire.parse(fragment.type, fragment.body))
    body = wire.serialize(message)
    payload = dtls.serialize_fragment(Fragment(wire.message_number(message), len(body), fragment.number, 0, body))
    return dtls.serialize(replace(record, payload=payload))
