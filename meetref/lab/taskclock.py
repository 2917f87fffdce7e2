"""Where the CPU time of a Trio program goes: by task, by kind of task, and what waking up and scheduling take.

An instrument of Trio's, which reads the thread's clock at both ends of each step of a task. With cold caches that may
take twenty microseconds, a twentieth of all; so nothing else is measured meanwhile. What no task took is the loop's: to
wait in the kernel, to wake, to choose.
Stands on `trio` alone. Specification: docs/measurements.md, "Where it goes".
Leaves out: what happens inside a task; `meetref lab forwarding --profile` tells that.
Read next: `lab/served.py`.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping

from trio.abc import Instrument
from trio.lowlevel import Task

OTHERS = "others"
LOOP = "loop"


class TaskClock(Instrument):
    """`kinds` maps the first word of a task's name to the kind that it counts as; the rest are `OTHERS`."""

    def __init__(self, kinds: Mapping[str, str]) -> None:
        self._kinds = kinds
        self._spent_ns: Counter[str] = Counter()
        self._began_ns = self._step_began_ns = time.thread_time_ns()

    def before_task_step(self, task: Task) -> None:
        self._step_began_ns = time.thread_time_ns()

    def after_task_step(self, task: Task) -> None:
        spent = time.thread_time_ns() - self._step_began_ns
        self._spent_ns[self._kinds.get(task.name.partition(" ")[0], OTHERS)] += spent

    def read(self) -> dict[str, float]:
        """Seconds of CPU time so far, by kind; `LOOP` is what no task took."""
        spent = {kind: self._spent_ns[kind] / 1e9 for kind in (*self._kinds.values(), OTHERS)}
        return spent | {LOOP: (time.thread_time_ns() - self._began_ns) / 1e9 - sum(spent.values())}
