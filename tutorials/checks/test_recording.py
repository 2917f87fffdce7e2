"""Checks what records: tutorial 12. Run with `--module my_recording.py`.

Asked for: `read_journal(data)` (None, or an object with `header`, `records`, `size` and `closed`); `Writer()` with
`begin(header)`, `add(arrival, content)` and `end(arrival)`, which give octets; `heal(data)`; `place(streams)`;
`mix(voices, length)` and `mix_minus(voices, length)`.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import zlib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from struct import pack, unpack
from types import ModuleType
from typing import Any

import pytest

REFERENCE = "tutorials.checks.recording_of_ours"
ROOT = Path(__file__).parents[2]
VECTORS = ROOT / "vectors" / "journal"
FORMAT = "docs/journal.md"
NTP_EPOCH = 2_208_988_800
WAY = 0.05
HEADER = {"holds": "packets", "stream": "s"}


def cases(name: str) -> list[Any]:
    groups = json.loads((VECTORS / f"{name}.json").read_text())["groups"]
    found = [pytest.param(case, id=case["id"]) for group in groups for case in group["tests"]]
    assert len(found) > 3
    return found


# --- step 1: read -------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", cases("damage"))
def test_1_damage(module: ModuleType, case: Any) -> None:
    journal = module.read_journal(bytes.fromhex(case["in"]["hex"]))
    told = f"{FORMAT}: {case['comment']}"
    if case["result"] == "invalid":
        assert journal is None, told
        return
    wanted = case["out"]
    assert journal is not None, told
    assert journal.header == wanted["header"], told
    assert [[at, content.hex()] for at, content in journal.records] == wanted["records"], told
    assert (journal.size, journal.closed) == (wanted["size"], wanted["closed"]), told


def test_1_anything(module: ModuleType) -> None:
    dice = random.Random(12)
    whole = (VECTORS / "sample" / "manifest.mrj").read_bytes()
    for _ in range(300):
        data = bytearray(whole)
        data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
        journal = module.read_journal(bytes(data[: dice.randrange(len(data) + 1)]))
        assert journal is None or journal.size <= len(data)
        assert module.read_journal(dice.randbytes(dice.randrange(200))) is None


def test_1_a_header_that_is_no_object(module: ModuleType) -> None:
    for header in ([], 7, None, "text"):
        assert module.read_journal(module.Writer().begin(header)) is None, FORMAT


def test_1_a_file_of_another_kind(module: ModuleType) -> None:
    opening = module.Writer().begin(HEADER)
    head = b"\x89PNG" + opening[4:12]
    crc = zlib.crc32(opening[16:], zlib.crc32(head))
    assert module.read_journal(head + crc.to_bytes(4) + opening[16:]) is None, FORMAT


# --- step 2: write and mend ---------------------------------------------------------------------------


def write(module: ModuleType, given: Any) -> bytes:
    writer = module.Writer()
    octets: bytes = writer.begin(json.loads(given["header"]))
    for at, content in given["records"]:
        octets += writer.add(at, bytes.fromhex(content))
    return octets if given["end"] is None else octets + writer.end(given["end"])


@pytest.mark.parametrize("case", cases("writing"))
def test_2_writing(module: ModuleType, case: Any) -> None:
    given, told = case["in"], f"{FORMAT}: {case['comment']}"
    if case["result"] == "invalid":
        with pytest.raises(ValueError, match=r"."):
            write(module, given)
        return
    octets = write(module, given)
    assert octets.hex() == case["out"]["hex"], told


def written(module: ModuleType, count: int) -> tuple[bytes, list[int]]:
    """A journal that is not closed, and where each of its records ends."""
    writer, ends = module.Writer(), []
    octets = writer.begin(HEADER)
    for number in range(count):
        octets += writer.add(1000 * number, bytes([number]) * (number + 1))
        ends.append(len(octets))
    return octets, ends


def test_2_healed_at_any_octet(module: ModuleType) -> None:
    octets, ends = written(module, 9)
    for cut in range(len(octets) + 1):
        for rubbish in (b"", bytes(50), octets[:50]):
            healed = module.heal(octets[:cut] + rubbish)
            if healed is None:
                assert cut < ends[0] - 15 or rubbish, "nothing but an opening that is not whole is given up"
                continue
            journal = module.read_journal(healed)
            assert journal.closed, f"{FORMAT}, Healing"
            assert journal.size == len(healed)
            assert len(journal.records) >= sum(end <= cut for end in ends)
            assert module.heal(healed) == healed, "a crash while healing does no harm"


def test_2_what_is_closed_stays(module: ModuleType) -> None:
    for path in sorted((VECTORS / "sample").glob("*.mrj")):
        data = path.read_bytes()
        assert module.heal(data) == data
        assert module.heal(data + b"more") == data


WRITES = """
import importlib, importlib.util, os, sys
from tutorials.checks.conftest import load
from pathlib import Path
name, file = sys.argv[1:]
module = load(Path(name)) if name.endswith(".py") else importlib.import_module(name)
writer, out = module.Writer(), os.open(file, os.O_CREAT | os.O_WRONLY)
os.write(out, writer.begin({"holds": "packets"}))
for number in range(10 ** 9):
    os.write(out, writer.add(number, number.to_bytes(8) * 150))
    print(number, flush=True)
