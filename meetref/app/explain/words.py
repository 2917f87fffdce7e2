"""What each value of a handshake is, and why it is there: the words of the page, by the names the parsers use.

A name may be special to its place: `key_share/group` before `group`. Numbers of registries are told by their names.
Stands above `wire/tls`. Specification: RFC 5246, RFC 6347, RFC 9846, RFC 9147, in our words.
Leaves out: extensions and groups that nobody in WebRTC sends; they are told by number.
Read next: `explain/message.py`.
"""

from __future__ import annotations

from collections.abc import Callable

from meetref.wire import tls

VERSIONS = {
    tls.DTLS_1_0: "DTLS 1.0",
    tls.DTLS_1_2: "DTLS 1.2",
    tls.DTLS_1_3: "DTLS 1.3",
    0x0303: "TLS 1.2, over streams",
}
EXTENSION_NAMES = {
    0: "server_name", 5: "status_request", 10: "supported_groups", 11: "ec_point_formats", 13: "signature_algorithms",
    14: "use_srtp", 16: "application_layer_protocol_negotiation", 18: "signed_certificate_timestamp",
    21: "padding", 22: "encrypt_then_mac", 23: "extended_master_secret", 27: "compress_certificate",
    28: "record_size_limit", 34: "delegated_credential", 35: "session_ticket", 41: "pre_shared_key",
    43: "supported_versions", 44: "cookie", 45: "psk_key_exchange_modes", 50: "signature_algorithms_cert",
    51: "key_share", 0xFE0D: "encrypted_client_hello", 0xFF01: "renegotiation_info",
}  # fmt: skip
EXTENSION_WHYS = {
    10: "The groups for key agreement that the sender can use, best first.",
    11: "How points of a curve may be written. Only one way is left, uncompressed; it is said for old peers.",
    13: "The signatures that the sender can verify. Whoever answers with a certificate signs with one of these.",
    14: "The reason why WebRTC speaks DTLS at all: which SRTP profiles the sender has. The handshake makes their keys.",
    16: "What will be spoken inside, chosen early: webrtc, or c-webrtc where no page may see the media (RFC 8833).",
    23: "The master secret is to depend on every message so far, so that no one in the middle can give two handshakes "
    "the same secret.",
    28: "How many octets of plaintext the sender takes in one record.",
    34: "A server's certificate might hand its work to a shorter-lived key (RFC 9345). Nobody does in WebRTC.",
    43: "The versions, best first. The field in front of the random is frozen at 1.2, because servers were found that "
    "refuse what they do not know.",
    44: "What the server wants to hear again before it remembers anything.",
    45: "How a session could be resumed: with a new key agreement, or without. WebRTC resumes none.",
    51: "Half of the key agreement already in the first message: that saves a round trip.",
    0xFF01: "Empty in a first handshake. It says that the sender knows about an old attack on renegotiation.",
}
GROUPS = tls.GROUPS | {0x0019: "P-521", 0x001E: "X448", 0x0100: "ffdhe2048", 0x0101: "ffdhe3072", 0x6399: "Kyber draft"}
SCHEMES = tls.SIGNATURE_SCHEMES | {
    0x0603: "ecdsa_secp521r1_sha512", 0x0805: "rsa_pss_rsae_sha384", 0x0806: "rsa_pss_rsae_sha512",
    0x0501: "rsa_pkcs1_sha384", 0x0601: "rsa_pkcs1_sha512", 0x0203: "ecdsa_sha1", 0x0201: "rsa_pkcs1_sha1",
    0x0402: "dsa_sha256", 0x0502: "dsa_sha384", 0x0602: "dsa_sha512", 0x0202: "dsa_sha1",
}  # fmt: skip
SUITES = tls.CIPHER_SUITES | {
    tls.RENEGOTIATION_SIGNAL: "TLS_EMPTY_RENEGOTIATION_INFO_SCSV (no suite: a signal)",
    0xC02F: "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", 0xC030: "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    0xCCA8: "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", 0xC009: "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    0xC00A: "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA", 0xC013: "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    0xC014: "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA", 0x009C: "TLS_RSA_WITH_AES_128_GCM_SHA256",
    0x002F: "TLS_RSA_WITH_AES_128_CBC_SHA", 0x0035: "TLS_RSA_WITH_AES_256_CBC_SHA",
}  # fmt: skip
PROFILES = tls.SRTP_PROFILES | {0x0002: "SRTP_AES128_CM_HMAC_SHA1_32"}
CONTENT_TYPES = {20: "change_cipher_spec", 21: "alert", 22: "handshake", 23: "application_data", 26: "ACK"}
CERTIFICATE_TYPES = {1: "rsa_sign", 64: "ecdsa_sign"}

