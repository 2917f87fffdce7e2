"""Who else reads vectors/stun as we do: aioice, Pion, tshark, coturn; OpenSSL, GnuTLS for hashes.

A witness confirms a group when it agrees with every case of it. Stands above `tests/confirm/dissection.py` (tshark) and
`witness.py` (what an entry is). aioice keeps attributes by name and so the last of two; it knows only those of ICE and
TURN. tshark shows attributes that do not count, and does not check integrity.
Read next: tests/generate/stun.py.
"""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
import unicodedata
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import trio

from meetref.app.replay.settings import Settings
from meetref.app.replay.stun import StunTarget
from meetref.net.network import KernelNetwork
from meetref.wire.address import Address
from tests.confirm import dissection, gnutls_library, pionreading
from tests.confirm.turn import PION_VERSION
from tests.confirm.witness import Absent, Case, Witness, asked, one_by_one, package
from tests.peers import coturn
from tests.peers.pion import pion_turn

AIOICE = {
    "parse": "parse_message and check_message_integrity give the same fields, or refuse an invalid message",
    "long-term-key": "turn.make_integrity_key gives the same key",
}
TSHARK = {
    "parse": "dissected as STUN: same class, transaction, attributes and fingerprint, or an invalid message marked"
}
OPENSSL = {
    "long-term-key": "openssl dgst over name, realm and password in their one form",
    "userhash": "openssl dgst -sha256 over name and realm in their one form",
    "expiring-password": "openssl dgst -sha1 -hmac over the name",
}
GNUTLS = {
    "long-term-key": "gnutls_hash_fast over name, realm and password, each after gnutls_utf8_password_normalize",
    "userhash": "gnutls_hash_fast over name and realm, each after gnutls_utf8_password_normalize",
    "short-term-key": "gnutls_utf8_password_normalize gives the same octets",
    "expiring-password": "gnutls_hmac_fast over the name",
}
PION_SERVER = {"answer": "a TURN server on Pion's library answers the same over UDP, or stays silent"}
COTURN = {"answer": "turnserver --no-auth answers the same over UDP, or stays silent"}
HMACS = {"parse": "openssl dgst -hmac over what stands before each integrity gives the same octets"}
GNUTLS_HMACS = {"parse": "gnutls_hmac_fast over what stands before each integrity gives the same octets"}
FIELDS = (
    *("stun.type.class", "stun.type.method", "stun.id", "stun.att.type", "stun.att.ipv4", "stun.att.ipv6"),
    *("stun.att.port", "stun.att.username", "stun.att.priority", "stun.att.tie-breaker", "stun.att.error.class"),
    *("stun.att.error", "stun.att.realm", "stun.att.software", "stun.att.crc32.status", "stun.att.unknown"),
)
CLASSES = {"request": 0x000, "indication": 0x010, "success": 0x100, "error": 0x110}
ADDRESSES = ("MAPPED-ADDRESS", "XOR-MAPPED-ADDRESS", "ALTERNATE-SERVER")


def confirm(set_name: str, data: dict[str, Any]) -> list[dict[str, Any]]:
    """A `verified_by` entry for each group and each witness on this machine that agrees with all of its cases."""
    witnesses = [
        Witness("aioice", package("aioice"), AIOICE, one_by_one(_ask_aioice)),
        Witness("OpenSSL", _openssl_version, OPENSSL, partial(_ask_keys, OPENSSL_HASHES)),
        Witness("GnuTLS", gnutls_library.version, GNUTLS, partial(_ask_keys, GNUTLS_HASHES)),
        Witness("tshark", dissection.version, TSHARK, _ask_tshark),
        Witness("Pion stun", pionreading.version, {"parse": pionreading.PARSE}, pionreading.ask),
    ]
    if set_name in ("stun/credentials", "stun/published", "stun/mutated"):
        witnesses.append(Witness("OpenSSL", _openssl_version, HMACS, partial(_ask_hmacs, OPENSSL_HASHES)))
        witnesses.append(Witness("GnuTLS", gnutls_library.version, GNUTLS_HMACS, partial(_ask_hmacs, GNUTLS_HASHES)))
    entries = asked(data, *witnesses)
    if set_name != "stun/requests":
        return entries
    if (version := coturn.version()) is not None:
        with coturn.turnserver("--no-auth") as server:
            entries += asked(data, Witness("coturn", lambda: version, COTURN, partial(_ask_server, server)))
    if shutil.which("go") is not None:
        with pion_turn() as server:
            known = Witness("Pion turn", lambda: PION_VERSION, PION_SERVER, partial(_ask_server, server))
            entries += asked(data, known)
    return entries


def _ask_aioice(operation: str, case: Case) -> None:
    from aioice import turn

    if operation == "long-term-key":
        told = case["in"]
        key = turn.make_integrity_key(told["username"], told["realm"], told["password"])
        assert key.hex() == case["out"]["key"], f"aioice makes another key of {case['id']}"
        return
    seen = _aioice_fields(case)
    assert seen == (None if case["result"] == "invalid" else case["out"]), f"aioice reads {case['id']} otherwise"


