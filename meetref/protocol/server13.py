"""The server's steps of a 1.3 handshake: each is a function of the state and the message that came.

    HelloExpected (-> asked to retry, nothing is kept) -> ClientCertificateExpected -> ClientProofExpected
                  -> ClientFinishedExpected -> Established

Stands above `conversation13` and `retry`; `handshake13` asks `consider` what a hello deserves, then calls `step`.
Specification: RFC 9846 sections 4.2 to 4.5, RFC 9147 sections 5.1 and 5.3, RFC 5764 section 4.1.
Leaves out: comparing the second hello with the first, of which nothing is kept but the hash: whoever changed it on
the way is found out by Finished. Read next: `protocol/handshake13.py`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from meetref.protocol.certificate import MODERN_SCHEMES
from meetref.protocol.conversation13 import (
    WEBRTC,
    Agreed,
    ClientCertificateExpected,
    ClientFinishedExpected,
    ClientProofExpected,
    Conversation,
    Established,
    Policy,
    State,
    check_chain,
    check_finished,
    check_proof,
)
from meetref.protocol.keyschedule13 import SUITES, Suite
from meetref.protocol.keyshare import answer_share
from meetref.protocol.reassembly import Message
from meetref.protocol.refusal import Refused, refuse
from meetref.protocol.retry import Retry, RetrySecret
from meetref.wire import handshake13 as wire
from meetref.wire.address import Address
from meetref.wire.extension import (
    ApplicationProtocols,
    Cookie,
    Extension,
    KeyShares,
    RecordSizeLimit,
    SelectedVersion,
    ServerShare,
    Share,
    SignatureAlgorithms,
    SupportedGroups,
    SupportedVersions,
    UseSRTP,
    find_extension,
)
from meetref.wire.handshake13 import Handshake
from meetref.wire.reader import vector
from meetref.wire.tls import DTLS_1_2, DTLS_1_3, ECDSA_SHA256, X25519_ML_KEM_768, ClientHello, ServerHello

REQUEST = wire.CertificateRequest((SignatureAlgorithms(MODERN_SCHEMES),))
"""Without certificate_authorities: Chromium gives up on an empty list of them."""


@dataclass(slots=True, frozen=True)
class Offer:
    """What a hello offers that is of use; `share` is None if it has none for the group. `asked` came as its cookie."""

    hello: ClientHello
    suite: Suite
    group: int
    share: bytes | None
    asked: Retry | None


# --- what a hello deserves ------------------------------------------------------------------------


def what_was_asked(hello: ClientHello, remote: Address, secret: RetrySecret) -> Retry | None:
    """The question that this hello answers, by its cookie; None for a first hello. Raises `Refused`."""
    cookie = find_extension(hello.extensions, Cookie)
    if cookie is None:
        return None
    asked = secret.open(cookie.octets, remote, hello.random)
    if asked is None:
        refuse("illegal_parameter", "the cookie was not made here")  # spec: handshake13/cookie-wrong
    return asked


def weigh(hello: ClientHello, policy: Policy, asked: Retry | None) -> Offer:
    """Is there anything in it that we can do? Raises `Refused`."""
    groups = _check_offer(hello)
    suite = next((SUITES[number] for number in policy.suites if number in hello.cipher_suites), None)
    if suite is None:
        refuse("handshake_failure", "the client offers no cipher suite of ours")  # spec: handshake13/no-common-cipher
    shares = _read_shares(hello, groups)
    wanted = asked.group if asked is not None else None
    group = _choose_group(groups, shares, policy) if wanted is None else wanted
    if asked is not None:
        # spec: handshake13/retry-answered
        alone = wanted is None or list(shares) == [wanted]
        if suite != asked.suite or group not in shares or not alone:
            refuse("illegal_parameter", "the second hello is not what was asked for")
    return Offer(hello, suite, group, shares.get(group), asked)


def _check_offer(hello: ClientHello) -> tuple[int, ...]:
    """What every hello of 1.3 must have, and the groups that it names."""
    versions = find_extension(hello.extensions, SupportedVersions)
    if versions is None or DTLS_1_3 not in versions.versions:
        refuse("protocol_version", "the client does not offer DTLS 1.3")  # spec: handshake13/version-not-offered
    if hello.cookie:
        refuse("illegal_parameter", "a cookie of DTLS 1.2 in a hello of 1.3")  # spec: handshake13/legacy-cookie
    if hello.compression_methods != b"\0":
        refuse("illegal_parameter", "the client wants to compress")  # spec: handshake13/no-compression
    groups = find_extension(hello.extensions, SupportedGroups)
    schemes = find_extension(hello.extensions, SignatureAlgorithms)
    # spec: handshake13/missing-extension
    if groups is None or schemes is None or find_extension(hello.extensions, KeyShares) is None:
        refuse("missing_extension", "the client leaves out groups, shares or signatures")
    if ECDSA_SHA256 not in schemes.schemes:
        refuse("handshake_failure", "the client cannot verify our signature")
    return groups.groups


def _read_shares(hello: ClientHello, groups: tuple[int, ...]) -> dict[int, bytes]:
    """The client's shares by group, each of a group that it names, none twice."""
    offered = find_extension(hello.extensions, KeyShares)
    shares: dict[int, bytes] = {}
    for group, octets in offered.shares if offered is not None else ():
        if group in shares or group not in groups:
            refuse("illegal_parameter", "a share twice, or of a group that is not offered")  # spec: handshake13/shares
        shares[group] = octets
    return shares