Show = Callable[[bytes], str]


def named(names: dict[int, str]) -> Show:
    """Shows a number by its name in a registry."""

    def show(octets: bytes) -> str:
        number = int.from_bytes(octets, "big")
        return f"{names.get(number, 'not known here')} ({number:#0{2 + 2 * len(octets)}x})"

    return show


def number(octets: bytes) -> str:
    """Shows a plain number."""
    return str(int.from_bytes(octets, "big"))


def count(octets: bytes) -> str:
    """Shows how many octets follow."""
    found = int.from_bytes(octets, "big")
    return f"{found} octet{'' if found == 1 else 's'}"


def octets_of(octets: bytes) -> str:
    """Shows octets that are no number: how many."""
    return count(len(octets).to_bytes(4, "big"))


def text(octets: bytes) -> str:
    """Shows letters."""
    return octets.decode("ascii", "replace")


def points(octets: bytes) -> str:
    """Shows in which forms points may be written."""
    return "uncompressed" if octets == b"\0" else octets.hex(" ")


def certificate_types(octets: bytes) -> str:
    """Shows kinds of keys, an octet each."""
    return ", ".join(CERTIFICATE_TYPES.get(each, str(each)) for each in octets)


CHOICE = "What the server chose of that. From now on it holds."
LENGTH = "How long what follows is. Everything that can differ in length has its length in front."
MEANINGS: dict[str, tuple[Show, str]] = {
    "version": (named(VERSIONS), "In 1.2 the newest version that the client speaks. 1.3 says 1.2 here for ever, and "
                "means what supported_versions says. It counts down, so that nobody takes it for TLS: 1.2 is fe fd."),
    "random": (octets_of, "New in each handshake. All keys depend on both randoms, so a recorded handshake is of no "
               "use again."),
    "session id length": (count, "No session is resumed; DTLS 1.3 has no use for it at all."),
    "session id": (octets_of, "A session that might be resumed."),
    "cookie length": (count, "In 1.3 the cookie is an extension; this old place stays empty. In 1.2 the first hello "
                      "has none."),
    "cookie": (octets_of, "Made by the server from the client's address and hello with a key of its own. Only who can "
               "receive at that address can say it: until then the server keeps nothing and sends little."),
    "cipher suites length": (count, LENGTH),
    "one of cipher suites": (named(SUITES), "The client can do this one; the list is in order of preference."),
    "cipher suite": (named(SUITES), CHOICE),
    "compression methods length": (count, LENGTH),
    "compression methods": (number, "0: none. Compression in front of encryption leaks. It is dead, the field is not."),
    "compression method": (number, "0: none."),
    "extensions length": (count, "All extensions together."),
    "extension type": (named(EXTENSION_NAMES), "Which extension this is. Who does not know it skips it."),
    "extension length": (count, "So that it can be skipped by who does not know it."),
    "one of supported groups": (named(GROUPS), "A group for key agreement that the client can use."),
    "point formats": (points, "0, uncompressed, is the only one alive."),
    "one of signature algorithms": (named(SCHEMES), "A signature that the sender can verify."),
    "signature scheme": (named(SCHEMES), "A signature that the server can verify."),
    "one of SRTP profiles": (named(PROFILES), "A profile for the media: cipher, and how long its tag is."),
    "master key identifier length": (count, "MKI, which WebRTC does not use."),
    "master key identifier": (octets_of, "MKI, which WebRTC does not use."),
    "application protocol": (text, "A protocol inside DTLS that the sender would speak."),
    "record size limit": (count, "The largest plaintext that the sender takes."),
    "one of supported versions": (named(VERSIONS), "A version that the client speaks, best first."),
    "selected version": (named(VERSIONS), "The version that both speak from here on. This alone says 1.3."),
    "group": (named(GROUPS), "For which group the share behind it is."),
    "wanted group": (named(GROUPS), "The group of which the server wants a share."),
    "share": (octets_of, "The public half of a key made for this handshake alone. Who only listens cannot compute what "
              "both will."),
    "renegotiated connection length": (count, "Empty: there was no handshake before this one."),
    "octets": (octets_of, "Not looked into here: who does not know an extension skips it."),
    "curve type": (named({3: "named_curve"}), "By name. Curves spelled out in numbers were a mistake of the past."),
    "scheme": (named(SCHEMES), "How the signature behind it was made: one of those that the other side can verify."),
    "signature": (octets_of, "Made with the private key of the certificate: whoever shows a certificate proves that it "
                  "is its own."),
    "certificate types": (certificate_types, "The kinds of keys that the server accepts in a client's certificate."),
    "authorities length": (count, "None are named: in WebRTC the fingerprint in the description decides, and no "
                           "authority."),
    "context length": (count, "Empty in a handshake; it tells requests apart that come later."),
    "certificate": (octets_of, "The sender's certificate, self-signed and made for this purpose. Its hash must be the "
                    "fingerprint in the description."),
    "verify data": (octets_of, "Only who has the secret and heard exactly the same messages can compute it. It is what "
                    "makes the cookie, the versions and every choice above trustworthy after the fact."),
    "alert level": (named({1: "warning", 2: "fatal"}), "In 1.3 it no longer means anything."),
    "alert description": (named(tls.ALERTS), "Why. close_notify is the goodbye, so that nobody can cut a connection "
                          "short unnoticed."),
    "epoch": (number, "The epoch of a record that has arrived."),
    "sequence": (number, "And its number in that epoch. What is named here is not sent again."),
    "update request": (number, "1: do the same, please."),
    "lifetime": (number, "Seconds."), "age": (number, "Hides how old a ticket is."),
    "nonce": (octets_of, "Tells the tickets of a connection apart."), "ticket": (octets_of, "Opaque."),
    "change cipher spec": (number, "Not a handshake message: it only says that the next record is protected with the "
                           "new keys. 1.3 has none; there the epoch says so."),
}  # fmt: skip
SPECIAL: dict[str, tuple[Show, str]] = {
    "ServerHello/version": (named(VERSIONS), "In 1.2 this is the choice. In 1.3 it is frozen, and supported_versions "
                            "has the choice."),
    "HelloVerifyRequest/version": (named(VERSIONS), "Means nothing yet: the version is chosen in ServerHello."),
    "HelloVerifyRequest/cookie length": (count, LENGTH),
    "cookie/cookie length": (count, LENGTH),
    "ServerHello/random": (octets_of, "New in each handshake. In 1.2 a server that could do 1.3 ends it with DOWNGRD "
                           "and a 1, so that nobody in the middle can talk both sides down unnoticed."),
    "HelloRetryRequest/random": (octets_of, "No random at all: this very value makes a HelloRetryRequest of a "
                                 "ServerHello. So middleboxes see nothing but one more ServerHello."),
    "HelloRetryRequest/cipher suite": (named(SUITES), "The choice; ServerHello must say the same."),
    "use_srtp/one of SRTP profiles": MEANINGS["one of SRTP profiles"],
    "ServerKeyExchange/group": (named(GROUPS), "The group the server chose."),
    "ClientKeyExchange/share length": (count, LENGTH),
}  # fmt: skip


def meaning(context: tuple[str, ...], name: str, octets: bytes) -> tuple[str, str]:
    """Value and reason of what the parsers call `name`, in the innermost place of `context` that has words for it."""
    for place in reversed(context):
        found = SPECIAL.get(f"{place}/{name}")
        if found is not None:
            return found[0](octets), found[1]
    if name in MEANINGS:
        return MEANINGS[name][0](octets), MEANINGS[name][1]
    if name.endswith(" length"):
        return count(octets), LENGTH
    return octets_of(octets), ""
