"""How the secrets of a DTLS 1.3 handshake come about, and how its records are opened, step by step.

Stands above `protocol/keyschedule13` and `protocol/recordlayer13`, with the secrets that stand in the capture.
Specification: RFC 9846 sections 4.1, 4.5 and 7; RFC 9147 sections 4, 4.2.3 and 5.2.
Leaves out: epochs behind the first one for data; a handshake has none.
Read next: `explain/older.py`, the same for 1.2.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace

from meetref.app.explain.computing import expand, extract, find, fingerprint, signature, transcript_hash
from meetref.app.explain.field import Field, Step, row
from meetref.protocol import keyschedule13
from meetref.protocol.conversation13 import proof
from meetref.protocol.keyschedule import SRTP_LABEL, SRTP_SIZES, Role
from meetref.protocol.reassembly import Message
from meetref.protocol.recordlayer13 import HANDSHAKE_EPOCH, TAG_SIZE, Opened, RecordLayer13, cipher_of, mask_of
from meetref.wire import dtls, tls
from meetref.wire import handshake13 as wire
from meetref.wire.reader import vector
from meetref.wire.tls import RETRY_RANDOM, ServerHello

LABELS: dict[tuple[str, int], str] = {
    ("client", 2): "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
    ("server", 2): "SERVER_HANDSHAKE_TRAFFIC_SECRET",
    ("client", 3): "CLIENT_TRAFFIC_SECRET_0",
    ("server", 3): "SERVER_TRAFFIC_SECRET_0",
}
HYBRID_SECRET = 64
Secrets = Mapping[tuple[str, bytes], bytes]
Titled = tuple[str, list[Step]]


class Newer:
    """What is known of the conversation from ServerHello on. `heard` has the messages, by name and octets."""

    newer = True
    overhead = TAG_SIZE

    def __init__(self, hello: ServerHello, client_random: bytes, secrets: Secrets, shared_secret: bytes) -> None:
        self.suite = keyschedule13.SUITES[hello.cipher_suite]
        self._shared = shared_secret
        self._secrets = {where: secrets.get((label, client_random)) for where, label in LABELS.items()}
        self._exporter = secrets.get(("EXPORTER_SECRET", client_random))
        self._heard: list[tuple[str, bytes]] = []
        self._certificates: dict[str, bytes] = {}
        self._hellos = self._server_part = Step("", (), b"")
        self._profile: int | None = None
        self._layers = {"client": RecordLayer13(), "server": RecordLayer13()}
        for (sender, epoch), secret in self._secrets.items():
            if secret is not None:
                self._layers[sender].install_opener(epoch, keyschedule13.traffic_keys(self.suite, secret))

    # --- records ----------------------------------------------------------------------------------

    def open(self, sender: str, record: dtls.Record | dtls.Ciphertext) -> Opened | None:
        """What is inside; None where no key fits, or it was opened before."""
        if isinstance(record, dtls.Record):
            return None
        found = self._layers[sender].open(record)
        return found if isinstance(found, Opened) else None

    def sealed(self, sender: str, record: dtls.Record | dtls.Ciphertext, at: int, opened: Opened | None) -> list[Field]:
        """The fields of a protected record that begins at `at`, sealed as it is."""
        assert isinstance(record, dtls.Ciphertext)  # the other kind is not protected in 1.3
        size, length = record.sequence_size, len(record.payload)
        epoch = "2: handshake" if record.epoch_bits == HANDSHAKE_EPOCH else str(record.epoch_bits)
        fields = row(
            at,
            ("first octet", 1, f"001 in front; {size} octets of sequence; epoch {epoch}",
             "A header for what is protected: shorter, and different from every content type. It has the last two bits "
             "of the epoch, for the receiver to find the keys."),
            ("sequence, encrypted", size, "", "Its low bits, hidden, so that who watches two paths cannot tell that "
             "both carry one conversation."),
            ("length", len(record.header) - 1 - size, f"{length} octets", "May be left out in the last record."),
            ("encrypted payload", length - TAG_SIZE, f"{length - TAG_SIZE} octets", "The content, and behind it its "
             "type: nobody else can tell a handshake from data."),
            ("authentication tag", TAG_SIZE, "16 octets", "Nothing of the payload, and nothing of the header, was "
             "changed."),
        )  # fmt: skip
        secret = self._secrets.get((sender, record.epoch_bits))
        if opened is not None and secret is not None:
            self._show_sealing(sender, record, opened, secret, fields)
        return fields

    def _show_sealing(
        self, sender: str, record: dtls.Ciphertext, opened: Opened, secret: bytes, fields: list[Field]
    ) -> None:
        keys, suite = keyschedule13.traffic_keys(self.suite, secret), self.suite
        number, size = opened.number.sequence, record.sequence_size
        named = (LABELS[sender, opened.number.epoch].lower(), secret)
        mask = mask_of(keys)(record.payload[:16])[:size]
        low = (number & (1 << 8 * size) - 1).to_bytes(size, "big")
        cipher = "ChaCha20" if suite.number == tls.CHACHA20_POLY1305 else "AES-ECB"
        fields[1].value = f"{number}"
        fields[1].steps = [
            expand("sn", suite, named, b"sn", suite.key_size),
            Step(f"mask = {cipher}(sn, the first 16 octets of the ciphertext)", (("sn", keys.sequence_key),
                 ("ciphertext", record.payload[:16])), mask),
            Step("encrypted = sequence xor mask", (("sequence", low), ("mask", mask)),
                 bytes(a ^ b for a, b in zip(low, mask, strict=True)), ends=True),
        ]  # fmt: skip
        nonce = (int.from_bytes(keys.iv, "big") ^ number).to_bytes(12, "big")
        bound = record.unmasked(mask)[0]
        inner = cipher_of(keys).decrypt(nonce, record.payload, bound)
        made = cipher_of(keys).encrypt(nonce, inner, bound)
        name = tls.CIPHER_SUITES[suite.number].removeprefix("TLS_").rpartition("_")[0].replace("_", "-")
        steps = [
            expand("key", suite, named, b"key", suite.key_size),
            expand("iv", suite, named, b"iv", 12),
            Step("nonce = iv xor sequence", (("iv", keys.iv), ("sequence", number.to_bytes(12, "big"))), nonce),
        ]
        inputs = (("key", keys.key), ("nonce", nonce), ("bound: the header before its sequence was hidden", bound),
                  ("plaintext", inner if len(inner) <= 64 else f"{len(inner)} octets: the layer below"))  # fmt: skip
        for field, output in ((fields[-2], made[:-TAG_SIZE]), (fields[-1], made[-TAG_SIZE:])):
            field.steps = [
                *steps,
                Step(f"{field.name}: {name}(key, nonce, bound, plaintext)", inputs, output, ends=True),
            ]

    # --- messages ---------------------------------------------------------------------------------

    def hear(self, sender: Role, name: str, message: Message, fields: list[Field]) -> None:
        """A message, whole, in order: show how its values were computed."""
        body = message.body
        if name == "HelloRetryRequest":
            self._retry(fields)
        elif name == "CertificateVerify" and sender in self._certificates:
            self._verify(sender, body, fields)
        elif name == "Finished":
            self._finish(sender, body, fields)
        elif name == "Certificate":
            certificate = find(fields, "certificate")
            if certificate is not None:
                self._certificates[sender] = body[certificate.offset : certificate.end]
                certificate.steps = [fingerprint(self._certificates[sender])]
        elif name == "EncryptedExtensions":
            use_srtp = find(fields, "use_srtp", "one of SRTP profiles")
            self._profile = None if use_srtp is None else int.from_bytes(body[use_srtp.offset : use_srtp.end], "big")
        # Between type and length, and the body, 1.3 hashes nothing of DTLS.
        self._heard.append((name, bytes((message.type,)) + vector(3, body)))
        if name == "ServerHello":
            self._hellos = transcript_hash(self.suite.hash_name, self._heard)
        elif name == "Finished" and sender == "server":
            self._server_part = transcript_hash(self.suite.hash_name, self._heard)

    def _retry(self, fields: list[Field]) -> None:
        constant = find(fields, "random")
        if constant is not None:
            text = b"HelloRetryRequest"
            constant.steps = [Step("random = SHA-256(text)", (("text", text),), RETRY_RANDOM, ends=True)]
        _, first = self._heard[-1]
        digest = hashlib.new(self.suite.hash_name, first).digest()
        self._heard = [
            ("message_hash: the hash of the first ClientHello", bytes((wire.MESSAGE_HASH,)) + vector(3, digest))
        ]

    def _verify(self, sender: Role, body: bytes, fields: list[Field]) -> None:
        field = find(fields, "signature")
        digest = transcript_hash(self.suite.hash_name, self._heard)
        assert isinstance(digest.output, bytes)
        if field is not None:
            said = wire.parse(15, body)
            assert isinstance(said, wire.CertificateVerify)  # by its number
            signed = proof(sender, digest.output)
            of = "64 spaces, who signs, a zero, the transcript hash"
            field.steps = [digest, signature(self._certificates[sender], said.scheme, said.signature, signed, of)]

    def _finish(self, sender: Role, body: bytes, fields: list[Field]) -> None:
        secret, field = self._secrets[sender, HANDSHAKE_EPOCH], find(fields, "verify data")
        if secret is None or field is None:
            return
        named = (LABELS[sender, HANDSHAKE_EPOCH].lower(), secret)
        key = expand("finished key", self.suite, named, b"finished", self.suite.hash_size)
        digest = transcript_hash(self.suite.hash_name, self._heard)
        assert isinstance(key.output, bytes)
        assert isinstance(digest.output, bytes)
        made = keyschedule13.verify_data(self.suite, secret, digest.output)
        inputs = (("finished key", key.output), ("transcript hash", digest.output))
        last = Step("verify data = HMAC(finished key, transcript hash)", inputs, made, ends=made == body)
        field.steps = [key, digest, last]

    # --- the ladder -------------------------------------------------------------------------------

    def ladder(self) -> list[Titled]:
        """From the shared secret to the keys of SRTP; what begins with the shared secret only where that is known."""
        found: list[Titled] = []
        rung: tuple[str, bytes] | None = None
        if self._shared:
            steps, rung = self._handshake_rung()
            found.append(("The secrets of the handshake", steps))
        if rung is not None and self._server_part.output:
            found.append(("The secrets of the data, and the exporter", self._last_rung(rung)))
        if self._exporter is not None and self._profile in SRTP_SIZES:
            found.append(("The keys of SRTP", self._srtp(self._exporter, self._profile)))
        return found

    def _handshake_rung(self) -> tuple[list[Step], tuple[str, bytes]]:
        suite, nothing = self.suite, hashlib.new(self.suite.hash_name).digest()
        early = extract("early secret", suite, ("0", b""), ("no pre-shared key", bytes(suite.hash_size)))
        first = ("early secret", _octets(early))
        salt = expand("derived", suite, first, b"derived", suite.hash_size, ("hash of nothing", nothing))
        secret = extract("handshake secret", suite, ("derived", _octets(salt)), ("shared secret", self._shared))
        rung = ("handshake secret", _octets(secret))
        steps = [early, salt, secret, self._hellos]
        if len(self._shared) == HYBRID_SECRET:
            halves = (("of ML-KEM-768", self._shared[:32]), ("of X25519", self._shared[32:]))
            steps.insert(0, Step("shared secret = secret of ML-KEM-768, secret of X25519", halves, self._shared))
        context = ("hash to ServerHello", _octets(self._hellos))
        for sender, label in (("client", b"c hs traffic"), ("server", b"s hs traffic")):
            step = expand(LABELS[sender, 2].lower(), suite, rung, label, suite.hash_size, context)
            steps.append(replace(step, ends=step.output == self._secrets[sender, 2]))
        return steps, rung

    def _last_rung(self, rung: tuple[str, bytes]) -> list[Step]:
        suite, nothing = self.suite, hashlib.new(self.suite.hash_name).digest()
        salt = expand("derived", suite, rung, b"derived", suite.hash_size, ("hash of nothing", nothing))
        main = extract("main secret", suite, ("derived", _octets(salt)), ("nothing new", bytes(suite.hash_size)))
        last, context = ("main secret", _octets(main)), ("hash to server Finished", _octets(self._server_part))
        steps = [salt, main, self._server_part]
        wanted = (("client_traffic_secret_0", b"c ap traffic", self._secrets["client", 3]),
                  ("server_traffic_secret_0", b"s ap traffic", self._secrets["server", 3]),
                  ("exporter_secret", b"exp master", self._exporter))  # fmt: skip
        for name, label, logged in wanted:
            step = expand(name, suite, last, label, suite.hash_size, context)
            steps.append(replace(step, ends=step.output == logged))
        return steps

    def _srtp(self, exporter: bytes, profile: int) -> list[Step]:
        suite, nothing = self.suite, hashlib.new(self.suite.hash_name).digest()
        first = expand("secret", suite, ("exporter_secret", exporter), SRTP_LABEL, suite.hash_size,
                       ("hash of nothing", nothing))  # fmt: skip
        size = 2 * sum(SRTP_SIZES[profile])
        secret = ("secret", _octets(first))
        material = expand("keying material", suite, secret, b"exporter", size, ("hash of nothing", nothing))
        return [first, material, *divided(_octets(material), profile)]


def divided(material: bytes, profile: int) -> list[Step]:
    """The keying material in its four parts."""
    key, salt = SRTP_SIZES[profile]
    steps, at = [], 0
    for name, size in (("client key", key), ("server key", key), ("client salt", salt), ("server salt", salt)):
        steps.append(Step(f"{name} = keying material[{at}..{at + size - 1}]", (), material[at : at + size]))
        at += size
    return steps


def _octets(step: Step) -> bytes:
    assert isinstance(step.output, bytes)  # words come from signatures only
    return step.output
