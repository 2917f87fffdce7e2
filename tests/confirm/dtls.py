"""Who else agrees with vectors/dtls: tshark reads the records and fragments, GnuTLS ciphers the protected ones.

Stands above `tests/confirm/dissection.py` (tshark), `gnutls_library.py` and `witness.py`.
Leaves out: reassembly on its own; whole handshakes in fragments are tests/peers' and vectors/handshake12's.
Read next: tests/generate/dtls.py.
"""

from __future__ import annotations

from typing import Any

from meetref.wire import dtls
from tests.confirm import dissection, gnutls_library
from tests.confirm.witness import Case, Witness, asked, one_by_one

TSHARK = {
    "records": "dissected as DTLS: same types, versions, epochs, sequence numbers and lengths",
    "fragments": "dissected as DTLS: same types, lengths, numbers and offsets",
}
GNUTLS = {
    "seal": "gnutls_aead_cipher_encrypt gives the same ciphertext and tag",
    "open": "gnutls_aead_cipher_encrypt gives the tag of the authentic record only",
}
RECORD_FIELDS = tuple(
    f"dtls.record.{name}" for name in ("content_type", "version", "epoch", "sequence_number", "length")
)
FRAGMENT_FIELDS = tuple(
    f"dtls.handshake.{name}" for name in ("type", "length", "message_seq", "fragment_offset", "fragment_length")
)


def confirm(set_name: str, data: dict[str, Any]) -> list[dict[str, Any]]:
    """A `verified_by` entry for each group and each witness on this machine that agrees with all of its cases."""
    return asked(
        data,
        Witness("tshark", dissection.version, TSHARK, _ask_tshark),
        Witness("GnuTLS", gnutls_library.version, GNUTLS, one_by_one(_ask_gnutls)),
    )


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
    if len(octets) - 13 < 24:
        return
    # Put together from the record's own header here, so that its construction is judged too.
    bound = octets[3:11] + octets[:3] + (len(octets) - 13 - 24).to_bytes(2, "big")
    if len(plaintext) != len(octets) - 37:
        raise AssertionError(f"{case['id']}: lengths do not add up")
    nonce = bytes.fromhex(given["salt"]) + octets[13:21]
    same = gnutls_library.seal(bytes.fromhex(given["key"]), nonce, bound, plaintext) == octets[21:]
    assert same == (case["result"] == "valid"), f"GnuTLS says otherwise of {case['id']}"
