"""Who else reads vectors/stun as we do: aioice's STUN module and tshark.

A witness confirms a group when it agrees with every case of it. Stands above `tests/confirm/dissection.py` (tshark) and
`witness.py` (what an entry is). aioice keeps attributes by name and so the last of two; it knows only those of ICE and
TURN. tshark shows attributes that do not count, and does not check integrity.
Read next: tests/generate/stun.py.
"""

from __future__ import annotations

from typing import Any

from tests.confirm import dissection
from tests.confirm.witness import Case, Witness, asked, one_by_one, package

AIOICE = {"parse": "parse_message and check_message_integrity give the same fields, or refuse an invalid message"}
TSHARK = {
    "parse": "dissected as STUN: same class, transaction, attributes and fingerprint, or an invalid message marked"
}
FIELDS = (
    *("stun.type.class", "stun.type.method", "stun.id", "stun.att.type", "stun.att.ipv4", "stun.att.ipv6"),
    *("stun.att.port", "stun.att.username", "stun.att.priority", "stun.att.tie-breaker", "stun.att.error.class"),
    *("stun.att.error", "stun.att.realm", "stun.att.software", "stun.att.crc32.status", "stun.att.unknown"),
)
CLASSES = {"request": 0x000, "indication": 0x010, "success": 0x100, "error": 0x110}
ADDRESSES = ("MAPPED-ADDRESS", "XOR-MAPPED-ADDRESS", "ALTERNATE-SERVER")


def confirm(set_name: str, data: dict[str, Any]) -> list[dict[str, Any]]:
    """A `verified_by` entry for each group and each witness on this machine that agrees with all of its cases."""
    return asked(
        data,
        Witness("aioice", package("aioice"), AIOICE, one_by_one(_ask_aioice)),
        Witness("tshark", dissection.version, TSHARK, _ask_tshark),
    )


def _ask_aioice(operation: str, case: Case) -> None:
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
        forged = "Forged" in case.get("flags", ()) and key is not None and not message.check_message_integrity(key)
        return None if forged else {"refused": False}
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
            assert _tshark_objects(row), f"tshark takes {case['id']}"
        else:
            assert not row["_ws.malformed"], f"tshark calls {case['id']} malformed"
            assert _tshark_fields(row) == _wanted(case["out"]), f"tshark reads {case['id']} otherwise"


def _tshark_objects(row: dissection.Row) -> bool:
    """Not taken for STUN at all, called malformed, or with a checksum that does not fit."""
    statuses = dissection.numbers(row["stun.att.crc32.status"])
    return not row["stun.type.class"] or bool(row["_ws.malformed"]) or 0 in statuses


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
    protections = [0x0008] * (out["integrity"] is not None) + [0x8028] * (out["fingerprint"] is not None)
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
