"""Make a signed invitation that opens one room.

    meetref token --room algebra --secret-file secret.txt --valid-for 2h

Stands on `app/tokens`. The server that was started with the same file lets whoever has the token in.
Leaves out: making the secret; any file with at least 32 random octets is one.
"""

from __future__ import annotations

import argparse
import re
import time
from pathlib import Path
from urllib.parse import urlencode

from meetref.app.command import CommandFailed, Exit, print_json
from meetref.app.http import check_room_name
from meetref.app.tokens import make_token, read_secret

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
LONGEST = 366 * 86400
LONGEST_NAME = 64  # characters, as in wire/signaling


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Room, secret, and how long it holds."""
    parser.add_argument("--room", required=True, help="the room it opens")
    parser.add_argument("--secret-file", required=True, type=Path, metavar="FILE", help="the server's room secret")
    parser.add_argument("--name", help="let only somebody with this name in")
    parser.add_argument("--may-record", action="store_true", help="let whoever has it start and stop recordings")
    parser.add_argument("--valid-for", default="12h", metavar="TIME", help="30m, 12h, 7d, ... (12h)")
    parser.add_argument("--url", metavar="URL", help="print the join link of the server at this address instead")
    parser.add_argument("--json", action="store_true", help="print token, room and expiry as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Print the token."""
    check_room_name(arguments.room)
    if arguments.name is not None and not 1 <= len(arguments.name) <= LONGEST_NAME:
        raise CommandFailed(f"--name has 1 to {LONGEST_NAME} characters, as in a meeting", Exit.WRONG_COMMAND_LINE)
    if arguments.url is not None and not arguments.url.startswith(("http://", "https://")):
        raise CommandFailed(
            f"--url: {arguments.url[:40]!r} is no address such as https://meet.example", Exit.WRONG_COMMAND_LINE
        )
    valid_for = duration(arguments.valid_for)
    now = time.time()
    secret = read_secret(arguments.secret_file)
    token = make_token(
        secret,
        room=arguments.room,
        name=arguments.name,
        now=now,
        valid_for=valid_for,
        may_record=arguments.may_record,
    )
    if arguments.json:
        print_json({"token": token, "room": arguments.room, "name": arguments.name, "expires_at": now + valid_for})
    elif arguments.url:
        query = f"?{urlencode({'name': arguments.name})}" if arguments.name else ""
        # Behind the `#` no browser sends it, and no log has it.
        print(f"{arguments.url.rstrip('/')}/{arguments.room}{query}#{urlencode({'token': token})}")
    else:
        print(token)
    return Exit.DONE


def duration(text: str) -> float:
    """Seconds in `90`, `30m`, `12h` or `7d`. Raises `CommandFailed`."""
    match = re.fullmatch(r"(\d{1,9})([smhd]?)", text.strip(), re.ASCII)
    seconds = int(match[1]) * UNITS[match[2] or "s"] if match else 0
    if not 0 < seconds <= LONGEST:
        raise CommandFailed(f"{text[:40]!r} is no time up to a year, such as 30m, 12h or 7d", Exit.WRONG_COMMAND_LINE)
    return float(seconds)
