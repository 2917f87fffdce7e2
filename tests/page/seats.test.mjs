// Seats outlive the people in them: when a name changes, and what is counted for whom.
import assert from "node:assert/strict";
import { test } from "node:test";
import { reached, Seat, Seats } from "../../meetref/app/page/seats.js";

const entry = (person, more = {}) => ({
  seat: 0,
  audio: "0",
  video: "1",
  person,
  source: "camera",
  audio_from: null,
  video_from: null,
  ...more,
});
const settled = () => new Promise((resolve) => setImmediate(resolve));

/** A receiver whose last played timestamp and counted frames a test can set. */
function receiver(frames = 0) {
  return {
    timestamp: null,
    frames,
    getSynchronizationSources() {
      return this.timestamp === null ? [] : [{ rtpTimestamp: this.timestamp, audioLevel: 0.5 }];
    },
    async getStats() {
      return new Map([["a", { type: "inbound-rtp", framesDecoded: this.frames, totalAudioEnergy: this.frames / 10 }]]);
    },
  };
}

function seat() {
  const made = new Seat(0);
  made.receivers = { audio: receiver(), video: receiver() };
  return made;
}

const count = (frames, energy = 0) => [
  new Map([
    ["1", { frames, width: 640, height: 360, energy: 0, level: null }],
    ["0", { frames: 0, width: 0, height: 0, energy, level: null }],
  ]),
];

test("timestamps wrap around", () => {
  assert.ok(reached(5, 0xfffffff0));
  assert.ok(!reached(0xfffffff0, 5));
  assert.ok(reached(7, 7));
});

test("an empty seat is taken and left at once", () => {
  const one = seat();
  assert.equal(one.assign(entry("ann"), 0), true);
  assert.equal(one.occupant.person, "ann");
  assert.equal(one.assign(entry(null), 1), true);
  assert.equal(one.occupant, null);
});

test("the name changes with the first packet of the next person that is played", () => {
  const one = seat();
  one.assign(entry("ann"), 0);
  one.receivers.video.timestamp = 1000;
  assert.equal(one.assign(entry("ben", { video_from: 4000 }), 10), false);
  assert.equal(one.occupant.person, "ann");
  one.receivers.video.timestamp = 3999;
  assert.equal(one.tick(10.1), false);
  one.receivers.video.timestamp = 4000;
  assert.equal(one.tick(10.2), true);
  assert.equal(one.occupant.person, "ben");
});

test("sound may be first", () => {
  const one = seat();
  one.assign(entry("ann"), 0);
  one.receivers.audio.timestamp = 960;
  assert.equal(one.assign(entry("ben", { audio_from: 960, video_from: 9 }), 10), true);
});

test("half a second is the longest that an old name stays", () => {
  const one = seat();
  one.assign(entry("ann"), 0);
  one.assign(entry("ben"), 10);
  assert.equal(one.tick(10.49), false);
  assert.equal(one.tick(10.5), true);
  assert.equal(one.occupant.person, "ben");
});

test("the timestamp may become known while the change waits", () => {
  const one = seat();
  one.assign(entry("ann"), 0);
  one.receivers.video.timestamp = 5000;
  one.assign(entry("ben"), 10);
  assert.equal(one.assign(entry("ben", { video_from: 4500 }), 10.1), true);
});

test("a change that is taken back never shows", () => {
  const one = seat();
  one.assign(entry("ann"), 0);
  one.assign(entry("ben"), 10);
  one.assign(entry("ann"), 10.1);
  assert.equal(one.tick(11), false);
  assert.equal(one.occupant.person, "ann");
});

test("figures count from when the person sat down", async () => {
  const one = seat();
  one.receivers.video.frames = 300;
  one.receivers.audio.frames = 50;
  one.assign(entry("ann"), 0);
  assert.equal(one.figures().frames, 0);
  await settled();
  one.measure(...count(310, 6), 0.2);
  assert.equal(one.figures().frames, 10);
  assert.equal(one.figures().energy, 1);
});

