"""Who may record, who is told, and what the event log keeps of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from meetref.archive.log import LogUnavailable
from meetref.meeting.recorded import MOST_BEGUN, MOST_WITHIN, Archive
from meetref.wire import signaling
from tests.meeting.links import Publisher
from tests.meeting.rooms import MINUTES, Line, Lobby, lobby

ON, STOP = signaling.Record(on=True), signaling.Record(on=False)


class NoDisk(Exception):
    """What the archive raises here."""


class FakeRecorder:
    """A recorder that keeps what it is told, and can be made to fail."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.trouble: str | None = None
        self.is_over = False
        self.events: list[dict[str, Any]] = []
        self.closed = False
        self.noted = 0
        self.changed: Callable[[], None] | None = None
        self._end = trio.Event()

    def open_stream(self, name: str, about: dict[str, Any]) -> None:
        return None

    def note(self, event: dict[str, Any], now: float) -> None:
        self.events.append(event)

    def finish(self) -> None:
        self._end.set()

    async def run(self, changed: Callable[[], None]) -> None:
        self.changed = changed
        await self._end.wait()

    def fails(self, trouble: str) -> None:
        assert self.changed is not None
        self.trouble, self.is_over = trouble, True
        self.changed()
        self.finish()


class Delivered:
    """What a browser is told of where its recording goes."""

    told = signaling.Upload(recording="algebra-browser", id="u", token="t", maximum=100, chunk=10)

    def __init__(self) -> None:
        self.people: set[str] = set()


class Mail:
    """Takes recordings from browsers; `discarded` are those that came to nothing."""

    def __init__(self) -> None:
        self.discarded = 0
        self.delivered: list[Delivered] = []

    async def open(self, room: str, person: signaling.Person) -> Delivered:
        await trio.lowlevel.checkpoint()
        self.delivered.append(Delivered())
        return self.delivered[-1]

    async def discard(self, delivery: Delivered) -> None:
        self.discarded += 1


class Shelf:
    """An archive of such recorders; with `refuses` it can open none."""

    def __init__(self, may_record: Callable[[signaling.Join], bool] = lambda join: True) -> None:
        self.recorders: list[FakeRecorder] = []
        self.refuses: str | None = None
        self.mail = Mail()
        self.archive = Archive(open=self._open, errors=(NoDisk,), deliveries=self.mail, may_record=may_record)

    @asynccontextmanager
    async def _open(self, room: str) -> AsyncIterator[FakeRecorder]:
        await trio.lowlevel.checkpoint()
        if self.refuses is not None:
            raise NoDisk(self.refuses)
        recorder = FakeRecorder(f"{room}-{len(self.recorders)}")
        self.recorders.append(recorder)
        try:
            yield recorder
        finally:
            recorder.closed = True


class KeptLog:
    """The room's log; `entries` are those about recordings, and with `refuses` it takes none but what is noted."""

    def __init__(self, real: Any) -> None:
        self._real = real
        self.entries: list[dict[str, Any]] = []
        self.refuses = False

    async def append(self, room: str, kind: str, key: str, body: dict[str, Any]) -> Any:
        if self.refuses:
            raise LogUnavailable("the disk is full")
        if kind == "recording":
            self.entries.append({"key": key, **body})
        return await self._real.append(room, kind, key, body)

    def note(self, room: str, kind: str, key: str, body: dict[str, Any]) -> None:
        if kind == "recording":
            self.entries.append({"key": key, **body})
        self._real.note(room, kind, key, body)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


@asynccontextmanager
async def recorded(shelf: Shelf) -> AsyncIterator[tuple[Lobby, KeptLog]]:
    logs: list[KeptLog] = []

    def keep(real: Any) -> KeptLog:
        logs.append(KeptLog(real))
        return logs[-1]

    async with lobby(log=keep, archive=shelf.archive) as place:
        yield place, logs[0]


