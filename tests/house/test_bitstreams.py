"""What encodes for tests leaves this process as it was."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.media import layeredformats
from tests.wire.bitstreams import encoded, packets_of_ffmpeg


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="looks at Linux' list of threads")
def test_no_thread_stays_real_time() -> None:
    packets_of_ffmpeg("libsvtav1", encoded("libsvtav1", 2))
    layeredformats.coded.__wrapped__("AV1", "q")
    policies = {os.sched_getscheduler(int(thread.name)) for thread in Path("/proc/self/task").glob("*")}
    assert policies == {os.SCHED_OTHER}
