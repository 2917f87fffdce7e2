"""The server's steps of a 1.2 handshake: each is a function of the state and the message that came.

    HelloExpected -> ClientCertificateExpected -> ClientShareExpected -> ClientProofExpected
                  -> FinishedExpected -> Established

Stands above `conversation12`; `handshake12` calls `step`, sends what it says, and has asked for the cookie before.
Specification: RFC 5246 section 7.4, RFC 8422 section 5, RFC 5746 section 3.6, RFC 5764 section 4.1,
RFC 7627 section 5.
Leaves out: the downgrade sentinel where 1.3 is not allowed. It says "I could have done 1.3", and a browser that
offered 1.3 would give up on seeing it.
Read next: `protocol/handshake12.py`.
"""

from __future__ import annotations

from meetref.protocol.certificate import ACCEPTED_SCHEMES
from meetref.protocol.conversation12 import (
    GROUP_PREFERENCE,
    SMALLEST_RECORD_LIMIT,
    Agreed,
    ClientCertificateExpected,
    ClientProofExpected,
    ClientShareExpected,
    Conversation,
    Established,
    FinishedExpected,
    HelloExpected,
    State,
    check_chain,
    check_finished,
    check_signature,
)
from meetref.protocol.keyschedule import SUITES, Suite
from meetref.protocol.keyshare import combine, make_share
from meetref.protocol.refusal import Refused, refuse
from meetref.wire import handshake12 as wire
from meetref.wire.extension import (
    ApplicationProtocols,
    ExtendedMasterSecret,
    Extension,
    PointFormats,
    RecordSizeLimit,
    RenegotiationInfo,
    SignatureAlgorithms,
    SupportedGroups,
    SupportedVersions,
    UseSRTP,
    find_extension,
)
from meetref.wire.handshake12 import Handshake
from meetref.wire.tls import (
    DOWNGRADED,
    DTLS_1_2,
    DTLS_1_3,
    ECDSA_SHA256,
    P_256,
    RENEGOTIATION_SIGNAL,
    ClientHello,
    ServerHello,
)

WEBRTC = b"webrtc"
REQUEST = wire.CertificateRequest(types=bytes((64, 1)), schemes=ACCEPTED_SCHEMES)


def step(state: State, message: Handshake, talk: Conversation) -> State:
    """What follows when `message` comes in `state`. Raises `Refused`."""
    match state, message:
        case HelloExpected(), ClientHello():
            return _answer(message, talk)
        case ClientCertificateExpected(agreed, secret), wire.CertificateChain():
            certificate, key = check_chain(message)
            return ClientShareExpected(agreed, secret, certificate, key)
        case ClientShareExpected(agreed, secret, certificate, key), wire.ClientKeyExchange(share):
            session = talk.agree(agreed, combine(secret, share))
            return ClientProofExpected(agreed, session, certificate, key)
        case ClientProofExpected(agreed, session, certificate, key), wire.CertificateVerify(scheme, signature):
            # spec: handshake12/client-proof
            check_signature(key, scheme, signature, talk.heard_before())
            return FinishedExpected(agreed, session, certificate)
        case FinishedExpected(agreed, session, certificate), wire.Finished():
            check_finished(session, "client", message, talk.heard_before())
            talk.say_finished(session)
            return Established(agreed, session, certificate)
        case _:
            # spec: handshake12/unexpected-message
            raise Refused("unexpected_message", f"{type(message).__name__} in state {type(state).__name__}")


def _answer(hello: ClientHello, talk: Conversation) -> State:
    """The server's whole first part: hello, certificate, signed share, and the request for the client's certificate."""
    _check_offer(hello)
    group = _choose_group(hello)
    agreed = Agreed(
        client_random=hello.random,
        server_random=_make_random(hello, talk),
        extended_master_secret=find_extension(hello.extensions, ExtendedMasterSecret) is not None,
        srtp_profile=_choose_profile(hello, talk),
        suite=_choose_suite(hello),
        group=group,
    )
    limit = find_extension(hello.extensions, RecordSizeLimit)
    if limit is not None:
        if limit.limit < SMALLEST_RECORD_LIMIT:
            refuse("illegal_parameter", f"a record size limit of {limit.limit}")
        talk.record_limit = limit.limit  # spec: handshake12/record-size-limit
    # spec: handshake12/no-resumption, handshake12/flights
    talk.say(
        ServerHello(DTLS_1_2, agreed.server_random, b"", agreed.suite.number, 0, tuple(_extensions(hello, agreed)))
    )
    talk.say(wire.CertificateChain((talk.certificate.der,)))
    secret, share = make_share(group, talk.dice)
    signature = talk.certificate.sign(agreed.client_random + agreed.server_random + wire.server_share(group, share))
    talk.say(wire.ServerKeyExchange(group, share, ECDSA_SHA256, signature))
    talk.say(REQUEST)
    talk.say(wire.ServerHelloDone())
    return ClientCertificateExpected(agreed, secret)


