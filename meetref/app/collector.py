"""The garbage collector of a server: less often, because media makes no garbage that only it could find.

Python counts new containers and looks for unreachable cycles after every 700. A forwarded packet is a few tuples that
live as long as they may be asked for again, and die by their counts alone; looking through them again and again took
a twentieth of the server's time (`meetref lab forwarding`).
Stands below `app/serve` and `lab/served`. Specification: the documentation of Python's `gc`.
Leaves out: no collection at all, since connections that end do leave cycles.
Read next: `app/serve.py`.
"""

from __future__ import annotations

import gc

NEW_CONTAINERS = 50_000  # after so many more, the young ones are looked through
YOUNG_PASSES = 20  # so many of those, and the middle-aged ones are, too


def relax_collector() -> None:
    """Collect seldom from now on; what start-up has made stays for good and is never looked through."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(NEW_CONTAINERS, YOUNG_PASSES, YOUNG_PASSES)
