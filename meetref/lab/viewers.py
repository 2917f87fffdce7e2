"""Many simulated viewers of a webinar in one process: `python -m meetref.lab.viewers PORT ADDRESS COUNT SECONDS`.

Each has a connection of its own and does what the page does for one rendition: it asks for the playlist that has the
next part, which is answered when there is one, loads the parts that are new, and asks again. They come over some
seconds. Lines on standard input end a time to settle and the measuring; then it says what it saw, as one line of JSON.
Stands on the kernel's epoll alone: no task, no coroutine a viewer, so that thousands leave something of a core to the
edge that answers them. Specification: HTTP Live Streaming 2nd Edition (draft-pantos-hls-rfc8216bis-22) section 6.3.
Leaves out: what is in a part, and playing it. Read next: `lab/spectators.py`.
"""

from __future__ import annotations

import heapq
import json
import os
import re
import resource
import select
import socket
import sys
import time
from collections import Counter
from typing import Final

AGAIN_AFTER: Final = 1.0  # seconds after a failure
LATE: Final = 1.0  # seconds behind the first viewer from which on a part is late: half of what a page has in hand
CHUNK: Final = 256 * 1024
HINT: Final = b'#EXT-X-PRELOAD-HINT:TYPE=PART,URI="'
_PART = re.compile(rb'URI="(\d+)\.(\d+)\.m4s"')
_STATUS = re.compile(rb"HTTP/1\.1 (\d{3})")
_LENGTH = re.compile(rb"\r\n[Cc]ontent-[Ll]ength: *(\d+)")


