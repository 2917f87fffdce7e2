"""The client's steps of a 1.2 handshake: each is a function of the state and the message that came.

    HelloSent -> ServerCertificateExpected -> ServerShareExpected -> ServerDoneExpected
              -> FinishedExpected -> Established

Stands above `conversation12`; `handshake12` calls `hello` and `step`, and sends what they say.
Specification: RFC 5246 section 7.4, RFC 6347 section 4.2.1, RFC 8422 section 5, RFC 5746 section 3.4,
RFC 5764 section 4.1.
Leaves out: session tickets and status messages; they are never offered, so a server that sends them is refused.
Read next: `protocol/server12.py`.
"""

from __future__ import annotations

from dataclasses import replace

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from meetref.protocol.certificate import ACCEPTED_SCHEMES
from meetref.protocol.conversation12 import (
    CIPHER_PREFERENCE,
    GROUP_PREFERENCE,
    Agreed,
    Conversation,
    Established,
    FinishedExpected,
    HelloSent,
    ServerCertificateExpected,
    ServerDoneExpected,
    ServerShareExpected,
    State,
    check_chain,
    check_finished,
    check_signature,
)
from meetref.protocol.keyschedule import SUITES
from meetref.protocol.keyshare import combine, make_share
from meetref.protocol.refusal import Refused, refuse
from meetref.wire import handshake12 as wire
from meetref.wire.extension import (
    ExtendedMasterSecret,
    Extension,
    PointFormats,
    RenegotiationInfo,
    SignatureAlgorithms,
    SupportedGroups,
    SupportedVersions,
    UseSRTP,
    extension_number,
    find_extension,
)
from meetref.wire.handshake12 import Handshake
from meetref.wire.tls import (
    DOWNGRADED,
    DTLS_1_2,
    DTLS_1_3,
    ECDSA_SHA256,
    ClientHello,
    ServerHello,
)

MAXIMUM_COOKIES = 3
ECDSA_SIGN = 64


OLDER_EXTENSIONS = (RenegotiationInfo(), ExtendedMasterSecret(), PointFormats())
"""What a hello has that allows 1.2, and one for 1.3 alone has not."""


def hello(talk: Conversation) -> State:
    """Say the first hello."""
    extensions: list[Extension] = [
        RenegotiationInfo(),
        ExtendedMasterSecret(),
        SupportedGroups(GROUP_PREFERENCE),
        PointFormats(),
        SignatureAlgorithms(ACCEPTED_SCHEMES),
    ]
    if talk.srtp_profiles:
        extensions.append(UseSRTP(talk.srtp_profiles))
    first = ClientHello(
        version=DTLS_1_2,
        random=talk.dice(32),
        session_id=b"",
        cookie=b"",
        cipher_suites=CIPHER_PREFERENCE,
        compression_methods=b"\x00",
        extensions=tuple(extensions),
    )
    return said(first, talk)


def said(first: ClientHello, talk: Conversation) -> State:
    """What follows when this hello was said, by us or by who offered 1.3 as well."""
    talk.begin(0)
    talk.say(first)
    return HelloSent(first)


def step(state: State, message: Handshake, talk: Conversation) -> State:
    """What follows when `message` comes in `state`. Raises `Refused`."""
    match state, message:
        case HelloSent(), wire.HelloVerifyRequest():
            return _hello_again(state, message, talk)
        case HelloSent(), ServerHello():
            return _server_hello(state, message)
        case ServerCertificateExpected(agreed), wire.CertificateChain():
            certificate, key = check_chain(message)
            if not isinstance(key, EllipticCurvePublicKey):
                refuse("unsupported_certificate", "the cipher suite wants an ECDSA certificate of the server")
            return ServerShareExpected(agreed, certificate, key)
        case ServerShareExpected(), wire.ServerKeyExchange():
            return _server_share(state, message)
        case ServerDoneExpected(request=None), wire.CertificateRequest():
            return replace(state, request=message)
        case ServerDoneExpected(), wire.ServerHelloDone():
            return _answer(state, talk)
        case FinishedExpected(agreed, session, certificate), wire.Finished():
            check_finished(session, "server", message, talk.heard_before())
            return Established(agreed, session, certificate)
        case _:
            # spec: handshake12/unexpected-message
            raise Refused("unexpected_message", f"{type(message).__name__} in state {type(state).__name__}")


