"""Work on capture files: turn one with its secrets into one in the clear.

    meetref pcap decrypt meeting.pcapng clear.pcapng

Stands on `net/decrypt`, which finds the keys in the capture itself; `meetref serve --capture` writes such files.
Specification: what it reads and writes is `wire/pcapng`; docs/running.md says how to make a capture.
Leaves out: captures of Ethernet, DTLS 1.3, and secrets that stand in a file of their own.
Read next: `net/decrypt.py`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from meetref.app.command import CommandFailed, Exit, print_json
from meetref.net.decrypt import Decryption, in_the_clear, masters_of
from meetref.wire.pcapng import Block, parse, serialize
from meetref.wire.reader import Malformed


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The one thing that is to be done, and with which files."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="decrypt")
    decrypt = verbs.add_parser("decrypt", help="write the capture again, with its media in the clear")
    decrypt.add_argument("source", type=Path, metavar="IN", help="a capture that `meetref serve --capture` wrote")
    decrypt.add_argument("target", type=Path, metavar="OUT", help="the file to write")
    decrypt.add_argument("--json", action="store_true", help="tell the numbers as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Decrypt; exit 1 when no packet of media could be opened, and nothing is written then."""
    source, target = arguments.source, arguments.target
    if _are_same(source, target):
        raise CommandFailed(f"{source} would be overwritten by what is read from it; name another OUT", 2)
    blocks = read_capture(source)
    decryption = Decryption(masters_of(blocks))
    clear = in_the_clear(blocks, decryption)
    if not decryption.opened:
        raise CommandFailed(f"nothing in {source} could be decrypted: {_why(decryption)}")
    try:
        target.write_bytes(serialize(clear))
    except OSError as error:
        raise CommandFailed(f"{target} cannot be written ({error.strerror}); name another OUT") from None
    if arguments.json:
        told = {"conversations": len(decryption.conversations), "opened": decryption.opened}
        print_json({**told, "refused": decryption.refused})
    else:
        locked = f"; {decryption.refused} stay locked, no key opens them" if decryption.refused else ""
        print(f"{decryption.opened} media packets of {len(decryption.conversations)} conversations opened{locked}")
    return Exit.DONE


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
    if not decryption.refused:
        return "there are no media packets in it; capture while people see each other"
    if not decryption.masters:
        return "it has no secrets of DTLS 1.2 in it; capture with `meetref serve --capture`, which writes them"
    if not decryption.conversations:
        return "the handshakes are not in it; begin the capture before people join"
    return "its secrets belong to other packets; capture the meeting from its beginning"