def _aioice_fields(case: Case) -> dict[str, Any] | None:
    from aioice import stun

    data = bytes.fromhex(case["in"]["hex"])
    key = bytes.fromhex(case["in"]["key"]["hex"]) if "key" in case["in"] else None
    try:
        message = stun.parse_message(data)
    except Exception:  # struct.error, ValueError and others: a refusal, whatever its form
        return None
    if case["result"] == "invalid":
        if "Forged" not in case.get("flags", ()) or key is None or "demands" in case["in"]:
            return {"refused": False}  # it does not know the newer integrity
        bare = not {"MESSAGE-INTEGRITY", "FINGERPRINT"} <= message.attributes.keys()
        return None if bare or not message.check_message_integrity(key) else {"refused": False}
    attributes = dict(message.attributes)
    signed = attributes.pop("MESSAGE-INTEGRITY", None) is not None
    marked = attributes.pop("FINGERPRINT", None) is not None
    kinds = {name: kind for kind, name, _, _ in stun.ATTRIBUTES}
    return {
        "class": {value: name for name, value in CLASSES.items()}[int(message.message_class)],
        "method": int(message.message_method),
        "transaction": message.transaction_id.hex(),
        "attributes": [
            {"type": kinds[name], "name": name, "value": _aioice_value(name, value)}
            for name, value in attributes.items()
        ],
        "integrity": message.check_message_integrity(key or b"") if signed else None,
        "integrity_sha256": None,
        "fingerprint": True if marked else None,
    }


def _aioice_value(name: str, value: Any) -> Any:
    if name in ADDRESSES:
        return {"host": value[0], "port": value[1]}
    if name == "ERROR-CODE":
        return {"code": value[0], "reason": value[1]}
    if name == "USE-CANDIDATE":
        return True
    if name in ("ICE-CONTROLLED", "ICE-CONTROLLING"):
        return str(value)
    return value.decode() if isinstance(value, bytes) else value


def _ask_tshark(operation: str, cases: list[Case]) -> None:
    rows = dissection.dissect([bytes.fromhex(case["in"]["hex"]) for case in cases], "stun", FIELDS)
    for case, row in zip(cases, rows, strict=True):
        if case["result"] == "invalid":
            assert _tshark_objects(row, "Forged" in case["flags"]), f"tshark takes {case['id']}"
        else:
            assert not row["_ws.malformed"], f"tshark calls {case['id']} malformed"
            assert _tshark_fields(row) == _wanted(case["out"]), f"tshark reads {case['id']} otherwise"


def _tshark_objects(row: dissection.Row, demanded: bool) -> bool:
    """Not taken for STUN at all, called malformed, or with a checksum that is missing or does not fit."""
    statuses = dissection.numbers(row["stun.att.crc32.status"])
    bad = 0 in statuses or (demanded and not statuses)
    return not row["stun.type.class"] or bool(row["_ws.malformed"]) or bad


def _tshark_fields(row: dissection.Row) -> dict[str, Any]:
    number = dissection.numbers
    return {
        "class": number(row["stun.type.class"])[0],
        "method": number(row["stun.type.method"])[0],
        "transaction": row["stun.id"][0].replace(":", ""),
        "types": number(row["stun.att.type"]),
        "hosts": [*row["stun.att.ipv4"], *row["stun.att.ipv6"]],
        "ports": number(row["stun.att.port"]),
        "texts": [*row["stun.att.username"], *row["stun.att.realm"], *row["stun.att.software"]],
        "priorities": number(row["stun.att.priority"]),
        "tie_breakers": [int(text.replace(":", ""), 16) for text in row["stun.att.tie-breaker"]],
        "errors": [
            hundreds * 100 + rest
            for hundreds, rest in zip(number(row["stun.att.error.class"]), number(row["stun.att.error"]), strict=True)
        ],
        "unknown": number(row["stun.att.unknown"]),
        "fingerprints": number(row["stun.att.crc32.status"]),
    }


def _wanted(out: dict[str, Any]) -> dict[str, Any]:
    """The expected fields in the form in which tshark tells them."""
    values = [(each["name"], each["value"]) for each in out["attributes"]]
    protections = [0x0008] * (out["integrity"] is not None) + [0x001C] * (out["integrity_sha256"] is not None)
    protections += [0x8028] * (out["fingerprint"] is not None)
    addresses = [value for name, value in values if name in ADDRESSES]
    return {
        "class": CLASSES[out["class"]] >> 4,  # the two bits stay apart
        "method": out["method"],
        "transaction": out["transaction"],
        "types": [each["type"] for each in out["attributes"]] + protections,
        "hosts": [address["host"] for address in addresses],
        "ports": [address["port"] for address in addresses],
        "texts": [value for wanted in ("USERNAME", "REALM", "SOFTWARE") for name, value in values if name == wanted],
        "priorities": [value for name, value in values if name == "PRIORITY"],
        "tie_breakers": [int(value) for name, value in values if name in ("ICE-CONTROLLED", "ICE-CONTROLLING")],
        "errors": [value["code"] for name, value in values if name == "ERROR-CODE"],
        "unknown": [kind for name, value in values if name == "UNKNOWN-ATTRIBUTES" for kind in value],
        "fingerprints": [1] * (out["fingerprint"] is not None),
    }