def told(line: Line) -> list[tuple[bool, str | None, str | None]]:
    return [(message.on, message.name, message.trouble) for message in line.of(signaling.Recording)]


@pytest.mark.spec("recorder/told-before", "recorder/everybody-knows", "recorder/logged")
async def test_everybody_knows_that_it_runs_and_who_began_and_ended_it(autojump_clock: MockClock) -> None:
    shelf = Shelf()
    async with recorded(shelf) as (place, log):
        alice, bob = await place.joined("alice"), await place.joined("bob")
        assert told(alice) == []
        assert alice.identity.may_record
        alice.says(ON)
        await wait_all_tasks_blocked()
        assert told(alice) == told(bob) == [(True, "alice", None)]
        [message] = bob.of(signaling.Recording)
        assert message.by == alice.identity.participant
        assert message.since == pytest.approx(1e9 + trio.current_time())
        cora = await place.joined("cora")
        assert told(cora) == [(True, "alice", None)]
        kinds = [type(each) for each in cora.heard]
        assert kinds.index(signaling.Recording) == kinds.index(signaling.Joined) + 1
        alice.breaks(clean=True)  # it goes on
        await wait_all_tasks_blocked()
        bob.says(STOP)
        await wait_all_tasks_blocked()
        assert told(bob)[-1] == told(cora)[-1] == (False, "bob", None)
        assert shelf.recorders[0].closed
        assert [(entry["what"], entry["name"]) for entry in log.entries] == [("began", "alice"), ("ended", "bob")]
        assert {entry["recording"] for entry in log.entries} == {"algebra-0"}


@pytest.mark.spec("recorder/witnesses")
async def test_the_log_says_who_was_there_and_the_people_where_it_will_be(autojump_clock: MockClock) -> None:
    shelf = Shelf()
    shelf.archive = replace(shelf.archive, visit=lambda room, person: f"{person} was in {room}")
    async with recorded(shelf) as (place, log):
        alice, early = await place.joined("alice"), await place.joined("early")
        early.says(signaling.Leave())
        await wait_all_tasks_blocked()
        alice.says(ON)
        bob = await place.joined("bob")
        await trio.sleep(1.0)
        bob.says(signaling.Leave())
        await trio.sleep(1.0)
        alice.says(STOP)
        await wait_all_tasks_blocked()
        late = await place.joined("late")
        began, ended = log.entries
        assert "people" not in began
        assert ended["people"] == [alice.identity.participant, bob.identity.participant]
        assert alice.identity.visit == f"{alice.identity.participant} was in algebra"
        assert [each.recording for each in alice.of(signaling.Recording)] == [None, "algebra-0"]
        assert late.of(signaling.Recording) == []


@pytest.mark.spec("recorder/everybody-knows")
async def test_who_comes_back_is_told_how_it_is_now(autojump_clock: MockClock) -> None:
    async with recorded(Shelf()) as (place, _):
        alice, bob = await place.joined("alice"), await place.joined("bob")
        bob.breaks()
        await wait_all_tasks_blocked()
        alice.says(ON)
        await wait_all_tasks_blocked()
        again = place.comes_back(bob)
        await wait_all_tasks_blocked()
        assert told(again) == [(True, "alice", None)]
        again.breaks()
        await wait_all_tasks_blocked()
        alice.says(STOP)
        await wait_all_tasks_blocked()
        once_more = place.comes_back(bob)
        await wait_all_tasks_blocked()
        assert told(once_more) == [(False, None, None)]


async def test_one_recording_at_a_time_and_asking_again_is_answered(autojump_clock: MockClock) -> None:
    shelf = Shelf()
    async with recorded(shelf) as (place, _):
        alice, bob = await place.joined("alice"), await place.joined("bob")
        bob.says(STOP)
        await wait_all_tasks_blocked()
        assert told(bob) == [(False, None, None)]
        alice.says(ON)
        bob.says(ON)
        await wait_all_tasks_blocked()
        assert len(shelf.recorders) == 1
        assert told(bob)[-1] == told(alice)[-1]
        assert told(bob)[-1] in [(True, "alice", None), (True, "bob", None)]  # whoever was heard first
        for asked in (STOP, STOP, ON):
            alice.says(asked)
            await wait_all_tasks_blocked()
        assert len(shelf.recorders) == 2
        assert [recorder.closed for recorder in shelf.recorders] == [True, False]


