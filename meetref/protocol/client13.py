"""The client's steps of a 1.3 handshake: each is a function of the state and the message that came.

    HelloSent (-> HelloSent, asked to retry) -> ExtensionsExpected -> ServerCertificateExpected
              -> ServerProofExpected -> ServerFinishedExpected -> Established
              (-> OlderVersionChosen: the server speaks 1.2 only)

Stands above `conversation13`; `handshake13` calls `hello` and `step`, and sends what they say.
Specification: RFC 9846 sections 4.2 to 4.5, RFC 9147 section 5.3, RFC 5764 section 4.1.
Leaves out: the compatibility mode of TLS (RFC 9147 section 5 forbids it), pre-shared keys, early data.
Read next: `protocol/server13.py`.
"""

from __future__ import annotations

from dataclasses import replace

from meetref.protocol import client12
from meetref.protocol.certificate import MODERN_SCHEMES
from meetref.protocol.conversation12 import CIPHER_PREFERENCE
from meetref.protocol.conversation13 import (
    Agreed,
    Conversation,
    Established,
    ExtensionsExpected,
    HelloSent,
    OlderVersionChosen,
    ServerCertificateExpected,
    ServerFinishedExpected,
    ServerProofExpected,
    State,
    check_chain,
    check_finished,
    check_proof,
)
from meetref.protocol.keyschedule13 import SUITES, Suite
from meetref.protocol.keyshare import PrivateKey, combine, make_share
from meetref.protocol.refusal import Refused, refuse
from meetref.wire import handshake13 as wire
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
    WantedGroup,
    extension_number,
    find_extension,
)
from meetref.wire.handshake13 import Handshake
from meetref.wire.tls import DTLS_1_2, DTLS_1_3, ECDSA_SHA256, ClientHello, ServerHello

FIRST_SHARES = 2
"""For how many groups a hello brings shares: the post-quantum one and a curve, as browsers do."""

# What may stand in EncryptedExtensions of what a hello can offer (RFC 9846 section 4.3).
ENCRYPTED = (SupportedGroups, UseSRTP, ApplicationProtocols, RecordSizeLimit)


def hello(talk: Conversation) -> State:
    """Say the first hello."""
    policy = talk.policy
    secrets, shares = _make_shares(talk, tuple(policy.groups[:FIRST_SHARES]))
    extensions: list[Extension] = [
        SupportedVersions(tuple(policy.versions)),
        SupportedGroups(tuple(policy.groups)),
        SignatureAlgorithms(MODERN_SCHEMES),
        KeyShares(shares),
    ]
    if policy.srtp_profiles:
        extensions.append(UseSRTP(tuple(policy.srtp_profiles)))
    suites = tuple(policy.suites)
    if DTLS_1_2 in policy.versions:
        extensions += client12.OLDER_EXTENSIONS
        suites += CIPHER_PREFERENCE
    # spec: handshake13/client-hello
    said = ClientHello(DTLS_1_2, talk.dice(32), b"", b"", suites, b"\x00", tuple(extensions))
    talk.say(said, epoch=0)
    return HelloSent(said, secrets)


def is_older(state: State, kind: int, talk: Conversation) -> bool:
    """Is a message of this type the beginning of an answer in 1.2? Raises `Refused` where that is not allowed."""
    if kind != wire.HELLO_VERIFY_REQUEST or not isinstance(state, HelloSent) or state.retry is not None:
        return False
    if DTLS_1_2 not in talk.policy.versions:
        refuse("protocol_version", "the server speaks 1.2 only")
    return True


def step(state: State, message: Handshake, talk: Conversation) -> State:
    """What follows when `message` comes in `state`. Raises `Refused`."""
    match state, message:
        case HelloSent(), ServerHello():
            return _server_hello(state, message, talk)
        case ExtensionsExpected(), wire.EncryptedExtensions():
            return _extensions(state, message, talk)
        case ServerCertificateExpected(request=None), wire.CertificateRequest():
            return replace(state, request=_check_request(message))
        case ServerCertificateExpected(agreed, secrets, request), wire.CertificateChain():
            certificate, key = check_chain(message, "decode_error")
            return ServerProofExpected(agreed, secrets, request, certificate, key)
        case ServerProofExpected(agreed, secrets, request, certificate, key), wire.CertificateVerify():
            check_proof(talk, agreed.suite, key, message, "server")
            return ServerFinishedExpected(agreed, secrets, request, certificate)
        case ServerFinishedExpected(), wire.Finished():
            return _finish(state, message, talk)
        case _:
            # spec: handshake13/unexpected-message
            raise Refused("unexpected_message", f"{type(message).__name__} in state {type(state).__name__}")


# --- the two hellos -------------------------------------------------------------------------------


def _make_shares(talk: Conversation, groups: tuple[int, ...]) -> tuple[dict[int, PrivateKey], tuple[Share, ...]]:
    made = {group: make_share(group, talk.dice) for group in groups}
    secrets = {group: secret for group, (secret, _) in made.items()}
    return secrets, tuple(Share(group, octets) for group, (_, octets) in made.items())


