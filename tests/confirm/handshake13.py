"""Who else agrees with vectors/handshake13: OpenSSL and GnuTLS compute every key with their HKDF.

How each label, context and step of the ladder is put together is written out here once more, so that not only the
function but its arguments are judged.
Stands above `tests/confirm/gnutls_library.py` and `witness.py`.
Browsers are told the lies of refusals, and have handshakes with us whose secrets are compared.
Leaves out: tshark, whose release here does not know DTLS 1.3. Whole handshakes with BoringSSL, wolfSSL and dimpl are
tests/peers/test_dtls_native.py's. Read next: tests/generate/handshake13.py.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Callable
from typing import Any

from tests.confirm import browserlies, browsersecrets, gnutls_library, refusals, transcripts
from tests.confirm.witness import Absent, Case, Witness, asked, one_by_one

Expand = Callable[[str, bytes, bytes, int], bytes]
Extract = Callable[[str, bytes, bytes], bytes]

SCHEDULE = ("expand_label", "secrets", "ladder", "verify_data", "export", "srtp_keys")
SIZES = {8: (32, 12), 7: (16, 12), 1: (16, 14), 2: (16, 14)}
KEY_SIZES = {0x1301: 16, 0x1302: 32, 0x1303: 32}
PROTECTION = {
    "seal": "its HKDF, AEAD, AES and ChaCha20 give the same record, put together from these parts",
    "sequence_mask": "its AES and ChaCha20 give the same mask",
}
OPENSSL = {
    **dict.fromkeys(SCHEDULE, "openssl kdf HKDF gives the same octets"),
    "session": "openssl kdf HKDF gives the SRTP keys from the exporter's secret",
}
GNUTLS = {
    **dict.fromkeys(SCHEDULE, "gnutls_hkdf_extract and gnutls_hkdf_expand give the same octets"),
    "session": "gnutls_hkdf_expand gives the SRTP keys from the exporter's secret",
}


def confirm(set_name: str, data: dict[str, Any]) -> list[dict[str, Any]]:
    """A `verified_by` entry for each group and each witness on this machine that agrees with all of its cases."""
    entries = asked(
        data,
        Witness("OpenSSL", _openssl_version, OPENSSL, _ask(_openssl_extract, _openssl_expand)),
        Witness("GnuTLS", gnutls_library.version, GNUTLS, _ask(gnutls_library.extract, gnutls_library.expand)),
        *transcripts.witnesses("1.3"),
        *refusals.witnesses("1.3"),
        Witness("GnuTLS", gnutls_library.version, PROTECTION, one_by_one(_ask_record)),
        Witness("OpenSSL", _openssl_version, {"sequence_mask": "openssl enc gives the same"}, one_by_one(_ask_mask)),
    )
    return entries + browserlies.refusals(data, "1.3") + browsersecrets.confirm(data, _ladder)


def _openssl_version() -> str:
    if shutil.which("openssl") is None:
        raise Absent
    return subprocess.run(["openssl", "version"], capture_output=True, text=True, check=True).stdout.split()[1]


def _openssl_kdf(mode: str, size: int, *options: str) -> bytes:
    words = [word for option in (f"mode:{mode}", *options) for word in ("-kdfopt", option)]
    command = ["openssl", "kdf", "-keylen", str(size), *words, "HKDF"]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    return bytes.fromhex(said.strip().replace(":", ""))


def _openssl_extract(name: str, salt: bytes, secret: bytes) -> bytes:
    size = hashlib.new(name).digest_size
    key, salted = f"hexkey:{secret.hex()}", f"hexsalt:{(salt or bytes(size)).hex()}"
    return _openssl_kdf("EXTRACT_ONLY", size, f"digest:{name.upper()}", key, salted)


def _openssl_expand(name: str, secret: bytes, info: bytes, size: int) -> bytes:
    return _openssl_kdf(
        "EXPAND_ONLY", size, f"digest:{name.upper()}", f"hexkey:{secret.hex()}", f"hexinfo:{info.hex()}"
    )


def _label(expand: Expand, name: str, secret: bytes, label: bytes, context: bytes, size: int) -> bytes:
    full = b"dtls13" + label
    info = size.to_bytes(2, "big") + bytes((len(full),)) + full + bytes((len(context),)) + context
    return expand(name, secret, info, size)


def _ask(extract: Extract, expand: Expand) -> Callable[[str, list[Case]], None]:
    def ask(operation: str, cases: list[Case]) -> None:
        for case in cases:
            computed = _computed(operation, case["in"], case["out"], extract, expand)
            wanted = {name: case["out"][name] for name in computed}
            assert {name: octets.hex() for name, octets in computed.items()} == wanted, case["id"]

    return ask


def _computed(
    operation: str, given: dict[str, Any], out: dict[str, Any], extract: Extract, expand: Expand
) -> dict[str, bytes]:
    if operation == "session":
        name = "sha384" if "SHA384" in out["cipher"] else "sha256"
        return _srtp_keys(name, bytes.fromhex(out["secrets"]["EXPORTER_SECRET"]), out["srtp_profile"], expand)
    name = given["hash"]
    if operation == "secrets":
        return _secrets(name, given, extract, expand)
    if operation == "ladder":
        return _ladder(name, given, extract, expand)
    if operation == "srtp_keys":
        return _srtp_keys(name, bytes.fromhex(given["secret"]), given["profile"], expand)
    secret, size = bytes.fromhex(given["secret"]), hashlib.new(name).digest_size
    if operation == "expand_label":
        context = bytes.fromhex(given["context"])
        return {"octets": _label(expand, name, secret, given["label"].encode(), context, given["size"])}
    if operation == "verify_data":
        key = _label(expand, name, secret, b"finished", b"", size)
        return {"octets": extract(name, key, bytes.fromhex(given["transcript"]))}  # extracting is HMAC, salt as key
    return {"octets": _export(expand, name, secret, given["label"].encode(), given["size"])}


def _export(expand: Expand, name: str, secret: bytes, label: bytes, size: int) -> bytes:
    nothing = hashlib.new(name).digest()
    derived = _label(expand, name, secret, label, nothing, len(nothing))
    return _label(expand, name, derived, b"exporter", nothing, size)


def _secrets(name: str, given: dict[str, Any], extract: Extract, expand: Expand) -> dict[str, bytes]:
    size, nothing = hashlib.new(name).digest_size, hashlib.new(name).digest()
    hellos = bytes.fromhex(given["transcript_to_server_hello"])
    finished = bytes.fromhex(given["transcript_to_server_finished"])
    early = extract(name, b"", bytes(size))
    middle = extract(
        name, _label(expand, name, early, b"derived", nothing, size), bytes.fromhex(given["shared_secret"])
    )
    last = extract(name, _label(expand, name, middle, b"derived", nothing, size), bytes(size))
    client = _label(expand, name, last, b"c ap traffic", finished, size)
    return {
        "client_handshake": _label(expand, name, middle, b"c hs traffic", hellos, size),
        "server_handshake": _label(expand, name, middle, b"s hs traffic", hellos, size),
        "client_application": client,
        "server_application": _label(expand, name, last, b"s ap traffic", finished, size),
        "exporter": _label(expand, name, last, b"exp master", finished, size),
        "client_application_next": _label(expand, name, client, b"traffic upd", b"", size),
    }


def _ladder(name: str, given: dict[str, Any], extract: Extract, expand: Expand) -> dict[str, bytes]:
    """Every step of it, not only the secrets at its rungs."""
    size, nothing = hashlib.new(name).digest_size, hashlib.new(name).digest()
    out = _secrets(name, given, extract, expand)
    out["early_secret"] = extract(name, b"", bytes(size))
    out["early_derived"] = _label(expand, name, out["early_secret"], b"derived", nothing, size)
    out["handshake_secret"] = extract(name, out["early_derived"], bytes.fromhex(given["shared_secret"]))
    out["handshake_derived"] = _label(expand, name, out["handshake_secret"], b"derived", nothing, size)
    out["main_secret"] = extract(name, out["handshake_derived"], bytes(size))
    out["server_application_next"] = _label(expand, name, out["server_application"], b"traffic upd", b"", size)
    out["exporter_derived"] = _label(expand, name, out["exporter"], b"EXTRACTOR-dtls_srtp", nothing, size)
    for end in ("client_handshake", "server_handshake", "client_application", "server_application"):
        for part, label, octets in (
            ("key", b"key", KEY_SIZES[given["suite"]]),
            ("iv", b"iv", 12),
            ("sequence_key", b"sn", KEY_SIZES[given["suite"]]),
        ):
            out[f"{end}_{part}"] = _label(expand, name, out[end], label, b"", octets)
    for role in ("client", "server"):
        out[f"{role}_finished_key"] = _label(expand, name, out[f"{role}_handshake"], b"finished", b"", size)
    return out


def _srtp_keys(name: str, secret: bytes, profile: int, expand: Expand) -> dict[str, bytes]:
    key, salt = SIZES[profile]
    octets = _export(expand, name, secret, b"EXTRACTOR-dtls_srtp", 2 * (key + salt))
    return {
        "client_key": octets[:key],
        "server_key": octets[key : 2 * key],
        "client_salt": octets[2 * key : 2 * key + salt],
        "server_salt": octets[2 * key + salt :],
    }


def _ask_mask(operation: str, case: Case) -> None:
    """`openssl enc`: a block of AES, or what ChaCha20 makes of zeros."""
    given = case["in"]
    key, sample = given["sequence_key"], given["sample"]
    if given["suite"] == 0x1303:
        words, data = ["-chacha20", "-K", key, "-iv", sample], bytes(2)
    else:
        words, data = [f"-aes-{4 * len(key)}-ecb", "-nopad", "-K", key], bytes.fromhex(sample)
    done = subprocess.run(["openssl", "enc", *words], input=data, capture_output=True, check=True)
    assert done.stdout[:2].hex() == case["out"]["mask"], case["id"]


def _ask_record(operation: str, case: Case) -> None:
    if operation == "sequence_mask":
        mask = gnutls_library.stream if case["in"]["suite"] == 0x1303 else gnutls_library.block
        found = mask(bytes.fromhex(case["in"]["sequence_key"]), bytes.fromhex(case["in"]["sample"]))
        assert found[:2].hex() == case["out"]["mask"], case["id"]
        return
    given, expand = case["in"], gnutls_library.expand
    suite, secret, plaintext = given["suite"], bytes.fromhex(given["secret"]), bytes.fromhex(given["plaintext"])
    name, size = "sha384" if suite == 0x1302 else "sha256", KEY_SIZES[suite]
    key, number_key = (_label(expand, name, secret, label, b"", size) for label in (b"key", b"sn"))
    iv, sequence = _label(expand, name, secret, b"iv", b"", 12), given["sequence"]
    inner = plaintext + bytes((given["content_type"],))
    first, length = bytes((0x2C | given["epoch"] & 3,)), (len(inner) + 16).to_bytes(2, "big")
    low = (sequence & 0xFFFF).to_bytes(2, "big")
    nonce = bytes(a ^ b for a, b in zip(iv, sequence.to_bytes(12, "big"), strict=True))
    cipher = "CHACHA20-POLY1305" if suite == 0x1303 else ""
    payload = gnutls_library.seal(key, nonce, first + low + length, inner, cipher)
    mask = (gnutls_library.stream if suite == 0x1303 else gnutls_library.block)(number_key, payload[:16])
    hidden = bytes(a ^ b for a, b in zip(low, mask[:2], strict=True))
    assert (first + hidden + length + payload).hex() == case["out"]["record"], case["id"]
