"""The secrets of DTLS in a file, where the environment variable SSLKEYLOGFILE names one: Wireshark reads it.

Stands below the commands that speak DTLS with somebody, `app/serve` and `app/bot`; the lines are those of
`protocol/keyschedule` and `protocol/keyschedule13`.
Specification: RFC 9850 (the SSLKEYLOGFILE format).
Leaves out: rotating the file; whoever asks for secrets looks after them. Labs write none: they talk to themselves, and
time it.
Read next: `net/capture.py`, which writes the same lines into a capture.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from meetref.app.command import CommandFailed

VARIABLE = "SSLKEYLOGFILE"


@contextmanager
def open_key_log(environment: Mapping[str, str]) -> Iterator[Callable[[str], None] | None]:
    """What writes a line to that file, which nobody else may read; None where none is named. Raises `CommandFailed`."""
    path = environment.get(VARIABLE)
    if not path:
        yield None
        return
    try:
        file = os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "a", encoding="ascii")
    except OSError as error:
        raise CommandFailed(f"the key log {path} of {VARIABLE} cannot be written ({error.strerror})") from None
    logging.getLogger("meetref").warning("the secrets of all connections go to %s, as %s says", path, VARIABLE)

    def write(line: str) -> None:
        file.write(line + "\n")
        file.flush()

    with file:
        yield write


def both(first: Callable[[str], None] | None, second: Callable[[str], None] | None) -> Callable[[str], None] | None:
    """One that tells both, of which either may be absent."""
    told = [each for each in (first, second) if each is not None]
    if len(told) < 2:
        return told[0] if told else None

    def write(line: str) -> None:
        for each in told:
            each(line)

    return write
