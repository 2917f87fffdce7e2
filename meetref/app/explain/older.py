"""How the secrets of a DTLS 1.2 handshake come about, and how its records are opened, step by step.

Stands above `protocol/keyschedule` and `protocol/recordlayer`, with the master secret that stands in the capture.
Specification: RFC 5246 sections 6.3, 7.4.8, 7.4.9 and 8.1; RFC 7627; RFC 6347 section 4.2.6 (what is hashed).
Leaves out: a master secret that does not depend on the handshake: nobody in WebRTC agrees on one.
Read next: `explain/conversation.py`, which uses this or `explain/newer.py`.
"""

from __future__ import annotations

from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from meetref.app.explain.computing import find, fingerprint, pseudorandom, signature, transcript_hash
from meetref.app.explain.field import Field, Step, row
from meetref.app.explain.newer import Secrets, Titled, divided
from meetref.app.explain.words import CONTENT_TYPES
from meetref.protocol import keyschedule
from meetref.protocol.keyschedule import SRTP_LABEL, SRTP_SIZES, Role
from meetref.protocol.reassembly import Message
from meetref.protocol.recordlayer import EXPLICIT_NONCE_SIZE, OVERHEAD, TAG_SIZE, RecordLayer
from meetref.protocol.recordlayer13 import Opened
from meetref.wire import dtls, tls
from meetref.wire import handshake12 as wire
from meetref.wire.extension import UseSRTP, find_extension
from meetref.wire.tls import ServerHello


