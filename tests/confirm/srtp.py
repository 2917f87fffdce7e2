"""Who else agrees with vectors/srtp: libsrtp and Pion lock and unlock, OpenSSL and GnuTLS compute what was published.

What goes into a nonce, a counter and a derivation is put together here once more, so that not only the cipher but its
arguments are judged.
Stands above `tests/confirm/libsrtp_library.py` and `gnutls_library.py`, and a program on Pion's library in tests/peers.
Leaves out: Pion for encrypted header elements, and libsrtp for cryptex; each lacks it.
Read next: tests/generate/srtp.py.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tests.confirm import gnutls_library, libsrtp_library
from tests.confirm.libsrtp_library import Library
from tests.confirm.witness import Absent, Case, Witness, asked, one_by_one, package
from tests.peers.gobuild import built

PION_VERSION = "3.1.3"  # as tests/peers/pion_srtp/go.mod has it
LIBSRTP = {
    "lock": "srtp_protect and srtp_protect_rtcp give the same octets, srtp_unprotect the packet",
    "unlock": "srtp_unprotect and srtp_unprotect_rtcp give the packet, or refuse",
    "lock-elements": "srtp_protect gives the same octets, with enc_xtn_hdr in its policy",
    "unlock-elements": "srtp_unprotect gives the packet or refuses, with enc_xtn_hdr in its policy",
    "cover-elements": "srtp_protect gives the same extension, with enc_xtn_hdr in its policy",
    "unlock-in-turn": "srtp_unprotect and srtp_unprotect_rtcp open and refuse the same packets",
}
PION = {
    "lock": "Context.EncryptRTP and EncryptRTCP give the same octets",
    "unlock": "Context.DecryptRTP and DecryptRTCP give the packet, or an error",
    "lock-cryptex": "Context.EncryptRTP gives the same octets, with CryptexModeEnabled",
    "unlock-cryptex": "Context.DecryptRTP gives the packet or an error, with CryptexModeEnabled",
    "unlock-in-turn": "Context.DecryptRTP and DecryptRTCP open and refuse the same packets, with replay protection",
}
OPENSSL = {
    "key-stream": "openssl enc -aes-128-ctr gives the same block",
    "derive": "openssl enc -aes-128-ctr or -aes-256-ctr gives the same key",
    "cover-elements": "openssl enc -aes-128-ctr gives the key stream",
}
GNUTLS = {
    "key-stream": "gnutls_cipher_encrypt2 with AES-CBC, a block at a time, gives the same block",
    "derive": "gnutls_cipher_encrypt2 with AES-CBC, a block at a time, gives the same key",
    "lock-with-session-keys": "gnutls_aead_cipher_encrypt gives the same ciphertext and tag",
    "unlock-with-session-keys": "gnutls_aead_cipher_encrypt of nothing gives the same tag over all of the packet",
}
CRYPTOGRAPHY = {
    "lock-with-session-keys": "AESGCM.encrypt gives the same ciphertext and tag",
    "unlock-with-session-keys": "AESGCM.encrypt of nothing gives the same tag over all of the packet",
}


def confirm(set_name: str, data: dict[str, Any]) -> list[dict[str, Any]]:
    """A `verified_by` entry for each group and each witness on this machine that agrees with all of its cases."""
    return asked(
        data,
        Witness("libsrtp", libsrtp_library.version, LIBSRTP, one_by_one(_ask_libsrtp)),
        Witness("Pion", _pion_version, PION, _ask_pion),
        Witness("OpenSSL", _openssl_version, OPENSSL, one_by_one(_ask_openssl)),
        Witness("cryptography", package("cryptography"), CRYPTOGRAPHY, one_by_one(_ask_cryptography)),
        Witness("GnuTLS", gnutls_library.version, GNUTLS, one_by_one(_ask_gnutls)),
    )


def _ssrc(given: Case, packet: bytes) -> int:
    return int.from_bytes(packet[8:12] if given["kind"] == "rtp" else packet[4:8])


# --- libsrtp --------------------------------------------------------------------------------------


def _ask_libsrtp(operation: str, case: Case) -> None:
    if operation == "unlock-in-turn":
        _in_turn(case, _libsrtp_in_turn(case))
    elif operation == "cover-elements":
        _cover_by_libsrtp(case)
    elif operation.startswith("lock"):
        _lock_by_libsrtp(case)
    else:
        _told(
            case,
            _library(case["in"], unhex(case["in"]["locked"])).unlock(case["in"]["kind"], unhex(case["in"]["locked"])),
        )


def _library(given: Case, packet: bytes) -> Library:
    keys = unhex(given["master_key"]), unhex(given["master_salt"])
    index = int(given["index"]) if given["kind"] == "rtp" else 0
    ssrc = _ssrc(given, packet)
    return Library(given["profile"], *keys, ssrc=ssrc, index=index, elements=given.get("elements", ()))


def _lock_by_libsrtp(case: Case) -> None:
    given, packet, locked = case["in"], unhex(case["in"]["packet"]), unhex(case["out"]["locked"])
    there = _library(given, packet)
    assert there.unlock(given["kind"], locked) == packet, f"libsrtp does not open {case['id']}"
    counted = int(given["index"]) if given["kind"] == "rtcp" else 1
    if counted < 10:  # the index of RTCP can only be counted up to
        here = _library(given, packet)
        made = [here.lock(given["kind"], packet) for _ in range(counted)][-1]
        assert made == locked, f"libsrtp makes another {case['id']}"


def _cover_by_libsrtp(case: Case) -> None:
    given, extension = case["in"], unhex(case["in"]["extension"])
    keys = unhex(given["master_key"]), unhex(given["master_salt"])
    ssrc, number = given["ssrc"], int(given["index"])
    head = (
        b"\x90\0" + number.to_bytes(2) + bytes(4) + ssrc.to_bytes(4) + b"\xbe\xde" + (len(extension) // 4).to_bytes(2)
    )
    locked = Library(0x0001, *keys, ssrc=ssrc, elements=given["elements"]).lock("rtp", head + extension + b"payload")
    assert locked is not None
    assert locked[16 : 16 + len(extension)].hex() == case["out"]["extension"], "libsrtp covers it otherwise"


def _libsrtp_in_turn(case: Case) -> list[str | None]:
    from pylibsrtp import Error, Policy, Session

    init = case["init"]
    profile = getattr(Policy, libsrtp_library.PROFILES[init["profile"]])
    key = unhex(init["master_key"]) + unhex(init["master_salt"])
    session = Session(Policy(key=key, ssrc_type=Policy.SSRC_ANY_INBOUND, srtp_profile=profile))
    results: list[str | None] = []
    for step in case["steps"]:
        unprotect = session.unprotect if init["kind"] == "rtp" else session.unprotect_rtcp
        try:
            results.append(unprotect(unhex(step["receive"]["hex"])).hex())
        except Error:
            results.append(None)
    return results


# --- Pion -----------------------------------------------------------------------------------------


def _pion_version() -> str:
    if shutil.which("go") is None:
        raise Absent
    try:
        built("pion_srtp")
    except subprocess.CalledProcessError:
        raise Absent from None
    return PION_VERSION


def _ask_pion(operation: str, cases: list[Case]) -> None:
    questions = [_pion_question(operation, case) for case in cases]
    lines = "".join(json.dumps(question) + "\n" for question in questions)
    said = subprocess.run([built("pion_srtp")], input=lines, capture_output=True, text=True, check=False, timeout=60)
    answers = [json.loads(line)["results"] for line in said.stdout.splitlines()]
    if len(answers) != len(cases):
        raise ValueError(f"Pion gave up: {said.stderr}")
    for case, results in zip(cases, answers, strict=True):
        if operation == "unlock-in-turn":
            _in_turn(case, results)
        elif operation.startswith("lock"):
            allowed = [case["out"]["locked"], *([None] if "drop" in case.get("allowed", ()) else [])]
            assert results[0] in allowed, f"Pion makes another {case['id']}"
        else:
            _told(case, None if results[0] is None else unhex(results[0]))


def _pion_question(operation: str, case: Case) -> dict[str, Any]:
    given = case.get("in") or case["init"]
    if operation == "unlock-in-turn":
        packets = [step["receive"]["hex"] for step in case["steps"]]
    else:
        packets = [given.get("packet") or given["locked"]]
    return {
        "op": operation.partition("-")[0],
        "kind": given["kind"],
        "profile": given["profile"],
        "key": given["master_key"],
        "salt": given["master_salt"],
        "ssrc": _ssrc(given, unhex(packets[0])),
        "index": int(given.get("index", 0)),
        "cryptex": operation.endswith("-cryptex"),
        "packets": packets,
    }


def _told(case: Case, opened: bytes | None) -> None:
    wanted = None if case["result"] == "invalid" else unhex(case["out"]["packet"])
    assert opened == wanted, f"{case['id']} turns out otherwise"


def _in_turn(case: Case, results: list[str | None]) -> None:
    assert results == [step["expect"]["packet"] for step in case["steps"]], f"{case['id']} turns out otherwise"


# --- what was published ---------------------------------------------------------------------------


def _openssl_version() -> str:
    if shutil.which("openssl") is None:
        raise Absent
    return subprocess.run(["openssl", "version"], capture_output=True, text=True, check=True).stdout.split()[1]


def _openssl_stream(key: bytes, begin: int, size: int) -> bytes:
    command = ["openssl", "enc", f"-aes-{8 * len(key)}-ctr", "-K", key.hex(), "-iv", begin.to_bytes(16).hex()]
    return subprocess.run(command, input=bytes(size), capture_output=True, check=True, timeout=10).stdout


def _gnutls_stream(key: bytes, begin: int, size: int) -> bytes:
    blocks = [gnutls_library.block(key, (begin + number).to_bytes(16)) for number in range((size + 15) // 16)]
    return b"".join(blocks)[:size]


def _ask_openssl(operation: str, case: Case) -> None:
    _published(operation, case, _openssl_stream)


def _ask_gnutls(operation: str, case: Case) -> None:
    if operation.endswith("session-keys"):
        _seal_by(gnutls_library.seal, operation, case)
    else:
        _published(operation, case, _gnutls_stream)


def _ask_cryptography(operation: str, case: Case) -> None:
    _seal_by(lambda key, nonce, bound, plain: AESGCM(key).encrypt(nonce, plain, bound), operation, case)


def _published(operation: str, case: Case, stream: Any) -> None:
    given = case["in"]
    if operation == "key-stream":
        made = stream(unhex(given["key"]), int(given["begin"], 16) + given["block"], 16)
        assert made.hex() == case["out"]["octets"], case["id"]
    elif operation == "derive":
        begin = _derivation(given["master_salt"], given["label"])
        assert stream(unhex(given["master_key"]), begin, given["size"]).hex() == case["out"]["octets"], case["id"]
    else:
        key = stream(unhex(given["master_key"]), _derivation(given["master_salt"], 6), 16)
        salt = stream(unhex(given["master_key"]), _derivation(given["master_salt"], 7), 14)
        begin = int.from_bytes(salt) << 16 ^ given["ssrc"] << 64 ^ int(given["index"]) << 16
        plain, covered = unhex(given["extension"]), unhex(case["out"]["extension"])
        made = stream(key, begin, len(plain))
        places = [at for at in range(len(plain)) if plain[at] != covered[at]]
        assert places, "nothing is covered"
        assert all(plain[at] ^ made[at] == covered[at] for at in places), case["id"]


def _derivation(salt: str, label: int) -> int:
    return (int.from_bytes(unhex(salt).ljust(14, b"\0")) ^ label << 48) << 16


def _seal_by(seal: Callable[[bytes, bytes, bytes, bytes], bytes], operation: str, case: Case) -> None:
    given = case["in"]
    key, salt, index = unhex(given["session_key"]), unhex(given["session_salt"]), int(given["index"])
    packet = unhex(given.get("packet") or given["locked"])
    ssrc = _ssrc(given, packet).to_bytes(4)
    nonce = bytes(a ^ b for a, b in zip(bytes(2) + ssrc + index.to_bytes(6), salt, strict=True))
    if operation.startswith("lock"):
        is_control = given["kind"] == "rtcp"
        clear = 8 if is_control else 12
        trailer = (1 << 31 | index).to_bytes(4) if is_control else b""
        made = packet[:clear] + seal(key, nonce, packet[:clear] + trailer, packet[clear:]) + trailer
        assert made.hex() == case["out"]["locked"], case["id"]
        return
    trailer = packet[-4:] if given["kind"] == "rtcp" else b""
    covered = packet[: len(packet) - 16 - len(trailer)]
    assert covered + seal(key, nonce, covered + trailer, b"") + trailer == packet, case["id"]


def unhex(text: str) -> bytes:
    return bytes.fromhex(text)
