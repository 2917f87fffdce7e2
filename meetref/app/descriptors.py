"""How many files and connections the operating system lets this process have open: as many as it may.

Mostly it is a thousand at first, fewer than the door lets in, and many more where a process asks for them. Where none
is left a recording cannot begin its next journal: nobody who only opens connections is to bring that about.
Stands on nothing; `app/serve` asks. Source: getrlimit(2). Leaves out: systems without such limits.
Read next: `app/door.py`.
"""

from __future__ import annotations

import sys

ENOUGH = 65_536
FOR_CONNECTIONS = 0.5
"""Of all; the others are for recordings, for the relay, and for what the server runs."""


def allow_many() -> int:
    """Have as many as may be, and give the number; `ENOUGH` where nobody counts."""
    if sys.platform == "win32":
        return ENOUGH
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = ENOUGH if hard == resource.RLIM_INFINITY else min(hard, ENOUGH)
    if soft == resource.RLIM_INFINITY or soft >= most:
        return ENOUGH if soft == resource.RLIM_INFINITY else soft
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    except (OSError, ValueError):  # macOS has a limit of its own below
        return soft
    return most
