"""Work on capture files: turn one with its secrets into one in the clear, or explain its handshake octet by octet.

    meetref pcap decrypt meeting.pcapng clear.pcapng
    meetref pcap explain meeting.pcapng handshake.html

Stands on `net/decrypt`, which finds the keys in the capture itself, and on `app/explain`; `meetref serve --capture`
writes such files. Specification: what it reads is `wire/pcapng`; docs/running.md says how to make a capture.
Leaves out: captures of Ethernet, and keys that stand in a file of their own.
Read next: `net/decrypt.py`, `app/explain/conversation.py`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from meetref.app.command import CommandFailed, Exit, print_json
from meetref.app.explain.conversation import NothingToExplain, explain
from meetref.app.explain.page import Link, page
from meetref.net.decrypt import Decryption, in_the_clear, masters_of, secrets_of
from meetref.wire.pcapng import Block, parse, serialize
from meetref.wire.reader import Malformed


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The one thing that is to be done, and with which files."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="decrypt|explain")
    decrypt = verbs.add_parser("decrypt", help="write the capture again, with its media and data in the clear",
                               description="SRTP becomes RTP; each DTLS record with data of a data channel becomes an "
                               "IP packet of SCTP, protocol 132, between the same hosts.")  # fmt: skip
    decrypt.add_argument("source", type=Path, metavar="IN", help="a capture that `meetref serve --capture` wrote")
    decrypt.add_argument("target", type=Path, metavar="OUT", help="the file to write")
    decrypt.add_argument("--json", action="store_true", help="tell the numbers as JSON")
    explain = verbs.add_parser("explain", help="write a page that explains every byte of the first handshake")
    explain.add_argument("source", type=Path, metavar="IN", help="a capture with secrets")
    explain.add_argument("target", type=Path, metavar="OUT", help="the HTML file to write")
    explain.add_argument("--secrets", type=Path, metavar="FILE", help="a secrets.json of vectors/sessions: begin with "
                         "what both sides computed alone")  # fmt: skip


def run(arguments: argparse.Namespace) -> int:
    """Decrypt or explain; exit 1 when there is nothing to show, and nothing is written then."""
    source, target = arguments.source, arguments.target
    if _are_same(source, target):
        raise CommandFailed(f"{source} would be overwritten by what is read from it; name another OUT", 2)
    if arguments.verb == "explain":
        _write(target, handshake_page(source, arguments.secrets).encode())
        return Exit.DONE
    return _decrypt(source, target, as_json=arguments.json)


def _decrypt(source: Path, target: Path, *, as_json: bool) -> int:
    blocks = read_capture(source)
    decryption = Decryption(masters_of(blocks), secrets_of(blocks))
    clear = in_the_clear(blocks, decryption)
    if not decryption.opened and not decryption.data:
        raise CommandFailed(f"nothing in {source} could be decrypted: {_why(decryption)}")
    _write(target, serialize(clear))
    if as_json:
        told = {"conversations": len(decryption.conversations), "opened": decryption.opened, "data": decryption.data}
        print_json({**told, "refused": decryption.refused})
    else:
        locked = f"; {decryption.refused} stay locked, no key opens them" if decryption.refused else ""
        opened = f"{decryption.opened} media packets and {decryption.data} of data"
        print(f"{opened} of {len(decryption.conversations)} conversations opened{locked}")
    return Exit.DONE


def handshake_page(source: Path, secrets: Path | None = None, links: Sequence[Link] = ()) -> str:
    """The page that explains the first handshake of a capture, with `links` (words, address) on top.

    Raises `CommandFailed`.
    """
    try:
        explained = explain(read_capture(source), _shared_secret(secrets))
    except (NothingToExplain, Malformed) as error:
        raise CommandFailed(
            f"{source} has no handshake that can be explained: {error}; "
            "capture with `meetref serve --capture`, from before people join"
        ) from None
    return page(explained, f"The DTLS {explained.version} handshake, byte by byte", links)


def _shared_secret(path: Path | None) -> bytes:
    if path is None:
        return b""
    try:
        connections = json.loads(path.read_text(encoding="utf-8"))["connections"]
        return bytes.fromhex(connections[0]["shared_secret"])
    except (OSError, ValueError, LookupError, TypeError):
        raise CommandFailed(f"{path} has no shared_secret of a connection; leave --secrets away") from None


def _write(target: Path, octets: bytes) -> None:
    try:
        target.write_bytes(octets)
    except OSError as error:
        raise CommandFailed(f"{target} cannot be written ({error.strerror}); name another OUT") from None


def _are_same(source: Path, target: Path) -> bool:
    try:
        return source.samefile(target)
    except OSError:
        return False


def read_capture(path: Path) -> list[Block]:
    """The blocks of a pcapng file. Raises `CommandFailed` with what to do."""
    try:
        octets = path.read_bytes()
    except OSError as error:
        raise CommandFailed(f"{path} cannot be read ({error.strerror}); name a capture file") from None
    try:
        return parse(octets)
    except Malformed as error:
        raise CommandFailed(
            f"{path} is no pcapng file that can be read: {error}; let `meetref serve --capture` end, or save as pcapng"
        ) from None


def _why(decryption: Decryption) -> str:
    if not decryption.refused and (decryption.conversations or not decryption.sealed):
        return "there are no packets of media or data in it; capture while people see each other"
    if not decryption.secrets:
        return "it has no secrets of DTLS in it; capture with `meetref serve --capture`, which writes them"
    if not decryption.conversations:
        return "the handshakes are not in it; begin the capture before people join"
    return "its secrets belong to other packets; capture the meeting from its beginning"