def _server_hello(state: HelloSent, message: ServerHello, talk: Conversation) -> State:
    version = find_extension(message.extensions, SelectedVersion)
    if version is None and state.retry is None and DTLS_1_2 in talk.policy.versions:
        return OlderVersionChosen(state.hello)  # spec: handshake13/older-version
    if version is None or version.version != DTLS_1_3:
        refuse("protocol_version" if version is None else "illegal_parameter", "the server chose another version")
    suite = _check_choice(state, message)
    if message.is_retry:
        return _hello_again(state, message, suite, talk)
    share = find_extension(message.extensions, ServerShare)
    if share is None:
        refuse("missing_extension", "the server sent no share")
    group, octets = share.share
    # spec: handshake13/share-not-offered
    wanted = None if state.retry is None else find_extension(state.retry.extensions, WantedGroup)
    if group not in state.secrets or (wanted is not None and wanted.group != group):
        refuse("illegal_parameter", "the server's share is of a group for which it got none")
    secrets = talk.agree(suite, combine(state.secrets[group], octets))
    return ExtensionsExpected(state.hello, Agreed(state.hello.random, suite, group), secrets)


def _check_choice(state: HelloSent, message: ServerHello) -> Suite:
    """What a ServerHello and a HelloRetryRequest must both keep to."""
    suite = SUITES.get(message.cipher_suite)
    # spec: handshake13/choice-not-offered
    if suite is None or message.cipher_suite not in state.hello.cipher_suites or message.compression_method:
        refuse("illegal_parameter", "the server chose what was not offered")
    if message.version != DTLS_1_2 or message.session_id:
        refuse("illegal_parameter", "the server's hello is not one of 1.3")  # spec: handshake13/session-id-not-echoed
    allowed = (SelectedVersion, WantedGroup, Cookie) if message.is_retry else (SelectedVersion, ServerShare)
    _check_answers(state.hello, message.extensions, allowed)
    if state.retry is not None and message.cipher_suite != state.retry.cipher_suite:
        refuse("illegal_parameter", "the server changed its mind about the cipher suite")
    return suite


def _check_answers(offer: ClientHello, extensions: tuple[Extension, ...], allowed: tuple[type[Extension], ...]) -> None:
    """Only what was asked, and what belongs into that message; a cookie may come unasked."""
    offered = {extension_number(each) for each in offer.extensions}
    for each in extensions:
        if not isinstance(each, allowed):
            if extension_number(each) not in offered:
                # spec: handshake13/answers-asked
                refuse("unsupported_extension", "the server answers what was not asked")
            refuse("illegal_parameter", "an extension that does not belong there")  # spec: handshake13/extension-place
        elif extension_number(each) not in offered and not isinstance(each, Cookie):
            refuse("unsupported_extension", "the server answers what was not asked")


def _hello_again(state: HelloSent, message: ServerHello, suite: Suite, talk: Conversation) -> State:
    """The same hello with what was asked for: a cookie, another share, or both (RFC 9846 section 4.2.4)."""
    if state.retry is not None:
        refuse("unexpected_message", "the server asks to retry a second time")  # spec: handshake13/retry-once
    cookie, wanted = find_extension(message.extensions, Cookie), find_extension(message.extensions, WantedGroup)
    if cookie is None and wanted is None:
        refuse("illegal_parameter", "the server asks for the same hello again")  # spec: handshake13/retry-changes
    secrets, extensions = state.secrets, list(state.hello.extensions)
    if wanted is not None:
        # spec: handshake13/retry-group
        if wanted.group not in talk.policy.groups or wanted.group in state.secrets:
            refuse("illegal_parameter", "the server wants a share that it has, or cannot get")
        secrets, shares = _make_shares(talk, (wanted.group,))
        extensions = [KeyShares(shares) if isinstance(each, KeyShares) else each for each in extensions]
    if cookie is not None:
        extensions.append(cookie)  # spec: handshake13/cookie-returned
    again = replace(state.hello, extensions=tuple(extensions))
    talk.transcript.replace_hello(talk.transcript.digest_before(suite.hash_name))
    talk.say(again, epoch=0)
    return HelloSent(again, secrets, retry=message)


# --- the server's part, and ours ------------------------------------------------------------------


def _extensions(state: ExtensionsExpected, message: wire.EncryptedExtensions, talk: Conversation) -> State:
    _check_answers(state.hello, message.extensions, ENCRYPTED)
    talk.take_record_limit(find_extension(message.extensions, RecordSizeLimit))
    chosen = find_extension(message.extensions, UseSRTP)
    profile = None
    if chosen is not None:
        # spec: handshake13/srtp-profile-offered
        if len(chosen.profiles) != 1 or chosen.profiles[0] not in talk.policy.srtp_profiles or chosen.key_identifier:
            refuse("illegal_parameter", "the server chose an SRTP profile that was not offered")
        profile = chosen.profiles[0]
    return ServerCertificateExpected(replace(state.agreed, srtp_profile=profile), state.secrets)


def _check_request(message: wire.CertificateRequest) -> wire.CertificateRequest:
    if message.context:
        refuse("illegal_parameter", "a certificate request with a context during the handshake")
    if find_extension(message.extensions, SignatureAlgorithms) is None:
        refuse("missing_extension", "the server does not say which signatures it can verify")
    return message


def _finish(state: ServerFinishedExpected, message: wire.Finished, talk: Conversation) -> State:
    """The client's whole part: certificate and proof if they are wanted, and its own Finished."""
    suite, request = state.agreed.suite, state.request
    check_finished(talk, suite, state.secrets.server, message)
    application = talk.complete(suite, state.secrets)
    if request is not None:
        schemes = find_extension(request.extensions, SignatureAlgorithms)
        can_sign = schemes is not None and ECDSA_SHA256 in schemes.schemes
        entries = (wire.CertificateEntry(talk.certificate.der),) if can_sign else ()
        talk.say(wire.CertificateChain(entries))  # spec: handshake13/no-certificate-when-none-fits
        if can_sign:
            talk.say_proof(suite)
    talk.say_finished(suite, state.secrets.client)
    return Established(state.agreed, application, state.certificate)