"""


def test_2_a_writer_that_is_killed(module: ModuleType, tmp_path: Path) -> None:
    name = getattr(module, "__file__", None) if module.__name__.startswith("learner_") else REFERENCE
    for kill in range(3):
        file = tmp_path / f"{kill}.mrj"
        process = subprocess.Popen(
            [sys.executable, "-c", WRITES, str(name), str(file)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(50 + 100 * kill)]
        process.kill()
        said += list(process.stdout)
        process.wait()
        process.stdout.close()
        journal = module.read_journal(module.heal(file.read_bytes()))
        assert journal.closed
        numbers = [int.from_bytes(content[:8]) for _, content in journal.records]
        assert numbers == list(range(len(numbers)))
        assert len(numbers) >= int([line for line in said if line.endswith("\n")][-1]) + 1, "what was written is there"


# --- step 3: when everything was ----------------------------------------------------------------------


class Person:
    """Somebody who sends sound and pictures: clocks that run differently, a way with a queue, and reports."""

    def __init__(
        self, *, minutes: float, drift: float = 0.0, crystal: float = 0.0, queue: float = 0.0, losses: float = 0.0
    ) -> None:
        self.drift, self.crystal, self.queue, self.losses = drift, crystal, queue, losses
        self.lasts = 60 * minutes
        self.dice = random.Random(7)
        self.streams = {"microphone": (48000, self.sent(48000, 1)), "camera": (90000, self.sent(90000, 2))}

    def moments(self) -> Iterator[float]:
        """By our clock, from half a second on."""
        count = round((self.lasts - 0.5) * 2)
        return (0.5 + number / 2 for number in range(count))

    def sent(self, rate: int, ssrc: int) -> list[tuple[float, bytes]]:
        first, records = 2**32 - 20 * rate + self.dice.randrange(rate), []  # timestamps wrap soon
        for number, moment in enumerate(self.moments()):
            if self.dice.random() < self.losses:
                continue
            theirs = 5e8 + moment * (1 + self.drift)  # their wall clock is years off
            pace = rate * (1 + self.crystal * (1 if ssrc == 1 else -1))
            timestamp = first + round(pace * moment) & 0xFFFFFFFF
            waits = self.queue * self.dice.random() ** 2 if ssrc == 1 else self.queue  # all pictures are queued
            came = moment + WAY + waits
            if number % 4 == ssrc:
                ntp = round((theirs + NTP_EPOCH) * 2**32)
                records.append((came, pack("!BBHIQIII", 128, 200, 6, ssrc, ntp & 2**64 - 1, timestamp, 0, 0)))
            records.append((came, pack("!BBHII", 128, 96, number & 0xFFFF, timestamp, ssrc) + pack("!d", moment)))
        return records

    def errors(self, module: ModuleType) -> dict[str, list[float]]:
        """By how much each packet was placed too late, in seconds; the way itself, 50 ms, is not known to anybody."""
        placed = module.place(self.streams)
        return {name: [at - WAY - moment_of(content) for at, content in packets] for name, packets in placed.items()}


def moment_of(content: bytes) -> float:
    """When it was, by our clock: its payload says so."""
    return float(unpack("!d", content[12:20])[0])


def skew(errors: dict[str, list[float]]) -> float:
    """How far sound and picture are apart, at most: their medians of each stretch."""
    worst = 0.0
    for start in range(0, len(errors["camera"]) - 60, 60):
        sound, picture = (sorted(errors[name][start : start + 60])[30] for name in ("microphone", "camera"))
        worst = max(worst, abs(sound - picture))
    return worst


def test_3_sound_and_picture_together(module: ModuleType) -> None:
    errors = Person(minutes=2).errors(module)
    assert skew(errors) < 0.005
    assert max(map(abs, errors["microphone"])) < 0.005, "the fastest packet's way is not known; no more than that"


def test_3_every_packet_has_its_place(module: ModuleType) -> None:
    person = Person(minutes=1, losses=0.2)
    placed = module.place(person.streams)
    for name, (_, records) in person.streams.items():
        assert sorted(content for _, content in placed[name]) == sorted(
            content for _, content in records if not 192 <= content[1] <= 223
        )


def test_3_a_queue_parts_them_not(module: ModuleType) -> None:
    errors = Person(minutes=3, queue=0.4).errors(module)
    assert skew(errors) < 0.04, "RFC 3550 section 6.4.1: sender reports tie both to one clock"


@pytest.mark.parametrize("drift", [100e-6, -100e-6])
def test_3_an_hour_of_drift(module: ModuleType, drift: float) -> None:
    errors = Person(minutes=60, drift=drift, crystal=60e-6, queue=0.2).errors(module)
    assert skew(errors) < 0.04, "two crystals disagree by 120 millionths: 430 ms in an hour"
    late = sorted(errors["microphone"][-600:])[300]
    assert abs(late) < 0.04, "their clock against ours: 360 ms in an hour"


def test_3_without_reports(module: ModuleType) -> None:
    person = Person(minutes=1)
    streams = {
        name: (rate, [each for each in records if not 192 <= each[1][1] <= 223])
        for name, (rate, records) in person.streams.items()
    }
    for name, packets in module.place(streams).items():
        assert len(packets) == len(streams[name][1])
        assert all(abs(at - WAY - moment_of(content)) < 0.01 for at, content in packets), "arrival has to do"


def test_3_the_sample(module: ModuleType) -> None:
    streams: dict[str, tuple[int, list[tuple[float, bytes]]]] = {}
    for path in (VECTORS / "sample").glob("*-*.mrj"):
        journal = module.read_journal(path.read_bytes())
        if journal.header["name"] == "bob":
            rate = max(codec["clock_rate"] for codec in journal.header["codecs"].values())
            streams[journal.header["source"]] = rate, [(at / 1e6, content) for at, content in journal.records]
    placed = module.place(streams)
    for name, (_, records) in streams.items():
        came = {content: at for at, content in records}
        assert all(-0.002 < came[content] - at < 0.3 for at, content in placed[name])
        times = [at for at, _ in sorted(placed[name], key=lambda each: each[1][2:8])]
        assert max(abs(b - a) for a, b in pairwise(times)) < 0.5


# --- step 4: mix --------------------------------------------------------------------------------------


def voices_of(seed: int, loudest: int) -> list[tuple[int, list[int]]]:
    dice = random.Random(seed)
    return [
        (dice.randrange(0, 40), [dice.randint(-loudest, loudest) for _ in range(dice.randrange(100))])
        for _ in range(dice.randrange(2, 6))
    ]


def summed(voices: list[tuple[int, list[int]]], length: int) -> list[int]:
    return [
        sum(samples[place - start] for start, samples in voices if start <= place < start + len(samples))
        for place in range(length)
    ]


@pytest.mark.parametrize("seed", range(8))
def test_4_to_the_last_bit(module: ModuleType, seed: int) -> None:
    voices = voices_of(seed, 4000)
    assert list(module.mix(voices, 120)) == summed(voices, 120)
    heard = module.mix_minus(voices, 120)
    for number, mixed in enumerate(heard):
        others = voices[:number] + voices[number + 1 :]
        assert list(mixed) == summed(others, 120), "everybody but oneself"


@pytest.mark.parametrize("seed", range(8))
def test_4_too_loud(module: ModuleType, seed: int) -> None:
    voices = voices_of(seed, 32767)
    for made, right in zip(module.mix(voices, 120), summed(voices, 120), strict=True):
        assert -32768 <= made <= 32767
        if abs(right) <= 24000:
            assert made == right, "what fits stays as it is"
        else:
            assert made * right > 0, "too loud is cut off or bent, and never wraps"
            assert abs(made) >= 24000


def test_4_cut_off_last(module: ModuleType) -> None:
    loud, against = (0, [32000] * 4), (0, [-32000] * 4)
    assert list(module.mix([loud, loud, against, against], 4)) == [0] * 4
    heard = module.mix_minus([loud, loud, against], 4)
    assert list(heard[0]) == [0] * 4
    assert all(24000 <= sample <= 32767 for sample in heard[2]), "the sum without one is cut off, not the sum of all"


def test_4_silence(module: ModuleType) -> None:
    assert list(module.mix([], 5)) == [0] * 5
    assert list(module.mix([(3, [7, 7, 7])], 5)) == [0, 0, 0, 7, 7]
    assert [list(each) for each in module.mix_minus([(0, [1, 2])], 2)] == [[0, 0]]
