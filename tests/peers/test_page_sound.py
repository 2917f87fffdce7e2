"""Sound that belongs to a picture: a shared tab's is shared with it, and lips are in step with voices."""

from __future__ import annotations

import statistics
from pathlib import Path

import pytest
import trio

from tests.peers.browsers import Browser, chromium
from tests.peers.meetings import CONNECTIONS, enter, sees, sees_bot, serve

FAKES = ("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")

JUKEBOX = """data:text/html,<title>Jukebox</title><body>music<script>
const context = new AudioContext(), tone = context.createOscillator(), soft = context.createGain();
tone.frequency.value = 700; soft.gain.value = 0.2; tone.connect(soft).connect(context.destination); tone.start();
setInterval(() => { document.body.style.background = `hsl(${performance.now() / 10} 50%25 50%25)`; }, 50);
</script>"""

PEAK = """async () => {
  window.listening ??= new AudioContext();
  const found = [];
  for (const {srcObject} of document.querySelectorAll("audio")) {
    const analyser = window.listening.createAnalyser();
    analyser.fftSize = 8192;
    const source = window.listening.createMediaStreamSource(srcObject);
    source.connect(analyser);
    await new Promise((go) => setTimeout(go, 400));
    const bins = new Float32Array(analyser.frequencyBinCount);
    analyser.getFloatFrequencyData(bins);
    source.disconnect();
    const peak = bins.indexOf(Math.max(...bins));
    if (bins[peak] > -60) found.push(Math.round((peak * window.listening.sampleRate) / analyser.fftSize));
  }
  return found;
}"""
"""The loudest frequency of everything that is played and is not silent."""


@pytest.mark.peer("chromium", "chromedriver")
@pytest.mark.slow
async def test_a_shared_tab_is_seen_and_heard(tmp_path: Path) -> None:
    tab = "--auto-select-tab-capture-source-by-title=Jukebox"
    async with serve(tmp_path) as server, chromium(tab, without=FAKES) as ada, chromium() as bob:
        await ada.open_beside(JUKEBOX)
        await enter(ada, server.link("algebra", "Ada"), 1)
        await enter(bob, server.link("algebra", "Bob"), 2)
        await sees(bob, "Ada", 1)
        await ada.click("[data-test=microphone]")
        await bob.until("window.meetref.state().people.some(({audio}) => audio.muted)")
        await ada.click("[data-test=screen]")
        await bob.until("window.meetref.state().people.some(({screen}) => screen?.frames_decoded > 5)")
        for _ in range(40):
            peaks = await bob.call(PEAK)
            if any(abs(peak - 700) < 15 for peak in peaks):
                break
        assert any(abs(peak - 700) < 15 for peak in peaks), peaks
        await ada.click("[data-test=screen]")
        await bob.until("window.meetref.state().people.every(({screen}) => screen === null)")


CLAPPER = """() => {
  const canvas = document.createElement("canvas");
  canvas.width = 320; canvas.height = 180;
  const paint = canvas.getContext("2d");
  const context = new AudioContext(), tone = context.createOscillator(), gate = context.createGain();
  const out = context.createMediaStreamDestination();
  tone.frequency.value = 880; gate.gain.value = 0;
  tone.connect(gate).connect(out); tone.start(); context.resume();
  setInterval(() => {
    const on = performance.now() % 1500 < 300;
    gate.gain.value = on ? 0.3 : 0;
    paint.fillStyle = on ? "white" : "black";
    paint.fillRect(0, 0, 320, 180);
    paint.fillStyle = `hsl(${performance.now() / 20} 60% 50%)`;
    paint.fillRect(0, 170, 320, 10);
  }, 10);
  navigator.mediaDevices.getUserMedia = async (wanted) => {
    const tracks = [];
    if (wanted.video) tracks.push(canvas.captureStream(30).getVideoTracks()[0]);
    if (wanted.audio) tracks.push(out.stream.getAudioTracks()[0]);
    return new MediaStream(tracks);
  };
}"""
"""A camera that flashes and a microphone that beeps, at the same moments."""