class Seen:
    """What all of them saw, since `clear`."""

    def __init__(self) -> None:
        self.first: dict[tuple[int, int], float] = {}
        self.clear()

    def clear(self) -> None:
        """Begin to count."""
        self.behind: list[float] = []
        self.counts: Counter[str] = Counter()

    def part(self, number: tuple[int, int], octets: int, now: float) -> None:
        """Somebody has loaded a part."""
        behind = now - self.first.setdefault(number, now)
        self.behind.append(behind)
        self.counts["parts"] += 1
        self.counts["octets"] += octets
        self.counts["late"] += behind > LATE

    def told(self) -> dict[str, float]:
        """The figures, by name."""
        behind = sorted(self.behind) or [0.0]
        middle, most = behind[len(behind) // 2], behind[min(len(behind) - 1, len(behind) * 99 // 100)]
        return {
            **{name: self.counts[name] for name in ("lists", "parts", "octets", "late", "failed", "passed_over")},
            "behind_p50": middle,
            "behind_p99": most,
        }


class Viewer:
    """One of them, with a connection of its own."""

    def __init__(self, folder: bytes, seen: Seen) -> None:
        self.socket: socket.socket | None = None
        self._folder = folder
        self._seen = seen
        self._wanted: tuple[int, int] | None = None  # the part whose list is asked for next
        self._waiting: list[tuple[int, int]] = []
        self._loads: tuple[int, int] | None = None
        self._octets = b""
        self._length = -1  # of the answer with its head; -1: not known yet

    def connect(self, address: tuple[str, int]) -> int:
        """Come, or come again; gives the socket's number."""
        self.close()
        self.socket = socket.create_connection(address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self._wanted, self._waiting, self._octets, self._length = None, [], b"", -1
        self._ask()
        return self.socket.fileno()

    def close(self) -> None:
        """Go."""
        if self.socket is not None:
            self.socket.close()
            self.socket = None

    def readable(self, now: float) -> bool:
        """Read what is there; False where the answer is no use, or the connection is over."""
        assert self.socket is not None
        try:
            octets = self.socket.recv(CHUNK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        self._octets += octets
        if not octets or not self._measure():
            return False
        if 0 <= self._length <= len(self._octets):
            if not self._answered(now):
                return False
            self._octets, self._length = b"", -1
            try:
                self._ask()
            except OSError:
                return False
        return True

    def _measure(self) -> bool:
        """How long the answer is, once its head is there; whether it may be of use."""
        if self._length >= 0 or (end := self._octets.find(b"\r\n\r\n")) < 0:
            return True
        status, length = _STATUS.match(self._octets), _LENGTH.search(self._octets, 0, end)
        if status is None or status[1] != b"200" or length is None:
            return False
        self._length = end + 4 + int(length[1])
        return True

    def _answered(self, now: float) -> bool:
        """Whether there is something to be asked for next."""
        if self._loads is not None:
            self._seen.part(self._loads, self._length, now)
            return True
        self._seen.counts["lists"] += 1
        at = self._octets.rfind(HINT)
        hinted = _PART.search(self._octets, at) if at >= 0 else None
        if hinted is None:
            return False  # the show is over
        following = int(hinted[1]), int(hinted[2])
        if self._wanted is not None and _follows(self._wanted, following):
            self._waiting = [self._wanted]  # as nearly always
        elif self._wanted is not None:
            parts = [(int(segment), int(place)) for segment, place in _PART.findall(self._octets, 0, at)]
            self._waiting = [part for part in parts if part >= self._wanted]
            self._seen.counts["passed_over"] += not self._waiting or self._waiting[0] != self._wanted
        self._wanted = following
        return True

    def _ask(self) -> None:
        assert self.socket is not None
        if self._waiting:
            self._loads = self._waiting.pop(0)
            name = b"%d.%d.m4s" % self._loads
        else:
            self._loads = None
            name = b"list.m3u8" if self._wanted is None else b"list.m3u8?_HLS_msn=%d&_HLS_part=%d" % self._wanted
        self.socket.send(b"GET %s%s HTTP/1.1\r\nHost: localhost\r\n\r\n" % (self._folder, name))


def _follows(part: tuple[int, int], other: tuple[int, int]) -> bool:
    return other == (part[0], part[1] + 1) or other == (part[0] + 1, 0)


class Crowd:
    """All viewers of this process, on one epoll."""

    def __init__(self, address: tuple[str, int], folder: bytes, count: int, over: float) -> None:
        self.seen = Seen()
        self._address = address
        self._epoll = select.epoll()
        self._by_number: dict[int, Viewer] = {}
        now = time.monotonic()
        viewers = [Viewer(folder, self.seen) for _ in range(count)]
        self._due = [(now + over * place / count, place, viewer) for place, viewer in enumerate(viewers)]

    def run(self, orders: int) -> None:
        """Until the second line on `orders`."""
        self._epoll.register(orders, select.EPOLLIN)
        has_settled = False
        while True:
            wait = max(0.0, self._due[0][0] - time.monotonic()) if self._due else 1.0
            for number, _ in self._epoll.poll(wait):
                if number != orders:
                    self._serve(number)
                elif not os.read(orders, 1024) or has_settled:
                    return
                else:
                    has_settled = True
                    self.seen.clear()
            self._come()

    def _come(self) -> None:
        """Those whose time it is."""
        while self._due and self._due[0][0] <= time.monotonic():
            _, place, viewer = heapq.heappop(self._due)
            try:
                number = viewer.connect(self._address)
            except OSError:
                self._fail(viewer, place)
                continue
            self._by_number[number] = viewer
            self._epoll.register(number, select.EPOLLIN)

    def _serve(self, number: int) -> None:
        viewer = self._by_number[number]
        if not viewer.readable(time.monotonic()):
            self._epoll.unregister(number)
            del self._by_number[number]
            viewer.close()
            self._fail(viewer, number)

    def _fail(self, viewer: Viewer, place: int) -> None:
        self.seen.counts["failed"] += 1
        heapq.heappush(self._due, (time.monotonic() + AGAIN_AFTER, place, viewer))


def main() -> None:
    """Watch until told to end."""
    port, folder, count, over = sys.argv[1:]
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, int(count) + 100), hard))
    crowd = Crowd(("127.0.0.1", int(port)), folder.encode(), int(count), float(over))
    crowd.run(sys.stdin.fileno())
    print(json.dumps(crowd.seen.told()), flush=True)


if __name__ == "__main__":
    main()
