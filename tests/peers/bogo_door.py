"""The door that BoringSSL's test runner knocks at: `protocol/dtls` as it is, and five things that only its cases need.

1. A client without a certificate is let in where the case does not forbid it. Our server always asks for one and ends
   the handshake without; hardly one of BoGo's clients has one, so that nearly all cases would end in the same place.
2. Our 1.2 client speaks ECDHE_RSA too: BoGo's server has an RSA certificate unless the case is about certificates.
   The suites differ in nothing but the kind of key whose signature stands under the share.
3. A handshake may take long; we give up after 30 s, and BoGo waits ten times, each time twice as long.
4. A hello may come in pieces of one octet, in any order; our bounds are 32 datagrams and 64 runs with gaps.
5. A datagram is filled to the last octet; we leave up to 31 rather than send so short a piece of a message.

All of it changes this process for good, so nobody but the shim may import this. Read next: `tests/peers/bogo_shim.py`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from meetref.protocol import (
    client12,
    client13,
    conversation12,
    conversation13,
    dtls,
    flight,
    flight13,
    handshake12,
    handshake13,
    reassembly,
    server12,
)
from meetref.protocol.certificate import Certificate
from meetref.protocol.handshake13 import Endpoint as NewerEndpoint
from meetref.protocol.keyschedule import SUITES
from meetref.protocol.refusal import refuse
from meetref.wire import tls
from meetref.wire.address import Address
from meetref.wire.handshake12 import CertificateChain as OlderChain
from meetref.wire.handshake13 import CertificateChain as NewerChain
from meetref.wire.tls import DTLS_1_2, DTLS_1_3
from tests.peers.bogo_flags import Case, Unimplemented

HERE, THERE = Address("192.0.2.1", 1), Address("192.0.2.2", 2)
RSA_SUITES = {
    0xC02F: (tls.ECDHE_ECDSA_AES_128_GCM, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"),
    0xC030: (tls.ECDHE_ECDSA_AES_256_GCM, "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"),
}
LONG = 1e6

Step = Callable[[Any, Any, Any], Any]


class Door(dtls.Endpoint):
    """The endpoint of one case."""

    def __init__(self, case: Case, key_log: Callable[[str], None]) -> None:
        self._case = case
        super().__init__(
            role="server" if case.is_server else "client",
            certificate=_certificate(case),
            dice=os.urandom,
            local=HERE,
            remote=THERE,
            versions=_versions(case),
            srtp_profiles=case.srtp_profiles,
            groups=tuple(case.groups) or conversation13.GROUP_PREFERENCE,
            address_verified=True,
            key_log=key_log,
            maximum_datagram=case.mtu,
        )
        self.adapt(0.0, first_wait=case.first_wait, maximum_datagram=case.mtu)

    def update_keys(self, now: float) -> None:
        if not isinstance(self._endpoint, NewerEndpoint):
            raise Unimplemented("new keys belong to 1.3")
        self._endpoint.update_keys(now)

    def limit_datagrams(self, octets: int) -> None:
        """From now on no datagram may be longer; the timers go on."""
        self._settings["maximum_datagram"] = octets
        if self._endpoint is not None:
            self._endpoint._flight.maximum_datagram = octets

    def _speak_older(self, *, newer_allowed: bool) -> handshake12.Endpoint:
        endpoint = super()._speak_older(newer_allowed=newer_allowed)
        endpoint._step = _take_rsa(endpoint._step) if endpoint.role == "client" else self._let_in(endpoint._step)
        return endpoint

    def _speak_newer(self, versions: Sequence[int]) -> NewerEndpoint:
        endpoint = super()._speak_newer(versions)
        if endpoint.role == "server":
            endpoint._step = self._let_in(endpoint._step)
        return endpoint

    def _let_in(self, step: Step) -> Step:
        """The server's step, which asks a client without a certificate for no more proof."""

        def lenient(state: Any, message: Any, talk: Any) -> Any:
            match state, message:
                case conversation12.ClientCertificateExpected(agreed, secret), OlderChain(()):
                    return conversation12.ClientShareExpected(agreed, secret, b"", None)  # type: ignore[arg-type]
                case conversation13.ClientCertificateExpected(agreed, secrets, application), NewerChain(()):
                    return conversation13.ClientFinishedExpected(agreed, secrets, application, b"")
            after = step(state, message, talk)
            match after:
                case conversation12.ClientProofExpected(agreed, session, b""):
                    return conversation12.FinishedExpected(agreed, session, b"")
            return after

        return step if self._case.needs_certificate else lenient


def _take_rsa(step: Step) -> Step:
    """The 1.2 client's step, which takes a server's RSA certificate in a suite that says so."""

    def lenient(state: Any, message: Any, talk: Any) -> Any:
        match state, message:
            case conversation12.ServerCertificateExpected(agreed), OlderChain() if agreed.suite.number in RSA_SUITES:
                certificate, key = conversation12.check_chain(message)
                if isinstance(key, ec.EllipticCurvePublicKey):
                    refuse("unsupported_certificate", "the cipher suite wants an RSA certificate of the server")
                return conversation12.ServerShareExpected(agreed, certificate, key)
        return step(state, message, talk)

    return lenient


def _versions(case: Case) -> dtls.Versions:
    if case.versions == {DTLS_1_2}:
        return "1.2 only"
    return "1.3 only" if case.versions == {DTLS_1_3} else "1.3 preferred"


def _certificate(case: Case) -> Certificate:
    """The one of the case where it is of our kind; else one that is as good: no case of ours looks at it."""
    if case.certificate_path is not None and case.key_path is not None:
        key = load_pem_private_key(Path(case.key_path).read_bytes(), None)
        if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1):
            chain = x509.load_pem_x509_certificates(Path(case.certificate_path).read_bytes())
            return Certificate(key, chain[0].public_bytes(Encoding.DER))
    return Certificate.generate(os.urandom, now_wall=1_700_000_000.0)


def open_door(case: Case, key_log: Callable[[str], None]) -> Door:
    """The endpoint of a case; what has no place in an endpoint's settings is set in the modules."""
    flight.LEAST_FRAGMENT = flight13.LEAST_FRAGMENT = 1
    dtls.MAXIMUM_HELD = reassembly.MAXIMUM_GAPS = 2**14
    handshake12.HANDSHAKE_TIME = handshake13.HANDSHAKE_TIME = dtls.HELLO_TIME = LONG
    if not case.is_server:
        for number, (like, name) in RSA_SUITES.items():
            SUITES[number] = replace(SUITES[like], number=number)
            tls.CIPHER_SUITES[number] = name
        client12.CIPHER_PREFERENCE = client13.CIPHER_PREFERENCE = tuple(SUITES)
    if case.groups:
        older = tuple(group for group in case.groups if group in conversation12.GROUP_PREFERENCE)
        client12.GROUP_PREFERENCE = server12.GROUP_PREFERENCE = older
    return Door(case, key_log)
