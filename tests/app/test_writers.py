"""Who writes in tests is never faster than a server lets them, however long they were kept waiting."""

from __future__ import annotations

from meetref.app.channel import MESSAGES_AT_ONCE, MESSAGES_PER_SECOND
from meetref.app.limits import TokenBucket
from tests.app.writers import Pace


def test_a_long_silence_does_not_end_in_a_flood() -> None:
    bucket = TokenBucket(rate=MESSAGES_PER_SECOND, burst=MESSAGES_AT_ONCE, now=0.0)
    pace, now = Pace(), 0.0
    for count in range(2000):
        if count % 500 == 250:
            now += 60.0  # the log is away
        now = max(now, pace.next(now))
        assert bucket.take(now), f"message {count} is dropped"
    assert now > 4 * 60.0 + 20.0
