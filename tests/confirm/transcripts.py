"""Who else agrees with vectors/{handshake12,handshake13}/transcripts: OpenSSL and GnuTLS hash what is made here.

The header of a message, and what counts, are written out once more, so that not only the hash is judged.
Stands below `tests/confirm/{handshake12,handshake13}.py`. Read next: tests/generate/dtlstranscripts.py.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from typing import Any

from tests.confirm import gnutls_library
from tests.confirm.witness import Absent, Case, Witness, one_by_one

Hash = Callable[[str, bytes], bytes]
RETRY = "cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c"


def witnesses(version: str) -> list[Witness]:
    """Both."""
    return [
        Witness("OpenSSL", _version, {"transcript": "openssl dgst gives the same hashes"}, _ask(version, _openssl)),
        Witness(
            "GnuTLS",
            gnutls_library.version,
            {"transcript": "gnutls_hash_fast gives the same hashes"},
            _ask(version, gnutls_library.digest),
        ),
    ]


def _version() -> str:
    if shutil.which("openssl") is None:
        raise Absent
    return subprocess.run(["openssl", "version"], capture_output=True, text=True, check=True).stdout.split()[1]


def _openssl(name: str, data: bytes) -> bytes:
    command = ["openssl", "dgst", f"-{name}", "-binary"]
    return subprocess.run(command, input=data, capture_output=True, check=True).stdout


def _ask(version: str, digest: Hash) -> Callable[[str, list[Case]], None]:
    def ask(operation: str, case: Case) -> None:
        hashes = (_older if version == "1.2" else _newer)(case["in"], digest)
        assert hashes == case["out"]["hashes"], case["id"]

    return one_by_one(ask)


def _older(given: dict[str, Any], digest: Hash) -> list[str | None]:
    heard, found = b"", list[str | None]()
    for each in given["messages"]:
        body = bytes.fromhex(each["body"])
        size = len(body).to_bytes(3, "big")
        if each["type"] == 3:
            heard = b""
            found.append(None)
            continue
        heard += bytes((each["type"],)) + size + each["number"].to_bytes(2, "big") + bytes(3) + size + body
        found.append(digest(given["hash"], heard).hex())
    return found


def _newer(given: dict[str, Any], digest: Hash) -> list[str | None]:
    heard, found = b"", list[str | None]()
    for each in given["messages"]:
        body = bytes.fromhex(each["body"])
        if each["type"] == 2 and each["body"][4:68] == RETRY:
            first = digest(given["hash"], heard)
            heard = b"\xfe" + len(first).to_bytes(3, "big") + first
        heard += bytes((each["type"],)) + len(body).to_bytes(3, "big") + body
        found.append(digest(given["hash"], heard).hex())
    return found
