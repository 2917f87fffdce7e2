"""What may be sent once more: the rate, less what leaves anyway.

What is repeated must not push aside what is sent for the first time: on a line that is too thin everything is lost,
asked for again, and lost again, and without a bound that comes to ten times what the line carries.
Stands above nothing of this floor, beside `media/repair`; `meeting/capacity` has one for each viewer.
Specification: none. The WebRTC library of the browsers bounds repetitions by the estimate, too (M138, RateLimiter).
Read next: `media/pacing.py`, the other thing that the estimate bounds.
"""

from __future__ import annotations

SAVED = 0.25  # seconds of the rate that can be saved up, and as much that can be owed
ALWAYS = 0.1  # of the rate, whatever leaves beside it: at 110 kbit/s about a packet each second,
PACKET = 1_200  # octets, the largest that there are
AT_ONCE = 3  # of these packets


class Allowance:
    """Set `rate_bps`, add to `sent_octets` what leaves, and ask `allows` before something leaves again.

    A repetition counts where it is a packet of its own (RTX); the same ciphertext once more does not.
    """

    __slots__ = ("_always_octets", "_octets", "_since", "rate_bps", "sent_octets")

    def __init__(self, rate_bps: float) -> None:
        self.rate_bps = rate_bps
        self.sent_octets = 0
        self._octets = 0.0  # what may be sent again; negative: too much has left
        self._always_octets: float = AT_ONCE * PACKET  # what may be sent again even then
        self._since: float | None = None

    def allows(self, now: float) -> bool:
        """Whether the rate has something left, or it is the turn of what is always sent."""
        most = SAVED * self.rate_bps / 8
        earned = most if self._since is None else (now - self._since) * self.rate_bps / 8
        self._octets = min(max(self._octets + earned - self.sent_octets, -most), most)
        self._always_octets = min(self._always_octets + ALWAYS * earned, AT_ONCE * PACKET)
        self._since, self.sent_octets = now, 0
        if self._octets > 0:  # spec: pacing/repeats-beside-media
            return True
        if self._always_octets < PACKET:
            return False
        self._always_octets -= PACKET  # spec: pacing/some-repeats-always
        return True
