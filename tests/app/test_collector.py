"""A server collects garbage seldom, and still does."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import gc, weakref
from meetref.app.collector import relax_collector
relax_collector()
class Node: pass
node = Node()
node.self, gone = node, weakref.ref(node)
del node
before = gc.get_count()[0]
kept = []
while gone() is not None and len(kept) < 200_000:
    kept.append([])
print(before < 700, 700 < len(kept) < 200_000)
"""


def test_cycles_are_found_but_not_after_every_few_packets() -> None:
    """In a process of its own: the collector is one for all."""
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "True"]
