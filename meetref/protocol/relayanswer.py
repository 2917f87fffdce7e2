"""A request to the relay that proved who sent it, and how it is answered.

Answers are bare: no SOFTWARE, no reasons in words, because over UDP their receiver may not be who asked.
Stands above `protocol/authenticator`, below `protocol/relay`. Specification: RFC 8656 sections 5, 7.2 and 18.12.
Leaves out: FINGERPRINT, which nobody needs where TURN has the port to itself or is told apart by its method.
Read next: `protocol/relay.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from meetref.protocol.allocation import Allocation
from meetref.protocol.authenticator import Identity
from meetref.protocol.machine import Datagram
from meetref.protocol.relayports import Opening
from meetref.wire import attribute, stun, turn
from meetref.wire.address import Address
from meetref.wire.attribute import AddressError, Attribute, ErrorCode


@dataclass(slots=True, frozen=True)
class Asked:
    """An authentic request of `identity` that came as `datagram`; parsed, it is `message`."""

    datagram: Datagram
    message: stun.Message
    identity: Identity

    def success(self, *attributes: Attribute) -> Datagram:
        """The success response with these attributes."""
        return self._protected(stun.Class.SUCCESS, attributes)

    def error(self, code: int, *more: Attribute) -> Datagram:
        """The error response, without a reason in words."""
        return self._protected(stun.Class.ERROR, (Attribute(attribute.ERROR_CODE, ErrorCode(code, "")), *more))

    def _protected(self, kind: stun.Class, attributes: Iterable[Attribute]) -> Datagram:
        answer = stun.Message(kind, self.message.method, self.message.transaction, list(attributes))
        return Datagram(self.identity.protect(answer), self.datagram.local, self.datagram.remote)


def allocated(opening: Opening, told: Iterable[Address], lifetime: int) -> bytes:
    """The success response to an Allocate request; `told` are the relayed addresses as the client has to call them."""
    # spec: turn/allocate-answer
    allocation = opening.allocation
    attributes = [Attribute(attribute.XOR_RELAYED_ADDRESS, address) for address in told]
    attributes.append(Attribute(attribute.LIFETIME, lifetime))
    if allocation.token is not None:
        attributes.append(Attribute(attribute.RESERVATION_TOKEN, allocation.token))
    # A client compares this with what it knows of itself, so it says UDP's or the stream's numbers alike.
    mapped = Address(*allocation.remote)
    attributes.append(Attribute(attribute.XOR_MAPPED_ADDRESS, mapped))
    for family, code in opening.problems.items():  # spec: turn/dual-partly
        attributes.append(Attribute(attribute.ADDRESS_ERROR_CODE, AddressError(family, code, "")))
    return answer_of(allocation, stun.Class.SUCCESS, attributes)


def not_allocated(allocation: Allocation, code: int) -> bytes:
    """The error response to an Allocate request whose addresses could not be had."""
    return answer_of(allocation, stun.Class.ERROR, [Attribute(attribute.ERROR_CODE, ErrorCode(code, ""))])


def answer_of(allocation: Allocation, kind: stun.Class, attributes: list[Attribute]) -> bytes:
    """An answer to the request that made `allocation`."""
    return allocation.identity.protect(stun.Message(kind, turn.ALLOCATE, allocation.transaction, attributes))