def _hello_again(state: HelloSent, request: wire.HelloVerifyRequest, talk: Conversation) -> State:
    """The same hello, with the cookie: neither the first one nor the request count in the transcript."""
    if state.cookies_seen >= MAXIMUM_COOKIES:
        refuse("unexpected_message", "the server asks for cookies without end")
    again = replace(state.hello, cookie=request.cookie)  # spec: handshake12/cookie-same-hello
    talk.begin(state.cookies_seen + 1)
    talk.say(again)
    return HelloSent(again, state.cookies_seen + 1)


def _server_hello(state: HelloSent, message: ServerHello) -> State:
    offered = {extension_number(extension) for extension in state.hello.extensions}
    versions = find_extension(state.hello.extensions, SupportedVersions)
    # spec: handshake12/sentinel-noticed
    if versions is not None and DTLS_1_3 in versions.versions and message.random.endswith(DOWNGRADED):
        refuse("illegal_parameter", "the server can do 1.3 and did not hear that we can: somebody changed the hello")
    if message.version != DTLS_1_2:
        refuse("protocol_version", f"the server chose version {message.version:#06x}")
    if message.cipher_suite not in CIPHER_PREFERENCE or message.compression_method:
        refuse("illegal_parameter", "the server chose what was not offered")  # spec: handshake12/choice-not-offered
    # spec: handshake12/answers-only-what-was-asked
    if any(extension_number(extension) not in offered for extension in message.extensions):
        refuse("unsupported_extension", "the server answers an extension that was not sent")
    formats = find_extension(message.extensions, PointFormats)
    if formats is not None and 0 not in formats.formats:  # spec: handshake12/point-formats
        refuse("illegal_parameter", "the server cannot read uncompressed points")
    renegotiation = find_extension(message.extensions, RenegotiationInfo)
    if renegotiation is not None and renegotiation.renegotiated_connection:
        # spec: handshake12/renegotiation-info-empty
        refuse("handshake_failure", "the server takes this for a renegotiation")
    return ServerCertificateExpected(
        Agreed(
            client_random=state.hello.random,
            server_random=message.random,
            extended_master_secret=find_extension(message.extensions, ExtendedMasterSecret) is not None,
            srtp_profile=_chosen_profile(state.hello, message),
            suite=SUITES[message.cipher_suite],
        )
    )


def _chosen_profile(offer: ClientHello, message: ServerHello) -> int | None:
    chosen, offered = find_extension(message.extensions, UseSRTP), find_extension(offer.extensions, UseSRTP)
    if chosen is None or offered is None:
        return None
    # spec: handshake12/srtp-profile-offered
    if len(chosen.profiles) != 1 or chosen.profiles[0] not in offered.profiles or chosen.key_identifier:
        refuse("illegal_parameter", "the server chose an SRTP profile that was not offered")
    return chosen.profiles[0]


def _server_share(state: ServerShareExpected, message: wire.ServerKeyExchange) -> State:
    agreed = state.agreed
    if message.group not in GROUP_PREFERENCE:
        refuse("illegal_parameter", "the server chose a group that was not offered")
    signed = agreed.client_random + agreed.server_random + wire.server_share(message.group, message.share)
    # spec: handshake12/share-signed
    check_signature(state.key, message.scheme, message.signature, signed)
    return ServerDoneExpected(replace(agreed, group=message.group), state.certificate, message.share)


def _answer(state: ServerDoneExpected, talk: Conversation) -> State:
    """The client's whole second part: certificate, share, signature, and the first protected message."""
    request, group = state.request, state.agreed.group
    assert group is not None  # `_server_share` has set it
    can_sign = request is not None and ECDSA_SIGN in request.types and ECDSA_SHA256 in request.schemes
    if request is not None:  # spec: handshake12/no-certificate-when-none-fits
        talk.say(wire.CertificateChain((talk.certificate.der,) if can_sign else ()))
    secret, share = make_share(group, talk.dice)
    premaster = combine(secret, state.share)
    talk.say(wire.ClientKeyExchange(share))
    session = talk.agree(state.agreed, premaster)
    if can_sign:
        talk.say(wire.CertificateVerify(ECDSA_SHA256, talk.certificate.sign(talk.heard())))
    talk.say_finished(session)
    return FinishedExpected(state.agreed, session, state.certificate)