class Older:
    """What is known of the conversation from ServerHello on."""

    newer = False

    def __init__(self, hello: ServerHello, client_random: bytes, secrets: Secrets, shared_secret: bytes) -> None:
        self.suite = keyschedule.SUITES[hello.cipher_suite]
        self._shared = shared_secret
        self._randoms = client_random, hello.random
        self._master = secrets.get(("CLIENT_RANDOM", client_random))
        use_srtp = find_extension(hello.extensions, UseSRTP)
        self._profile = use_srtp.profiles[0] if use_srtp is not None else None
        self._heard: list[tuple[str, bytes]] = []
        self._agreed_at: Step | None = None
        self._certificates: dict[str, bytes] = {}
        self._layers = {"client": RecordLayer(), "server": RecordLayer()}
        if self._master is not None:
            self._session = keyschedule.Session(self._master, client_random, hello.random, self.suite)
            self._block = keyschedule.key_block(self._session)
            self._layers["client"].install(self._block, "server")
            self._layers["server"].install(self._block, "client")

    @property
    def overhead(self) -> int:
        """How many octets a protected record has besides its content."""
        return TAG_SIZE if self._is_chacha else OVERHEAD

    # --- records ----------------------------------------------------------------------------------

    def open(self, sender: str, record: dtls.Record | dtls.Ciphertext) -> Opened | None:
        """What is inside; None where no key fits, or it was opened before."""
        if not isinstance(record, dtls.Record) or not record.epoch:
            return None
        found = self._layers[sender].open(record)
        number = dtls.RecordNumber(record.epoch, record.sequence)
        return None if isinstance(found, str) else Opened(record.content_type, found, number)

    def sealed(self, sender: str, record: dtls.Record | dtls.Ciphertext, at: int, opened: Opened | None) -> list[Field]:
        """The fields of a protected record that begins at `at`, sealed as it is."""
        assert isinstance(record, dtls.Record)  # 1.2 has no other
        explicit = 0 if self._is_chacha else EXPLICIT_NONCE_SIZE
        length = len(record.payload) - TAG_SIZE - explicit
        fields = plain_header(record, at)
        fields += row(
            at + dtls.RECORD_HEADER.size,
            ("explicit nonce", explicit, record.payload[:explicit].hex(" "), "The half of the nonce that travels. Here "
             "it is epoch and sequence once more: eight octets a record that 1.3 saves."),
            ("encrypted payload", length, f"{length} octets", "The content. Its type and its length stand in front for "
             "everybody to read; 1.3 hides the type."),
            ("authentication tag", TAG_SIZE, "16 octets", "Nothing of the payload, of the type and of the number was "
             "changed."),
        )  # fmt: skip
        if opened is not None:
            self._show_sealing(sender, record, opened, fields)
        return fields

    @property
    def _is_chacha(self) -> bool:
        return self.suite.number == tls.ECDHE_ECDSA_CHACHA20_POLY1305

    def _show_sealing(self, sender: str, record: dtls.Record, opened: Opened, fields: list[Field]) -> None:
        block, client = self._block, sender == "client"
        key, salt = (block.client_key, block.client_salt) if client else (block.server_key, block.server_salt)
        number = (record.epoch << 48 | record.sequence).to_bytes(8, "big")
        size = len(opened.plaintext)
        bound = number + bytes((record.content_type,)) + record.version.to_bytes(2, "big") + size.to_bytes(2, "big")
        cipher: AESGCM | ChaCha20Poly1305
        if self._is_chacha:
            nonce = (int.from_bytes(salt, "big") ^ int.from_bytes(number, "big")).to_bytes(12, "big")
            how = Step("nonce = salt xor (epoch, sequence)", (("salt", salt), ("number", number)), nonce)
            cipher, name = ChaCha20Poly1305(key), "ChaCha20-Poly1305"
        else:
            explicit = record.payload[:EXPLICIT_NONCE_SIZE]
            nonce = salt + explicit
            how = Step("nonce = salt, explicit nonce", ((f"{sender} salt", salt), ("explicit nonce", explicit)), nonce)
            cipher, name = AESGCM(key), "AES-GCM"
        made = cipher.encrypt(nonce, opened.plaintext, bound)
        plain = opened.plaintext if size <= 64 else f"{size} octets: the layer below"
        what = "bound: epoch, sequence, type, version, length of the plaintext"
        inputs = ((f"{sender} key", key), ("nonce", nonce), (what, bound), ("plaintext", plain))
        for field, output in ((fields[-2], made[:-TAG_SIZE]), (fields[-1], made[-TAG_SIZE:])):
            field.steps = [self._key_block(), how, Step(f"{field.name}: {name}(key, nonce, bound, plaintext)", inputs,
                                                        output, ends=True)]  # fmt: skip

    def _key_block(self) -> Step:
        assert self._master is not None  # nothing was opened without
        client, server = self._randoms
        size, name = 2 * (self.suite.key_size + self.suite.salt_size), self.suite.hash_name
        seed = ("server random, client random", server + client)
        block = "key block: client key, server key, client salt, server salt"
        return pseudorandom(block, ("master secret", self._master), b"key expansion", seed, size, name)

    # --- messages ---------------------------------------------------------------------------------

    def hear(self, sender: Role, name: str, message: Message, fields: list[Field]) -> None:
        """A message, whole, in order: show how its values were computed."""
        if name == "HelloVerifyRequest":
            self._heard.clear()  # it and the hello before it are not hashed: the server has forgotten them
            return
        if name in ("Certificate",):
            certificate = find(fields, "certificate")
            if certificate is not None:
                self._certificates[sender] = message.body[certificate.offset : certificate.end]
                certificate.steps = [fingerprint(self._certificates[sender])]
        elif name in ("ServerKeyExchange", "CertificateVerify") and sender in self._certificates:
            self._verify(sender, message, fields)
        elif name == "Finished" and self._master is not None:
            self._finish(sender, self._master, message.body, fields)
        self._heard.append((name, message.octets()))
        if name == "ClientKeyExchange":
            self._agreed_at = transcript_hash(self.suite.hash_name, self._heard)

    def _verify(self, sender: Role, message: Message, fields: list[Field]) -> None:
        field = find(fields, "signature")
        if field is None:
            return
        match wire.parse(message.type, message.body):
            case wire.ServerKeyExchange(group, share, scheme, octets):
                signed = b"".join(self._randoms) + wire.server_share(group, share)
                of = "both randoms, curve type, group, share"
                field.steps = [signature(self._certificates[sender], scheme, octets, signed, of)]
            case wire.CertificateVerify(scheme, octets):
                signed = b"".join(each for _, each in self._heard)
                of = ", ".join(name for name, _ in self._heard)
                field.steps = [signature(self._certificates[sender], scheme, octets, signed, of)]

    def _finish(self, sender: Role, master: bytes, body: bytes, fields: list[Field]) -> None:
        field, name = find(fields, "verify data"), self.suite.hash_name
        digest = transcript_hash(name, self._heard)
        assert isinstance(digest.output, bytes)
        made = pseudorandom("verify data", ("master secret", master), f"{sender} finished".encode(),
                            ("transcript hash", digest.output), 12, name)  # fmt: skip
        if field is not None:
            field.steps = [digest, Step(made.formula, made.inputs, made.output, ends=made.output == body)]

    # --- the ladder -------------------------------------------------------------------------------

    def ladder(self) -> list[Titled]:
        """From the shared secret to the keys of SRTP; what begins with the shared secret only where that is known."""
        found: list[Titled] = []
        if self._master is None:
            return found
        name, master = self.suite.hash_name, ("master secret", self._master)
        if self._shared and self._agreed_at is not None:
            digest = self._agreed_at
            assert isinstance(digest.output, bytes)
            made = pseudorandom("master secret", ("shared secret", self._shared), b"extended master secret",
                                ("hash to ClientKeyExchange", digest.output), 48, name)  # fmt: skip
            last = Step(made.formula, made.inputs, made.output, ends=made.output == self._master)
            found.append(("The master secret", [digest, last]))
        found.append(("The keys of the records", [self._key_block()]))
        if self._profile in SRTP_SIZES:
            size = 2 * sum(SRTP_SIZES[self._profile])
            material = pseudorandom("keying material", master, SRTP_LABEL,
                                    ("client random, server random", b"".join(self._randoms)), size, name)  # fmt: skip
            assert isinstance(material.output, bytes)
            found.append(("The keys of SRTP", [material, *divided(material.output, self._profile)]))
        return found


def plain_header(record: dtls.Record, at: int) -> list[Field]:
    """The thirteen octets in front of a record of 1.2, and of a plain one of 1.3."""
    kind = f"{CONTENT_TYPES.get(record.content_type, '')} ({record.content_type})"
    return row(
        at,
        ("content type", 1, kind, "What is in the record. 20 to 63 in the first octet: so DTLS is told from STUN and "
         "SRTP on the same port."),
        ("record version", 2, f"{record.version:#06x}", "Means nothing any more; the hellos agree on the version."),
        ("epoch", 2, str(record.epoch), "Which keys: 0 has none. New keys, next epoch."),
        ("sequence", 6, str(record.sequence), "Each record has its own number in its epoch, repetitions too: datagrams "
         "get lost, overtake one another, and must not be replayed."),
        ("length", 2, f"{len(record.payload)} octets", "Of what follows. A datagram may have several records."),
    )  # fmt: skip
