"""An hour, composed in one piece: lips are together from its beginning to its end, and memory does not grow with it.

The clocks of two people run differently from ours and from each other's, as do those of their sound cards; networks
lose and delay, one of them stands nearly still for five minutes; microphones are muted, and of one of them timestamps
stand still meanwhile. Reports are as noisy as Chromium's. Takes some minutes: `pytest --soak`.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import av
import numpy as np
import pytest

from meetref.media.clock import to_ntp
from meetref.media.layout import grid
from meetref.wire import rtcp
from tests.archive.recorded import Delay, Person, Recorded, Source, send_pictures, send_tone
from tests.peers.claps import STEP, middles

WIDTH, HEIGHT = 320, 180
PROGRAM = f"""
import sys
from pathlib import Path
from meetref.archive import composer, film
composer.WIDTH = film.WIDTH = {WIDTH}
composer.HEIGHT = film.HEIGHT = {HEIGHT}
composer.compose(Path(sys.argv[1]), Path(sys.argv[2]))
[peak] = [line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
print(peak)
"""
"""Films of a size that is quickly encoded. It says itself what memory it took: wait4 counts ours, from the fork."""
HOUR = 3600.0
EVERY, LASTS = 30.0, 0.4  # seconds
TOGETHER = 0.040  # seconds
MOST_MEMORY = 400e6  # octets
REPORT_NOISE = {48000: 0.017, 90000: 0.002}  # seconds, of sound and of pictures


@dataclass
class Noisy(Source):
    """Its reports are wrong by some milliseconds."""

    dice: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.dice = random.Random(self.ssrc)

    def report(self, at: float) -> None:
        noise = REPORT_NOISE[self.rate]
        wall = self.person.wall(at) + self.dice.uniform(-noise, noise)
        report = rtcp.SenderReport(self.ssrc, to_ntp(wall), self.timestamp(at), 0, 0)
        self.packets.append((at + 0.03, rtcp.serialize([report])))


@dataclass
class Clapping:
    """Somebody who claps every thirty seconds, the first time at `first`; muted in some stretches."""

    person: Person
    drift: float
    first: float
    tone: float
    muted: list[tuple[float, float]]
    slow: tuple[float, float]
    """From when to when the network is slow."""

    def is_on(self, at: float) -> bool:
        return (at + 0.001 - self.first) % EVERY < LASTS

    def add_to(self, recorded: Recorded, seconds: float) -> None:
        number = round(self.tone)
        camera = Noisy(self.person, 90000, number, way(number, self.slow))
        microphone = Noisy(self.person, 48000, number + 1, way(number + 1, self.slow, loss=0.01), drift=self.drift)
        recorded.join(0.0, self.person)
        send_pictures(camera, 0, seconds, lambda at: 220 if self.is_on(at) else 60, frame_rate=5)
        begins = 0.0
        for mutes, unmutes in [*self.muted, (seconds, seconds)]:
            send_tone(microphone, begins, min(mutes, seconds), self.tone, sounds=self.is_on, red=True)
            if unmutes < seconds:
                recorded.devices(mutes, self.person, microphone="muted")
                recorded.devices(unmutes, self.person)
                microphone.base -= round((unmutes - mutes) * 48000)  # they stand still meanwhile
            begins = unmutes
        recorded.add("camera", camera)
        recorded.add("microphone", microphone)

    def claps(self, seconds: float) -> list[float]:
        """The middles of those that are heard."""
        every = np.arange(self.first, seconds - 1, EVERY)
        return [
            at + LASTS / 2 for at in every if not any(mutes - 1 < at < unmutes + 1 for mutes, unmutes in self.muted)
        ]


def way(seed: int, slow: tuple[float, float], loss: float = 0.0) -> Delay:
    """A network that is slow for a while."""
    dice = random.Random(seed)

    def delay(at: float) -> float | None:
        if dice.random() < loss:
            return None
        return 0.02 + 0.08 * dice.random() ** 4 + (0.3 if slow[0] < at < slow[1] else 0)

    return delay


def compose(folder: Path, out: Path) -> tuple[float, float]:
    """In a process of its own, as a worker does; CPU seconds, and octets of memory at most."""
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, str(folder), str(out)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    with process.stdout:
        said = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return used.ru_utime + used.ru_stime, int(said) * 1024.0


def shown(film: Path) -> tuple[np.ndarray, np.ndarray]:
    """How bright each half is, a row a picture, and all samples."""
    with av.open(str(film)) as file:
        file.streams.video[0].thread_type = "AUTO"
        tiles = [(tile.top + tile.height // 2, tile.left + tile.width // 2) for tile in grid(2, WIDTH, HEIGHT)]
        bright = [
            [np.frombuffer(frame.planes[0], np.uint8)[y * frame.planes[0].line_size + x] for y, x in tiles]
            for frame in file.decode(video=0)
        ]
    with av.open(str(film)) as file:
        samples = np.concatenate([frame.to_ndarray().reshape(-1) for frame in file.decode(audio=0)])
    return np.array(bright), samples


def skews(clapping: Clapping, bright: np.ndarray, samples: np.ndarray, seconds: float) -> list[float]:
    """By how much each beep is behind its flash."""
    steps = samples[: len(samples) // STEP * STEP].reshape(-1, STEP)
    loud = np.abs(steps @ np.exp(2j * np.pi * clapping.tone * np.arange(STEP) / 48000)) / STEP
    flashes = list(middles(bright > 140, np.arange(len(bright)) / 30))
    beeps = list(middles(loud > 0.05, np.arange(len(loud)) * STEP / 48000))
    found = []
    for at in clapping.claps(seconds):
        flash, beep = (min(each, key=lambda moment, at=at: abs(moment - at)) for each in (flashes, beeps))  # type: ignore[misc]
        assert abs(flash - at) < 0.2 > abs(beep - at), (at, flash, beep)
        found.append(beep - flash)
    return found


@pytest.mark.slow
@pytest.mark.soak(ci=0, full=1)
@pytest.mark.spec("composer/lips-together", "composer/bounded")
def test_an_hour_in_one_piece(seed: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ada = Clapping(Person("Ada", off=300.0, skew=100e-6), 100e-6, 2.0, 700, [(600, 720), (2100, 2160)], (900, 1200))
    ben = Clapping(Person("Ben", off=-7.0, skew=-150e-6), 200e-6, 17.0, 1100, [(1500, 1800)], (2700, 3000))
    recorded = Recorded(tmp_path / "20261128T102345Z-algebra-9fe37c")
    for clapping in (ada, ben):
        clapping.add_to(recorded, HOUR)
    cpu, memory = compose(recorded.write(HOUR), tmp_path / "film")
    bright, samples = shown(tmp_path / "film" / "film.mp4")
    with capsys.disabled():
        print(f"\n{HOUR / cpu:.1f} seconds of film in a CPU second, {memory / 1e6:.0f} MB")
    for number, clapping in enumerate((ada, ben)):
        apart = skews(clapping, bright[:, number], samples, HOUR)
        places = {"begin": apart[0], "middle": apart[len(apart) // 2], "end": apart[-1], "worst": max(apart, key=abs)}
        with capsys.disabled():
            said = ", ".join(f"{1000 * at:+.0f} ms {what}" for what, at in places.items())
            print(f"{clapping.person.name}: {said} of {len(apart)}")
        assert max(map(abs, apart)) < TOGETHER, apart
    assert memory < MOST_MEMORY