# --- OpenSSL: the hashes alone ------------------------------------------------------------------------


def _openssl_version() -> str:
    try:
        said = subprocess.run(["openssl", "version"], capture_output=True, text=True, timeout=60, check=False)
    except FileNotFoundError:
        raise Absent from None
    return said.stdout.split()[1]


def _openssl_digest(name: str, data: bytes, *options: str) -> bytes:
    command = ["openssl", "dgst", "-binary", f"-{name}", *options]
    return subprocess.run(command, input=data, capture_output=True, timeout=60, check=True).stdout


def _openssl_mac(name: str, key: bytes, data: bytes) -> bytes:
    return _openssl_digest(name, data, "-mac", "HMAC", "-macopt", f"hexkey:{key.hex()}")


def _one_form(text: str) -> str:
    return unicodedata.normalize("NFC", re.sub(r"[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]", " ", text))


class Hashes(NamedTuple):
    """What a library of hashes does: `digest` and `mac` take a name such as sha256."""

    digest: Callable[[str, bytes], bytes]
    mac: Callable[[str, bytes, bytes], bytes]
    one_form: Callable[[str], str]


OPENSSL_HASHES = Hashes(_openssl_digest, _openssl_mac, _one_form)
GNUTLS_HASHES = Hashes(gnutls_library.digest, gnutls_library.mac, gnutls_library.opaque_string)


def _ask_keys(hashes: Hashes, operation: str, cases: list[Case]) -> None:
    for case in cases:
        told, out = case["in"], case["out"]
        if operation == "expiring-password":
            made = hashes.mac("sha1", bytes.fromhex(told["secret"]), told["username"].encode())
            assert base64.b64encode(made).decode() == out["password"], case["id"]
            continue
        if operation == "short-term-key":
            assert hashes.one_form(told["password"]).encode().hex() == out["key"], case["id"]
            continue
        names = ("username", "realm") if operation == "userhash" else ("username", "realm", "password")
        whole = ":".join(hashes.one_form(told[name]) for name in names).encode()
        made = hashes.digest("md5" if told.get("algorithm") == 1 else "sha256", whole)
        assert made.hex() == out.get("key", out.get("userhash")), case["id"]


def _ask_hmacs(hashes: Hashes, operation: str, cases: list[Case]) -> None:
    """Finds the integrities by counting from the end: they are last, and the older one stands first."""
    for case in cases:
        data = bytes.fromhex(case["in"]["hex"])
        end = len(data) - 8 if data[-8:-4] == bytes.fromhex("80280004") else len(data)
        size = case["in"].get("sha256_size", 32)
        assert "key" in case["in"], f"{case['id']} is not signed"
        key = bytes.fromhex(case["in"]["key"]["hex"])
        if case["result"] == "invalid":
            assert case["in"].get("demands"), f"{case['id']} is not about the newer integrity"
            assert not _fits(hashes, "sha256", key, data, end, size), f"{case['id']} fits"
            continue
        if case["out"]["integrity_sha256"] is not None:
            assert _fits(hashes, "sha256", key, data, end, size), case["id"]
            end -= size + 4
        if case["out"]["integrity"] is not None:
            assert _fits(hashes, "sha1", key, data, end, 20), case["id"]


def _fits(hashes: Hashes, name: str, key: bytes, data: bytes, end: int, size: int) -> bool:
    """Whether an integrity of that size ends there, with the HMAC over what stands before it."""
    start = end - size - 4
    kind = {"sha1": 0x0008, "sha256": 0x001C}[name]
    if data[start : start + 4] != kind.to_bytes(2, "big") + size.to_bytes(2, "big"):
        return False
    covered = data[:2] + (start + 4 + size - 20).to_bytes(2, "big") + data[4:start]
    return hashes.mac(name, key, covered)[:size] == data[start + 4 : end]


# --- servers, over the network --------------------------------------------------------------------------


def _ask_server(server: Address, operation: str, cases: list[Case]) -> None:
    async def play() -> None:
        target = await StunTarget.open(KernelNetwork(), Settings(stem="stun", target=server))
        try:
            for case in cases:
                outcome = await target.play(case)
                assert outcome.verdict == "pass", f"it takes {case['id']} otherwise: {outcome.got}"
        finally:
            await target.close()

    trio.run(play)