def _choose_group(groups: tuple[int, ...], shares: dict[int, bytes], policy: Policy) -> int:
    """Our best group; a curve that costs no retry is as good as another, post-quantum secrecy is worth one."""
    common = [group for group in policy.groups if group in groups]
    if not common:
        refuse("handshake_failure", "the client offers no group of ours")  # spec: handshake13/no-common-group
    if common[0] == X25519_ML_KEM_768:
        return X25519_ML_KEM_768  # spec: handshake13/group-preference
    return next((group for group in common if group in shares), common[0])


def respond(
    message: Message, remote: Address, secret: RetrySecret, talk: Conversation, *, verified: bool
) -> State | bytes:
    """The state after a ClientHello that can be answered, or the body of a HelloRetryRequest; nothing is kept then.

    `verified` says whether the address is known to be the client's. Raises `Malformed` and `Refused`.
    """
    hello = wire.parse(message.type, message.body)
    if not isinstance(hello, ClientHello):
        refuse("unexpected_message", "a handshake begins with ClientHello")
    asked = what_was_asked(hello, remote, secret)
    offer = weigh(hello, talk.policy, asked)
    if asked is None and (offer.share is None or not verified):
        return ask_again(offer, message, remote, secret)
    return answer(offer, message, talk)


def ask_again(offer: Offer, message: Message, remote: Address, secret: RetrySecret) -> bytes:
    """The body of a HelloRetryRequest: for a proof of the address, and for a share where there is none."""
    digest = hashlib.new(offer.suite.hash_name, bytes((message.type,)) + vector(3, message.body)).digest()
    retry = Retry(offer.suite, offer.group if offer.share is None else None, digest)
    return wire.serialize(retry.message(secret.seal(retry, remote, offer.hello.random)))


# --- the steps ------------------------------------------------------------------------------------


def answer(offer: Offer, message: Message, talk: Conversation) -> State:
    """The server's whole part, from its hello to its Finished."""
    assert offer.share is not None  # else it is asked for first
    hello, suite = offer.hello, offer.suite
    _recall(offer, message, talk)
    share, secret = answer_share(offer.group, offer.share, talk.dice, talk.encapsulate)
    chosen = (SelectedVersion(DTLS_1_3), ServerShare(Share(offer.group, share)))
    # spec: handshake13/session-id-not-echoed
    talk.say(ServerHello(DTLS_1_2, talk.dice(32), b"", suite.number, 0, chosen), epoch=0)
    secrets = talk.agree(suite, secret)
    profile = _choose_profile(hello, talk)
    talk.take_record_limit(find_extension(hello.extensions, RecordSizeLimit))
    talk.say(wire.EncryptedExtensions(tuple(_extensions(hello, profile))))
    talk.say(REQUEST)  # spec: handshake13/no-empty-authorities
    talk.say(wire.CertificateChain((wire.CertificateEntry(talk.certificate.der),)))
    talk.say_proof(suite)
    talk.say_finished(suite, secrets.server)
    application = talk.complete(suite, secrets)
    return ClientCertificateExpected(Agreed(hello.random, suite, offer.group, profile), secrets, application)


def step(state: State, message: Handshake, talk: Conversation) -> State:
    """What follows when `message` comes in `state`. Raises `Refused`."""
    match state, message:
        case ClientCertificateExpected(agreed, secrets, application), wire.CertificateChain():
            certificate, key = check_chain(message, "certificate_required")
            return ClientProofExpected(agreed, secrets, application, certificate, key)
        case ClientProofExpected(agreed, secrets, application, certificate, key), wire.CertificateVerify():
            check_proof(talk, agreed.suite, key, message, "client")
            return ClientFinishedExpected(agreed, secrets, application, certificate)
        case ClientFinishedExpected(agreed, secrets, application, certificate), wire.Finished():
            check_finished(talk, agreed.suite, secrets.client, message)
            return Established(agreed, application, certificate)
        case _:
            # spec: handshake13/unexpected-message
            raise Refused("unexpected_message", f"{type(message).__name__} in state {type(state).__name__}")


def _recall(offer: Offer, message: Message, talk: Conversation) -> None:
    """The transcript up to this hello; what stood before it is made again from the cookie."""
    talk.transcript.begin()
    talk.next_number = message.number
    if offer.asked is not None:
        asked = offer.asked.message(next(each.octets for each in offer.hello.extensions if isinstance(each, Cookie)))
        talk.transcript.recall_hello(offer.asked.first_hello)  # spec: handshake13/cookie-stateless
        talk.transcript.add(wire.SERVER_HELLO, wire.serialize(asked))
    talk.transcript.add(message.type, message.body)


def _choose_profile(hello: ClientHello, talk: Conversation) -> int | None:
    """The first of ours that the client offers too; None leaves the extension out of the answer."""
    offered = find_extension(hello.extensions, UseSRTP)
    if offered is None:
        return None
    # spec: handshake13/srtp-own-preference
    return next((profile for profile in talk.policy.srtp_profiles if profile in offered.profiles), None)


def _extensions(hello: ClientHello, profile: int | None) -> list[Extension]:
    """An answer to what was asked, and nothing else."""
    said: list[Extension] = []
    if profile is not None:
        said.append(UseSRTP((profile,)))  # spec: handshake13/srtp-in-encrypted-extensions
    protocols = find_extension(hello.extensions, ApplicationProtocols)
    if protocols is not None and WEBRTC in protocols.names:
        said.append(ApplicationProtocols((WEBRTC,)))  # spec: handshake13/application-protocol
    return said