WATCH = """async (seconds, own) => {
  let [video, track] = [null, null];
  if (own) {
    const stream = await navigator.mediaDevices.getUserMedia({audio: true, video: true});
    video = document.createElement("video");
    video.muted = true;
    video.srcObject = new MediaStream(stream.getVideoTracks());
    [track] = stream.getAudioTracks();
    document.body.append(video);
    await video.play();
  } else {
    const seats = [...document.querySelectorAll("[data-test=seat]")];
    const seat = seats.find((each) => each.querySelector("video").videoWidth);
    video = seat.querySelector("video");
    [track] = document.querySelector(`audio[data-seat="${seat.dataset.seat}"]`).srcObject.getAudioTracks();
  }
  const context = new AudioContext(), analyser = context.createAnalyser();
  analyser.fftSize = 256;
  const source = context.createMediaStreamSource(new MediaStream([track]));
  source.connect(analyser);
  const samples = new Float32Array(256), flashes = [], beeps = [];
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 4;
  const paint = canvas.getContext("2d", {willReadFrequently: true});
  let bright = true, loud = true, heardAt = 0, ended = false;
  const look = (now, {expectedDisplayTime}) => {
    paint.drawImage(video, 0, 0, 4, 3);
    const is = paint.getImageData(2, 1, 1, 1).data[1] > 128;
    if (is && !bright) flashes.push(expectedDisplayTime ?? now);
    bright = is;
    if (!ended) video.requestVideoFrameCallback(look);
  };
  video.requestVideoFrameCallback(look);
  const timer = setInterval(() => {
    analyser.getFloatTimeDomainData(samples);
    const is = samples.some((each) => Math.abs(each) > 0.03);
    if (is) heardAt = performance.now();
    if (is && !loud) beeps.push(performance.now());
    loud = is || performance.now() - heardAt < 300;
  }, 4);
  await new Promise((go) => setTimeout(go, seconds * 1000));
  ended = true;
  clearInterval(timer);
  const {state} = context;
  context.close();
  if (own) video.remove();
  const nearer = (flash) => (best, beep) => (Math.abs(beep - flash) < Math.abs(best) ? beep - flash : best);
  const offsets = flashes.map((flash) => beeps.reduce(nearer(flash), Infinity));
  return {offsets: offsets.filter((each) => Math.abs(each) < 700), flashes: flashes.length, beeps: beeps.length, state};
}"""
"""Milliseconds by which each beep comes after its flash: in one's own devices, or in what is received."""


async def measure(browser: Browser, seconds: float, *, own: bool) -> float:
    """The median offset, in seconds, of several claps."""
    found = await browser.call(WATCH, seconds, own)
    assert len(found["offsets"]) >= 4, found
    return statistics.median(found["offsets"]) / 1000


@pytest.mark.peer("chromium", "chromedriver")
@pytest.mark.slow
async def test_a_flash_and_its_beep_arrive_together(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], record_property: pytest.RecordProperty
) -> None:
    """The same instrument measures before sending and after receiving; the way between may add less than 80 ms.

    A browser needs the sender reports, and then moves sound and picture towards each other a little a second: what
    counts is what it arrives at within a minute. Chromium only: without a loudspeaker on the machine Firefox's
    AudioContext stays suspended, and with it the instrument.
    """
    async with serve(tmp_path) as server, chromium() as ada, chromium() as bob:
        await ada.preload(CLAPPER)
        await ada.open(server.link("algebra", "Ada"))
        await enter(bob, server.link("algebra", "Bob"), 2)
        await bob.until("window.meetref.state().people.some(({me, video}) => !me && video.frames_decoded > 60)")
        before = await measure(ada, 9, own=True)
        for _ in range(5):
            after = await measure(bob, 9, own=False)
            if abs(after - before) < 0.080:
                break
    words = f"{(after - before) * 1000:+.0f} ms ({before * 1000:+.0f} before, {after * 1000:+.0f} after)"
    record_property("lip sync", words)
    with capsys.disabled():
        print(f"\nlip sync, Chromium: the way adds {words} to what the beep comes after the flash")
    assert abs(after - before) < 0.080


BOT_SYNC = """async () => {
  const inbound = [];
  for (const pc of window.connections)
    for (const each of (await pc.getStats()).values()) if (each.type === "inbound-rtp") inbound.push(each);
  const played = inbound.filter((each) => each.estimatedPlayoutTimestamp && each.packetsReceived > 50);
  const sound = played.find(({kind}) => kind === "audio"), picture = played.find(({kind}) => kind === "video");
  return sound && picture ? (picture.estimatedPlayoutTimestamp - sound.estimatedPlayoutTimestamp) / 1000 : null;
}"""
"""Seconds between the moments at which what is seen and what is heard now were sent, by the sender's own clock."""


@pytest.mark.peer("chromium", "chromedriver")
@pytest.mark.slow
async def test_the_lips_of_a_bot(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One bot alone, so that there is one audio and one video stream; its clocks are those of its sender reports."""
    async with serve(tmp_path, bots=1) as server, chromium() as browser:
        await browser.preload(CONNECTIONS)
        await browser.open(server.link("demo", "Olga"))
        await sees_bot(browser, "Ada", 0)
        offsets = []
        for _ in range(60):
            offset = await browser.call(BOT_SYNC)
            if offset is not None:
                offsets.append(offset)
            await trio.sleep(0.2)
    median = statistics.median(offsets[len(offsets) // 3 :])
    with capsys.disabled():
        print(f"\nlip sync of a bot, by Chromium's playout clocks: {median * 1000:+.0f} ms")
    assert abs(median) < 0.080