def _make_random(hello: ClientHello, talk: Conversation) -> bytes:
    """Where 1.3 is allowed, and was not asked for, its end says so (RFC 9846 section 4.2.3); else it is only dice."""
    random, versions = talk.dice(32), find_extension(hello.extensions, SupportedVersions)
    asked = versions is not None and DTLS_1_3 in versions.versions
    # spec: handshake12/no-sentinel, handshake12/sentinel-written
    return random[: -len(DOWNGRADED)] + DOWNGRADED if talk.newer_allowed and not asked else random


def _check_offer(hello: ClientHello) -> None:
    """Is there anything in it that we can do?"""
    versions = find_extension(hello.extensions, SupportedVersions)
    # spec: handshake12/browser-hello
    # Versions of DTLS count downwards: 1.0 is 0xfeff, 1.2 is 0xfefd. What is lower is newer, down to those of TLS.
    offers_it = hello.version <= DTLS_1_2 if versions is None else DTLS_1_2 in versions.versions
    if hello.version < 0x8000 or not offers_it:
        refuse("protocol_version", "the client does not offer DTLS 1.2")  # spec: handshake12/version-not-offered
    if 0 not in hello.compression_methods:
        refuse("illegal_parameter", "the client does not offer to leave compression out")
    schemes = find_extension(hello.extensions, SignatureAlgorithms)
    if schemes is None or ECDSA_SHA256 not in schemes.schemes:
        refuse("handshake_failure", "the client cannot verify our signature")
    formats = find_extension(hello.extensions, PointFormats)
    if formats is not None and 0 not in formats.formats:  # spec: handshake12/point-formats
        refuse("illegal_parameter", "the client cannot read uncompressed points")
    renegotiation = find_extension(hello.extensions, RenegotiationInfo)
    if renegotiation is not None and renegotiation.renegotiated_connection:
        # spec: handshake12/renegotiation-info-empty
        refuse("handshake_failure", "the client takes this for a renegotiation")


def _choose_suite(hello: ClientHello) -> Suite:
    """The first of ours that the client offers too."""
    suite = next((suite for number, suite in SUITES.items() if number in hello.cipher_suites), None)
    if suite is None:
        refuse("handshake_failure", "the client offers no cipher suite of ours")  # spec: handshake12/no-common-cipher
    return suite


def _choose_group(hello: ClientHello) -> int:
    """Ours, by our preference; a client that names none can do P-256 (RFC 8422 section 4)."""
    offered = find_extension(hello.extensions, SupportedGroups)
    groups = (P_256,) if offered is None else offered.groups
    # spec: handshake12/group-preference
    group = next((group for group in GROUP_PREFERENCE if group in groups), None)
    if group is None:
        refuse("handshake_failure", "the client offers no group of ours")
    return group


def _choose_profile(hello: ClientHello, talk: Conversation) -> int | None:
    """The first of ours that the client offers too; None leaves the extension out of the answer."""
    offered = find_extension(hello.extensions, UseSRTP)
    if offered is None:
        return None
    # spec: handshake12/srtp-own-preference
    return next((profile for profile in talk.srtp_profiles if profile in offered.profiles), None)


def _extensions(hello: ClientHello, agreed: Agreed) -> list[Extension]:
    """An answer to what was asked, and nothing else (RFC 5246 section 7.4.1.4)."""
    answer: list[Extension] = []  # spec: handshake12/answers-only-what-was-asked
    asked_safe = find_extension(hello.extensions, RenegotiationInfo) is not None
    if asked_safe or RENEGOTIATION_SIGNAL in hello.cipher_suites:
        answer.append(RenegotiationInfo())  # spec: handshake12/renegotiation-signalled
    if agreed.extended_master_secret:
        answer.append(ExtendedMasterSecret())
    if find_extension(hello.extensions, PointFormats) is not None:
        answer.append(PointFormats())
    if agreed.srtp_profile is not None:
        answer.append(UseSRTP((agreed.srtp_profile,)))
    protocols = find_extension(hello.extensions, ApplicationProtocols)
    if protocols is not None and WEBRTC in protocols.names:
        answer.append(ApplicationProtocols((WEBRTC,)))  # spec: handshake12/application-protocol
    return answer
