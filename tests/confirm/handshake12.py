"""Who else agrees with vectors/handshake12: OpenSSL and GnuTLS compute keys, tshark decrypts, OpenSSL answers.

Stands above `tests/confirm/gnutls_library.py` and `witness.py`. How each label and seed is put together is written out
here once more, so that not only the function but its arguments are judged.
Read next: tests/generate/handshake12.py.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from struct import pack
from typing import Any

from tests.confirm import browserlies, dissection, gnutls_library, refusals, transcripts
from tests.confirm.witness import Absent, Case, Witness, asked
from tests.generate.handshake12 import summary

Pseudorandom = Callable[[bytes, bytes, bytes, int, str], bytes]

SCHEDULE = (
    *("pseudorandom", "master_secret", "extended_master_secret", "key_block"),
    *("verify_data", "export", "srtp_keys"),
)
SIZES = {8: (32, 12), 7: (16, 12), 1: (16, 14), 2: (16, 14)}
BLOCKS = {0xC02B: 40, 0xC02C: 72, 0xCCA9: 88}
"""Octets of a key block, by suite."""
HELLO = "an in-memory DTLS 1.2 server of OpenSSL, driven by pyOpenSSL, answers with the same alert, or the same choice"


OPENSSL = {
    **dict.fromkeys(SCHEDULE, "openssl kdf TLS1-PRF gives the same octets"),
    "session": "openssl kdf TLS1-PRF gives the same exported octets from master secret and randoms",
}
GNUTLS = {
    **dict.fromkeys(SCHEDULE, "its TLS 1.2 pseudorandom function gives the same octets"),
    "session": "its pseudorandom function gives the same exported octets from master secret and randoms",
}
SESSION = {"session": "with the key log it verifies nothing malformed and decrypts the data of both sides"}
MESSAGE = {"message": "dissected as DTLS: same type, length, and extensions"}


def confirm(set_name: str, data: dict[str, Any]) -> list[dict[str, Any]]:
    """A `verified_by` entry for each group and each witness on this machine that agrees with all of its cases."""
    entries = asked(
        data,
        Witness("OpenSSL", _openssl_version, OPENSSL, _schedule(_openssl)),
        Witness("OpenSSL", _library_version, {"hello": HELLO}, _ask_server),
        Witness("GnuTLS", gnutls_library.version, GNUTLS, _schedule(gnutls_library.pseudorandom)),
        Witness("tshark", dissection.version, SESSION, _ask_tshark),
        Witness("tshark", dissection.version, MESSAGE, _ask_tshark_messages),
        *transcripts.witnesses("1.2"),
        *refusals.witnesses("1.2"),
    )
    return entries + browserlies.refusals(data, "1.2")


def _openssl_version() -> str:
    if shutil.which("openssl") is None:
        raise Absent
    return subprocess.run(["openssl", "version"], capture_output=True, text=True, check=True).stdout.split()[1]


def _openssl(secret: bytes, label: bytes, seed: bytes, size: int, name: str) -> bytes:
    options = [f"digest:{name.upper()}", f"hexsecret:{secret.hex()}", f"hexseed:{(label + seed).hex()}"]
    command = ["openssl", "kdf", "-keylen", str(size), *(word for each in options for word in ("-kdfopt", each))]
    said = subprocess.run([*command, "TLS1-PRF"], capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
    return bytes.fromhex(said.stdout.strip().replace(":", ""))


def _schedule(pseudorandom: Pseudorandom) -> Callable[[str, list[Case]], None]:
    def ask(operation: str, cases: list[Case]) -> None:
        for case in cases:
            given = case["in"]
            octets = {name: bytes.fromhex(value) for name, value in given.items() if _is_hex(name, value)}
            wanted = case["out"]
            if operation == "session":
                octets = {name: bytes.fromhex(wanted[name]) for name in ("master", "client_random")}
                octets["server_random"], suite = _server_hello(given)
                name = _hash_name(suite)
                computed = pseudorandom(octets["master"], given["label"].encode(), _randoms(octets), 88, name)
                assert computed.hex() == wanted["exported"], case["id"]
                continue
            computed = _computed(pseudorandom, operation, given, octets)
            assert computed.hex() == "".join(wanted[name] for name in _order(operation)), case["id"]

    return ask


def _is_hex(name: str, value: Any) -> bool:
    return isinstance(value, str) and name not in ("label", "sender")


def _order(operation: str) -> tuple[str, ...]:
    keyed = ("client_key", "server_key", "client_salt", "server_salt")
    return keyed if operation in ("key_block", "srtp_keys") else ("octets",)


def _randoms(octets: dict[str, bytes]) -> bytes:
    return octets["client_random"] + octets["server_random"]


def _computed(pseudorandom: Pseudorandom, operation: str, given: dict[str, Any], octets: dict[str, bytes]) -> bytes:
    suite = given.get("suite", 0xC02B)
    name = _hash_name(suite)
    match operation:
        case "pseudorandom":
            return pseudorandom(octets["secret"], given["label"].encode(), octets["seed"], given["size"], name)
        case "master_secret":
            return pseudorandom(octets["premaster"], b"master secret", _randoms(octets), 48, name)
        case "extended_master_secret":
            return pseudorandom(octets["premaster"], b"extended master secret", octets["session_hash"], 48, name)
        case "key_block":
            seed = octets["server_random"] + octets["client_random"]
            return pseudorandom(octets["master"], b"key expansion", seed, BLOCKS[suite], name)
        case "verify_data":
            hashed = hashlib.new(name, octets["messages"]).digest()
            return pseudorandom(octets["master"], f"{given['sender']} finished".encode(), hashed, 12, name)
        case "export":
            context = b"" if given["context"] is None else pack("!H", len(octets["context"])) + octets["context"]
            seed = _randoms(octets) + context
            return pseudorandom(octets["master"], given["label"].encode(), seed, given["size"], name)
        case _:
            size = 2 * sum(SIZES[given["profile"]])
            return pseudorandom(octets["master"], b"EXTRACTOR-dtls_srtp", _randoms(octets), size, name)


def _server_hello(given: dict[str, Any]) -> tuple[bytes, int]:
    """Random and suite: behind record header 13, message header 12 and version 2; between them no session id."""
    hello = next(bytes.fromhex(each["hex"]) for each in given["datagrams"] if each["hex"][26:28] == "02")
    return hello[27:59], int.from_bytes(hello[60:62], "big")


def _hash_name(suite: int) -> str:
    return "sha384" if suite == 0xC02C else "sha256"


# --- tshark ---------------------------------------------------------------------------------------


def _ask_tshark(operation: str, cases: list[Case]) -> None:
    for case in cases:
        frames = _decrypted(case)
        data = [text.replace(":", "") for frame in frames for text in frame.get("data.data", [])]
        wanted = case["out"]["data"]
        assert data == [wanted["client"], wanted["server"]], f"tshark decrypts {case['id']} to {data}"
        assert not any(frame.get("_ws.malformed") for frame in frames), f"tshark calls {case['id']} malformed"
        kinds = [kind for frame in frames for kind in frame.get("dtls.handshake.type", [])]
        assert kinds.count("20") == 2, f"tshark does not decrypt both Finished of {case['id']}"


def _decrypted(case: Case) -> list[dict[str, list[str]]]:
    fields = ("data.data", "dtls.handshake.type", "_ws.malformed")
    with tempfile.TemporaryDirectory() as folder:
        capture, log = Path(folder) / "session.pcap", Path(folder) / "keys"
        capture.write_bytes(_capture(case["in"]["datagrams"]))
        log.write_text(f"CLIENT_RANDOM {case['out']['client_random']} {case['out']['master']}\n")
        command = [
            "tshark",
            "-r",
            str(capture),
            "-d",
            "udp.port==6000,dtls",
            "-o",
            f"tls.keylog_file:{log}",
            "-T",
            "json",
        ]
        for field in fields:
            command += ["-e", field]
        said = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return [frame["_source"].get("layers", {}) for frame in json.loads(said.stdout)]


def _capture(datagrams: list[dict[str, str]]) -> bytes:
    parts = [pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 0x40000, 101)]
    ends = {"client": (bytes((192, 0, 2, 1)), 50_000), "server": (bytes((192, 0, 2, 2)), 6000)}
    for number, each in enumerate(datagrams):
        here, there = ends[each["from"]], ends["server" if each["from"] == "client" else "client"]
        payload = bytes.fromhex(each["hex"])
        udp = pack("!HHHH", here[1], there[1], 8 + len(payload), 0) + payload
        packet = pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), number, 0, 64, 17, 0, here[0], there[0]) + udp
        parts += [pack("<IIII", number, 0, len(packet), len(packet)), packet]
    return b"".join(parts)


def _ask_tshark_messages(operation: str, cases: list[Case]) -> None:
    assert all(case["result"] == "valid" for case in cases), "tshark refuses nothing"
    fields = ("dtls.handshake.type", "dtls.handshake.length", "dtls.handshake.extension.type")
    payloads = []
    for case in cases:
        body = bytes.fromhex(case["in"]["hex"])
        size = len(body).to_bytes(3, "big")
        message = bytes((case["in"]["type"],)) + size + bytes(5) + size + body
        payloads.append(bytes.fromhex("16fefd0000000000000000") + len(message).to_bytes(2, "big") + message)
    for case, row in zip(cases, dissection.dissect(payloads, "dtls", fields), strict=True):
        assert not row["_ws.malformed"], f"tshark calls {case['id']} malformed"
        assert dissection.numbers(row[fields[0]]) == [case["in"]["type"]], case["id"]
        assert dissection.numbers(row[fields[1]]) == [len(case["in"]["hex"]) // 2], case["id"]
        wanted = [each["type"] for each in case["out"].get("extensions", [])]
        assert dissection.numbers(row[fields[2]]) == wanted, f"tshark sees other extensions in {case['id']}"


# --- a server of OpenSSL --------------------------------------------------------------------------


def _library_version() -> str:
    try:
        from OpenSSL import SSL
    except ImportError:
        raise Absent from None
    return str(SSL.SSLeay_version(SSL.SSLEAY_VERSION).split()[1].decode())


def _ask_server(operation: str, cases: list[Case]) -> None:
    for case in cases:
        given, wanted = case["steps"]
        answer = summary(_openssl_answers(bytes.fromhex(given["receive"]["hex"])))
        expected = wanted["expect"]["send"]
        if f"alert:{answer.get('alert')}" in case.get("allowed", ()):
            continue
        # Which extensions a server answers is its own business as long as they were asked for.
        seen, told = ({k: v for k, v in each.items() if k != "extensions"} for each in (answer, expected))
        assert seen == told, f"OpenSSL answers {case['id']} with {answer}"


def _openssl_answers(hello: bytes) -> list[bytes]:
    from cryptography.x509 import load_der_x509_certificate
    from OpenSSL import SSL

    from tests.generate.handshake12 import Played

    certificate = Played(1).server._talk.certificate
    context = SSL.Context(SSL.DTLS_SERVER_METHOD)
    context.set_cipher_list(b"ECDHE-ECDSA-AES128-GCM-SHA256")
    context.set_tlsext_use_srtp(b"SRTP_AEAD_AES_256_GCM")
    context.use_certificate(load_der_x509_certificate(certificate.der))
    context.use_privatekey(certificate._key)
    connection = SSL.Connection(context)
    connection.set_accept_state()
    connection.set_ciphertext_mtu(8000)
    connection.bio_write(hello)
    try:
        connection.do_handshake()
    except SSL.Error:
        pass
    try:
        return [connection.bio_read(65536)]
    except SSL.WantReadError:
        return []
