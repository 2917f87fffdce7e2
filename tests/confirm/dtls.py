"""Who else agrees with vectors/dtls: tshark reads the records and fragments, GnuTLS ciphers the protected ones.

Programs of others and browsers are sent the strays.
Stands above `tests/confirm/dissection.py` (tshark), `gnutls_library.py`, `strays.py` and `witness.py`.
Leaves out: reassembly on its own; whole handshakes in fragments are tests/peers' and vectors/handshake12's.
Read next: tests/generate/dtls.py.
"""

from __future__ import annotations

from typing import Any

from meetref.wire import dtls
from tests.confirm import browserlies, dissection, gnutls_library, strays
from tests.confirm.witness import Case, Witness, asked, one_by_one

TSHARK = {
    "records": "dissected as DTLS: same types, versions, epochs, sequence numbers and lengths",
    "fragments": "dissected as DTLS: same types, lengths, numbers and offsets",
}
GNUTLS = {
    "seal": "gnutls_aead_cipher_encrypt gives the same ciphertext and tag",
    "open": "gnutls_aead_cipher_encrypt gives the tag of the authentic record only",
}
CIPHERS = {0xC02B: ("AES-128-GCM", 8), 0xC02C: ("AES-256-GCM", 8), 0xCCA9: ("CHACHA20-POLY1305", 0)}
"""How GnuTLS calls them, and how many octets of the nonce travel."""

RECORD_FIELDS = tuple(
    f"dtls.record.{name}" for name in ("content_type", "version", "epoch", "sequence_number", "length")
)
FRAGMENT_FIELDS = tuple(
    f"dtls.handshake.{name}" for name in ("type", "length", "message_seq", "fragment_offset", "fragment_length")
)


def confirm(set_name: str, data: dict[str, Any]) -> list[dict[str, Any]]:
    """A `verified_by` entry for each group and each witness on this machine that agrees with all of its cases."""
    entries = asked(
        data,
        Witness("tshark", dissection.version, TSHARK, _ask_tshark),
        Witness("GnuTLS", gnutls_library.version, GNUTLS, one_by_one(_ask_gnutls)),
        *strays.witnesses(),
    )
    return entries + browserlies.strays(data)


def _ask_tshark(operation: str, cases: list[Case]) -> None:
    assert all(case["result"] == "valid" and case["flags"] == ["Canonical"] for case in cases), "tshark refuses nothing"
    payloads = [bytes.fromhex(case["in"]["hex"]) for case in cases]
    if operation == "fragments":
        payloads = [dtls.serialize(dtls.Record(dtls.HANDSHAKE, 0xFEFD, 0, 0, payload)) for payload in payloads]
    fields = RECORD_FIELDS if operation == "records" else FRAGMENT_FIELDS
    for case, row in zip(cases, dissection.dissect(payloads, "dtls", fields), strict=True):
        seen = list(zip(*(dissection.numbers(row[field]) for field in fields), strict=True))
        assert seen == [_wanted(operation, value) for value in case["out"]], f"tshark reads {case['id']} otherwise"


def _wanted(operation: str, value: dict[str, Any]) -> tuple[int, ...]:
    names = (
        ("content_type", "version", "epoch", "sequence")
        if operation == "records"
        else ("type", "length", "number", "offset")
    )
    octets = value["payload"] if operation == "records" else value["body"]
    return (*(value[name] for name in names), len(octets) // 2)


def _ask_gnutls(operation: str, case: Case) -> None:
    given, octets = case["in"], bytes.fromhex(case["in"].get("record") or case["out"]["record"])
    told = given.get("plaintext", case.get("out", {}).get("plaintext", b"hello".hex()))
    plaintext = bytes.fromhex(told)
    cipher, explicit = CIPHERS[given.get("suite", 0xC02B)]
    if len(octets) - 13 < explicit + 16:
        return
    # Put together from the record's own header here, so that its construction is judged too.
    bound = octets[3:11] + octets[:3] + (len(octets) - 13 - explicit - 16).to_bytes(2, "big")
    if len(plaintext) != len(octets) - 29 - explicit:
        raise AssertionError(f"{case['id']}: lengths do not add up")
    salt = bytes.fromhex(given["salt"])
    numbered = bytes(a ^ b for a, b in zip(salt.rjust(12, b"\0"), bytes(4) + octets[3:11], strict=True))
    nonce = salt + octets[13:21] if explicit else numbered
    same = gnutls_library.seal(bytes.fromhex(given["key"]), nonce, bound, plaintext, cipher) == octets[13 + explicit :]
    assert same == (case["result"] == "valid"), f"GnuTLS says otherwise of {case['id']}"