test("the same person named again keeps the figures", async () => {
  const one = seat();
  one.assign(entry("ann"), 0);
  await settled();
  one.measure(...count(20), 0.2);
  assert.equal(one.assign(entry("ann", { video_from: 5 }), 1), false);
  assert.equal(one.figures().frames, 20);
});

test("a picture flows while new frames come, and begins with the person's own", async () => {
  const one = seat();
  one.receivers.video.frames = 300;
  one.assign(entry("ann", { video_from: 9000 }), 0);
  await settled();
  assert.equal(one.presented(8999, 0.1), false);
  assert.equal(one.flows(0.1), false);
  assert.equal(one.presented(9000, 0.2), true);
  one.measure(...count(301), 0.2);
  assert.equal(one.flows(1), true);
  one.measure(...count(301), 3);
  assert.equal(one.flows(3), false);
  one.measure(...count(302), 4);
  assert.equal(one.flows(4), true);
});

test("where no timestamp is known, a frame right after the change may still be the old person's", async () => {
  const one = seat();
  one.receivers.video.frames = 300;
  one.assign(entry("ann"), 0);
  await settled();
  assert.equal(one.presented(undefined, 0.3), false);
  assert.equal(one.presented(undefined, 0.6), true);
});

test("a camera that was off begins again, and the figures go on", async () => {
  const one = seat();
  one.assign(entry("ann"), 0);
  await settled();
  one.measure(...count(20), 0.2);
  one.rewind(5);
  one.measure(...count(20), 5.1);
  assert.equal(one.begun, false);
  one.measure(...count(21), 5.6);
  assert.equal(one.begun, true);
  assert.equal(one.figures().frames, 21);
});

test("a person may be seen in one seat and heard in another", () => {
  const seats = new Seats(() => 0);
  seats.assign([
    entry("ann", { seat: 0, audio: null }),
    entry("ann", { seat: 30, video: null }),
    entry("ann", { seat: 1, source: "screen" }),
  ]);
  assert.equal(seats.of("ann").video.number, 0);
  assert.equal(seats.of("ann").audio.number, 30);
  assert.equal(seats.of("ann", "screen").video.number, 1);
  assert.equal(seats.of("ben").video, null);
});

test("seats that the list does not name are gone", () => {
  const seats = new Seats(() => 0);
  seats.assign([entry("ann"), entry("ben", { seat: 1 })]);
  seats.assign([entry("ann")]);
  assert.deepEqual([...seats.all.keys()], [0]);
});
test("who is looked at again begins with a new picture, and keeps seat and sound", async () => {
  const seats = new Seats(() => 0);
  seats.assign([entry("ann")]);
  const ann = seats.all.get(0);
  ann.receivers = { audio: receiver(), video: receiver() };
  await settled();
  ann.measure(...count(20), 0.2);
  assert.ok(ann.begun);
  let changes = 0;
  seats.addEventListener("changed", () => (changes += 1));
  seats.assign([entry("ann", { video: null })]);
  assert.deepEqual([seats.of("ann").video, seats.of("ann").audio.number, changes], [null, 0, 1]);
  seats.assign([entry("ann", { video_from: 9000 })]);
  assert.deepEqual([seats.of("ann").video.begun, changes], [false, 2]);
  assert.equal(ann.presented(8000, 3), false);
  assert.equal(ann.presented(9000, 3), true);
});

test("the server's reasons are kept for the seats it names, until it names them no more", () => {
  const seats = new Seats(() => 0);
  seats.assign([entry("ann"), entry("ben", { seat: 1 })]);
  seats.explain([
    { seat: 0, state: "paused", reason: "paused: 180 of 220 kbit/s", layer: null },
    { seat: 1, state: "playing", reason: null, layer: "half" },
    { seat: 7, state: "paused", reason: null, layer: null },
  ]);
  const told = () => [...seats.all.values()].map(({ paused, layer }) => [paused, layer]);
  assert.deepEqual(told(), [["paused: 180 of 220 kbit/s", null], [null, "half"]]);
  seats.explain([]);
  assert.deepEqual(told(), [[null, null], [null, null]]);
});