async def test_its_end_is_told_before_the_disk_has_done_and_another_may_begin(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = trio.Event()

    async def run(self: FakeRecorder, changed: Callable[[], None]) -> None:
        await self._end.wait()
        self.noted = len(self.events)
        await disk.wait()
        assert len(self.events) == self.noted  # it is not looked any more who is there

    monkeypatch.setattr(FakeRecorder, "run", run)
    shelf = Shelf()
    async with recorded(shelf) as (place, log):
        alice = await place.joined("alice")
        for message in (ON, STOP, ON):
            alice.says(message)
            await wait_all_tasks_blocked()
        assert [on for on, _, _ in told(alice)] == [True, False, True]
        assert [recorder.closed for recorder in shelf.recorders] == [False, False]
        bob = await place.joined("bob")
        await trio.sleep(0.3)
        disk.set()
        await wait_all_tasks_blocked()
        assert [recorder.closed for recorder in shelf.recorders] == [True, False]
        assert [entry["key"] for entry in log.entries] == ["algebra-0-began", "algebra-1-began", "algebra-0-ended"]
        assert "bob" not in str(shelf.recorders[0].events)
        assert "bob" in str(shelf.recorders[1].events)
        bob.says(STOP)
        await wait_all_tasks_blocked()
        assert told(bob) == [(True, "alice", None), (False, "bob", None)]


@pytest.mark.spec("recorder/permission")
async def test_who_may_not_is_refused(autojump_clock: MockClock) -> None:
    shelf = Shelf(may_record=lambda join: join.token == "chair")
    async with recorded(shelf) as (place, _):
        alice, bob = await place.joined("alice", token="chair"), await place.joined("bob")
        assert (alice.identity.may_record, bob.identity.may_record) == (True, False)
        bob.says(ON)
        await wait_all_tasks_blocked()
        assert bob.codes == ["recording-refused"]
        assert bob.of(signaling.Error)[0].about == "record"
        alice.says(ON)
        await wait_all_tasks_blocked()
        bob.says(STOP)
        await wait_all_tasks_blocked()
        assert bob.codes == ["recording-refused"] * 2
        assert told(bob) == [(True, "alice", None)]


@pytest.mark.spec("recorder/permission")
async def test_a_server_without_an_archive_records_nothing(autojump_clock: MockClock) -> None:
    async with lobby() as place:
        alice = await place.joined("alice")
        assert not alice.identity.may_record
        alice.says(ON)
        await wait_all_tasks_blocked()
        assert alice.codes == ["recording-refused"]


async def test_where_none_can_begin_that_is_said_and_the_next_try_may_do(autojump_clock: MockClock) -> None:
    shelf = Shelf()
    shelf.refuses = "Nothing can be written: No space left on device."
    async with recorded(shelf) as (place, log):
        alice = await place.joined("alice")
        alice.says(ON)
        await wait_all_tasks_blocked()
        assert [(error.code, error.message) for error in alice.of(signaling.Error)] == [
            ("recording-unavailable", shelf.refuses)
        ]
        assert told(alice) == log.entries == []
        shelf.refuses = None
        alice.says(ON)
        await wait_all_tasks_blocked()
        assert told(alice) == [(True, "alice", None)]


@pytest.mark.spec("recorder/logged")
async def test_nothing_is_recorded_that_the_log_does_not_keep(autojump_clock: MockClock) -> None:
    shelf = Shelf()
    async with recorded(shelf) as (place, log):
        log.refuses = True
        alice = await place.joined("alice")
        alice.says(ON)
        await wait_all_tasks_blocked()
        assert alice.codes == ["recording-unavailable"]
        assert told(alice) == []
        assert shelf.recorders[0].closed
        assert shelf.recorders[0].events == []
        log.refuses = False
        alice.says(ON)
        await wait_all_tasks_blocked()
        log.refuses = True  # its end is told all the same, and kept as soon as the log can
        alice.says(STOP)
        await wait_all_tasks_blocked()
        assert told(alice) == [(True, "alice", None), (False, "alice", None)]
        assert [entry["what"] for entry in log.entries] == ["began", "ended"]


@pytest.mark.spec("recorder/disk-full")
async def test_trouble_is_told_to_everybody_and_ends_no_meeting(autojump_clock: MockClock) -> None:
    shelf = Shelf()
    async with recorded(shelf) as (place, log):
        alice, bob = await place.joined("alice"), await place.joined("bob")
        alice.says(ON)
        await wait_all_tasks_blocked()
        shelf.recorders[0].fails("The disk is full.")
        await wait_all_tasks_blocked()
        expected = [(True, "alice", None), (True, "alice", "The disk is full."), (False, None, "The disk is full.")]
        assert told(alice) == told(bob) == expected
        assert log.entries[-1]["trouble"] == "The disk is full."
        assert place.people() == ["alice", "bob"]


async def test_a_mistake_of_ours_ends_the_recording_and_nobody_leaves(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(self: FakeRecorder, changed: Callable[[], None]) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(FakeRecorder, "run", fail)
    async with recorded(Shelf()) as (place, _):
        alice = await place.joined("alice")
        alice.says(ON)
        await wait_all_tasks_blocked()
        assert told(alice)[-1][0] is False
        assert place.people() == ["alice"]
        assert "the recording of algebra failed" in caplog.text


async def test_a_recording_ends_with_its_room(autojump_clock: MockClock) -> None:
    shelf = Shelf()
    async with recorded(shelf) as (place, log):
        alice = await place.joined("alice")
        alice.says(ON)
        await wait_all_tasks_blocked()
        alice.says(signaling.Leave())
        await wait_all_tasks_blocked()
        assert shelf.recorders[0].closed
        assert [entry["what"] for entry in log.entries] == ["began", "ended"]
        assert not place.rooms.rooms


@pytest.mark.spec("recorder/events")
async def test_what_happens_is_noted(autojump_clock: MockClock) -> None:
    shelf = Shelf()
    async with recorded(shelf) as (place, _):
        alice = await place.joined("alice", microphone="on")
        alice.says(ON)
        bob = await place.joined("bob")
        await trio.sleep(0.2)
        pin = signaling.Pin(person=bob.identity.participant, source="screen")
        for message in (
            signaling.Devices(microphone="muted", camera="off"),
            signaling.Look(layout="speaker", pinned=(pin,), large=720),
            signaling.Look(layout="speaker", pinned=(pin,), large=360),  # another size is no other layout
        ):
            alice.says(message)
            await trio.sleep(0.2)
        bob.says(signaling.Leave())
        await trio.sleep(0.2)
        me, other = alice.identity.participant, bob.identity.participant
        grid = {"layout": "grid", "page": 0, "pinned": []}
        silent = {"microphone": "none", "camera": "none", "screen": False}
        assert shelf.recorders[0].events == [
            {"event": "started", "person": me, "name": "alice"},
            {"event": "joined", "person": me, "name": "alice", "bot": False, "layout": grid,
             "devices": silent | {"microphone": "on"}},
            {"event": "joined", "person": other, "name": "bob", "bot": False, "layout": grid, "devices": silent},
            {"event": "devices", "person": me, "microphone": "muted", "camera": "off", "screen": False},
            {"event": "layout", "person": me, "layout": "speaker", "page": 0,
             "pinned": [{"person": other, "source": "screen"}]},
            {"event": "left", "person": other},
        ]  # fmt: skip


def others(line: Line) -> list[tuple[str, str]]:
    """Who records for themselves, as was last told."""
    return [(each.name, each.way) for each in line.of(signaling.Recording)[-1].others]


IN_BROWSER = signaling.Record(on=True, way="browser")
AS_BOT, NO_BOT = signaling.Record(on=True, way="bot"), signaling.Record(on=False, way="bot")


@pytest.mark.spec("recorder/own-told-before", "recorder/own-ends", "recorder/everybody-knows", "recorder/logged")
async def test_everybody_knows_who_records_for_themselves(autojump_clock: MockClock) -> None:
    shelf = Shelf()
    async with recorded(shelf) as (place, log):
        alice, bob = await place.joined("alice"), await place.joined("bob")
        alice.says(IN_BROWSER)
        await wait_all_tasks_blocked()
        bob.says(AS_BOT)
        await wait_all_tasks_blocked()
        assert others(alice) == others(bob) == [("alice", "browser"), ("bob", "bot")]
        assert told(bob)[-1] == (False, None, None)  # the server records nothing
        assert shelf.recorders == []
        own = bob.of(signaling.Recording)[-1].others[0]
        assert (own.by, own.since) == (alice.identity.participant, pytest.approx(1e9 + trio.current_time()))
        cora = await place.joined("cora")
        assert others(cora) == [("alice", "browser"), ("bob", "bot")]
        assert shelf.mail.delivered[0].people == {line.identity.participant for line in (alice, bob, cora)}
        cora.says(ON)
        await wait_all_tasks_blocked()
        assert told(bob)[-1] == (True, "cora", None)
        assert len(others(bob)) == 2
        bob.says(NO_BOT)
        await wait_all_tasks_blocked()
        assert others(alice) == others(bob) == [("alice", "browser")]
        assert told(bob)[-1] == (True, "cora", None)
        alice.says(signaling.Leave())
        await wait_all_tasks_blocked()
        assert others(bob) == []
        began = [(entry["way"], entry["name"]) for entry in log.entries if entry["what"] == "began"]
        assert began == [("browser", "alice"), ("bot", "bob"), ("server", "cora")]
        assert [entry["recording"] for entry in log.entries][:2] == ["algebra-browser", None]
        kept = await place.log.read(MINUTES, 0, 100, "recording")
        assert [(entry.body["what"], entry.body["name"]) for entry in kept] == [("ended", "bob"), ("ended", "alice")]


@pytest.mark.spec("recorder/own-ends")
async def test_ones_own_recording_outlasts_a_broken_websocket(autojump_clock: MockClock) -> None:
    async with recorded(Shelf()) as (place, _):
        alice, bob = await place.joined("alice"), await place.joined("bob")
        alice.says(AS_BOT)
        await wait_all_tasks_blocked()
        alice.breaks()
        await wait_all_tasks_blocked()
        again = place.comes_back(alice)
        await wait_all_tasks_blocked()
        assert others(again) == others(bob) == [("alice", "bot")]
        again.breaks()
        await trio.sleep(30)
        assert others(bob) == []


@pytest.mark.spec("recorder/permission", "recorder/own-told-before", "recorder/logged")
async def test_who_may_not_or_cannot_be_noted_records_nothing_of_their_own(autojump_clock: MockClock) -> None:
    shelf = Shelf(may_record=lambda join: join.token == "chair")
    async with recorded(shelf) as (place, log):
        alice, bob = await place.joined("alice", token="chair"), await place.joined("bob")
        bob.says(AS_BOT)
        await wait_all_tasks_blocked()
        assert bob.codes == ["recording-refused"]
        log.refuses = True
        alice.says(IN_BROWSER)
        await wait_all_tasks_blocked()
        assert alice.codes == ["recording-unavailable"]
        assert not alice.of(signaling.Recording)
        assert not alice.of(signaling.Upload)
        assert shelf.mail.discarded == 1
        log.refuses = False
        alice.says(AS_BOT)
        await wait_all_tasks_blocked()
        assert others(alice) == [("alice", "bot")]
        alice.says(IN_BROWSER)  # one way at a time: answered with how it is
        await wait_all_tasks_blocked()
        assert others(alice) == [("alice", "bot")]
        for _ in range(2):
            alice.says(NO_BOT)
            await wait_all_tasks_blocked()
        assert others(alice) == []


async def test_who_thinks_better_of_it_is_never_told_to_record(autojump_clock: MockClock) -> None:
    async with recorded(Shelf()) as (place, log):
        waiting = trio.Event()

        async def append(room: str, kind: str, key: str, body: dict[str, Any]) -> None:
            await waiting.wait()

        log.append = append  # type: ignore[method-assign, assignment]
        alice = await place.joined("alice")
        for message in (AS_BOT, NO_BOT):
            alice.says(message)
            await wait_all_tasks_blocked()
        waiting.set()
        await wait_all_tasks_blocked()
        assert all(not message.others for message in alice.of(signaling.Recording))
        assert [entry.body["what"] for entry in await place.log.read(MINUTES, 0, 100, "recording")] == ["ended"]


@pytest.mark.spec("recorder/own-bounded")
async def test_so_many_record_for_themselves_and_no_more(autojump_clock: MockClock) -> None:
    async with recorded(Shelf()) as (place, _):
        lines = [await place.joined(f"p{number}") for number in range(signaling.MAXIMUM_OWN_RECORDINGS + 1)]
        for line in lines:
            line.says(AS_BOT)
            await wait_all_tasks_blocked()
        assert lines[-1].codes == ["recording-unavailable"]
        assert len(others(lines[-1])) == signaling.MAXIMUM_OWN_RECORDINGS


@pytest.mark.spec("recorder/begun-bounded")
async def test_nobody_makes_any_number_of_recordings(autojump_clock: MockClock) -> None:
    """Each is a folder, entries in the log and work for a composer: on and off again, as fast as it goes."""
    shelf = Shelf()
    async with recorded(shelf) as (place, _):
        ada = await place.joined("Ada")
        for _ in range(3 * MOST_BEGUN):
            ada.says(ON)
            await wait_all_tasks_blocked()
            ada.says(STOP)
            await wait_all_tasks_blocked()
        assert len(shelf.recorders) == MOST_BEGUN
        assert set(ada.codes) == {"recording-unavailable"}
        assert "Try again later" in ada.of(signaling.Error)[0].message
        await trio.sleep(MOST_WITHIN)
        ada.says(ON)
        await wait_all_tasks_blocked()
        assert len(shelf.recorders) == MOST_BEGUN + 1


class Taking(FakeRecorder):
    """Has a place for every stream."""

    opened = 0

    def open_stream(self, name: str, about: dict[str, Any]) -> Any:
        self.opened += 1
        return SimpleNamespace(take=lambda packet, now: None, close=lambda: None)


@pytest.mark.spec("recorder/bounded-streams")
async def test_who_changes_codecs_all_the_time_makes_no_files_without_end(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("meetref.meeting.recording.MAXIMUM_STREAMS", 5)
    monkeypatch.setattr("tests.meeting.test_recorded.FakeRecorder", Taking)
    shelf, up = Shelf(), Publisher().up
    async with recorded(shelf) as (place, _):
        ada = await place.joined("Ada")
        ada.says(ON)
        await wait_all_tasks_blocked()
        room = place.rooms.rooms["algebra"]
        (person,) = room.people.values()
        person.up = up
        assert room.recorded.recording is not None
        for _ in range(20):
            up._replace(up.described("v"), "camera", trio.current_time())
            room.recorded.recording.look(trio.current_time())
        assert shelf.recorders[0].opened == 5
        person.up = None
