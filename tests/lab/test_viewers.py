"""Simulated viewers: against a server of a few lines that says what a list says, in pieces as TCP cuts them."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

import pytest

from meetref.lab.viewers import HINT, LATE, Seen, Viewer


def listed(*parts: str, hint: str | None) -> bytes:
    text = b"".join(b'#EXT-X-PART:DURATION=0.32,URI="%s.m4s"\n' % part.encode() for part in parts)
    return text + (HINT + b'%s.m4s"\n' % hint.encode() if hint is not None else b"#EXT-X-ENDLIST\n")


class Stand:
    """Answers each request with what `answers` has for it, and keeps what was asked."""

    def __init__(self, answers: dict[str, bytes]) -> None:
        self.asked: list[str] = []
        self.address: tuple[str, int] = ("", 0)
        self._answers = answers
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = self._listener.getsockname()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError), self._listener, self._listener.accept()[0] as stream:
            while request := stream.recv(4096):
                name = request.split(b" ", 2)[1].decode().rpartition("/")[2]
                self.asked.append(name)
                body = self._answers.get(name)
                status = b"200 OK" if body is not None else b"404 Not Found"
                answer = b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body or b""), body or b"")
                stream.sendall(answer[:20])
                stream.sendall(answer[20:])


def watched(answers: dict[str, bytes], requests: int) -> tuple[Stand, Seen, bool]:
    """One viewer, until so many requests were made or its connection is no use; whether it still is."""
    stand, seen = Stand(answers), Seen()
    viewer = Viewer(b"/watch/lab/run/v180/", seen)
    viewer.connect(stand.address)
    assert viewer.socket is not None
    viewer.socket.setblocking(True)
    viewer.socket.settimeout(5)
    is_well = True
    while is_well and len(stand.asked) < requests:
        is_well = viewer.readable(1.0)
    viewer.close()
    return stand, seen, is_well


def test_each_part_is_loaded_once_it_is_listed() -> None:
    answers = {
        "list.m3u8": listed("6.6", hint="6.7"),
        "list.m3u8?_HLS_msn=6&_HLS_part=7": listed("6.6", "6.7", hint="7.0"),
        "6.7.m4s": b"x" * 5000,
        "list.m3u8?_HLS_msn=7&_HLS_part=0": listed("6.7", "7.0", hint="7.1"),
        "7.0.m4s": b"y",
    }
    stand, seen, _ = watched(answers, 6)
    assert stand.asked[:5] == list(answers)
    assert seen.counts["parts"] >= 1
    assert seen.counts["passed_over"] == seen.counts["failed"] == 0


def test_who_is_behind_loads_what_was_missed() -> None:
    answers = {
        "list.m3u8": listed(hint="6.1"),
        "list.m3u8?_HLS_msn=6&_HLS_part=1": listed("6.0", "6.1", "6.2", "6.3", hint="6.4"),
        "6.1.m4s": b"",
        "6.2.m4s": b"",
        "6.3.m4s": b"",
        "list.m3u8?_HLS_msn=6&_HLS_part=4": listed("7.1", hint="7.2"),  # so far behind that two are gone
        "7.1.m4s": b"",
    }
    stand, seen, _ = watched(answers, 8)
    assert stand.asked[:7] == list(answers)
    assert seen.counts["passed_over"] == 1


@pytest.mark.parametrize("answers", [{}, {"list.m3u8": listed("6.1", hint=None)}])
def test_a_refusal_and_the_end_of_the_show_are_no_use(answers: dict[str, bytes]) -> None:
    assert watched(answers, 3)[2] is False


def test_what_is_late_is_counted() -> None:
    seen = Seen()
    for age in (0.0, 0.2, LATE + 0.1):
        seen.part((1, 1), 100, 5.0 + age)
    told = seen.told()
    assert (told["parts"], told["late"], told["octets"]) == (3, 1, 300)
    assert told["behind_p50"] == pytest.approx(0.2)
