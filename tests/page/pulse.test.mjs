// Silence is noticed where something was due, and only there.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Pulse, received, Rhythm } from "../../meetref/app/page/pulse.js";

/** Readings every 0.12 s: `pattern` says for each whether something new had come. */
function feel(rhythm, pattern, start = 0) {
  let now = start;
  let octets = rhythm.octets ?? 0;
  for (const grew of pattern) {
    now += 0.12;
    octets += grew ? 100 : 0;
    rhythm.sample(octets, now);
  }
  return now;
}

const steadily = (count) => Array(count).fill(true);
const nothing = (count) => Array(count).fill(false);

test("half a second of nothing after a steady flow is silence", () => {
  const rhythm = new Rhythm();
  const now = feel(rhythm, steadily(30));
  assert.equal(rhythm.silent(now + 0.49), false);
  assert.equal(rhythm.silent(now + 0.51), true);
});

test("what came only now and then is not missed so soon", () => {
  const rhythm = new Rhythm();
  const now = feel(rhythm, Array.from({ length: 60 }, (_, index) => index % 8 === 0));
  assert.equal(rhythm.silent(now + 1), false);
  assert.equal(rhythm.silent(now + 3, "sparse"), true);
});

test("nothing that ever came is no silence", () => {
  const rhythm = new Rhythm();
  const now = feel(rhythm, nothing(50));
  assert.equal(rhythm.silent(now + 100), false);
  assert.equal(rhythm.silent(now + 100, "sparse"), false);
});

test("a last packet from the old path ends no silence, a new flow does", () => {
  const rhythm = new Rhythm();
  let now = feel(rhythm, [...steadily(30), ...nothing(6)]);
  assert.equal(rhythm.silent(now), true);
  now = feel(rhythm, [true], now);
  assert.equal(rhythm.silent(now, "dense", true), true);
  now = feel(rhythm, steadily(6), now);
  assert.equal(rhythm.silent(now, "dense", true), false);
});

test("fewer octets than before are another count, not life", () => {
  const rhythm = new Rhythm();
  const now = feel(rhythm, steadily(30));
  rhythm.sample(5, now + 0.6);
  assert.equal(rhythm.silent(now + 0.6), true);
});

test("octets are the transport's, or those of all pairs", () => {
  const pair = (bytesReceived) => ({ type: "candidate-pair", bytesReceived });
  const report = (...entries) => new Map(entries.map((entry, index) => [index, entry]));
  assert.equal(received(report(pair(1), { type: "transport", bytesReceived: 9 })), 9);
  assert.equal(received(report(pair(1), pair(2), { type: "codec" })), 3);
  assert.equal(received(report({ type: "codec" })), null);
});

test("a pulse says it once, and says when it is over", async () => {
  let now = 0;
  let octets = 0;
  const said = [];
  const connection = (sends) => ({
    sends,
    pc: { getStats: async () => new Map([[0, { type: "transport", bytesReceived: octets }]]) },
  });
  const pulse = new Pulse({ clock: () => now });
  for (const kind of ["silent", "alive"]) pulse.addEventListener(kind, () => said.push(kind));
  const live = async (seconds, flows, sends = true) => {
    for (const end = now + seconds; now < end; now += 0.05) {
      if (flows) octets += 10;
      pulse.beat({ up: connection(sends), down: connection(sends) });
      await null;
      await null;
      await null;
    }
  };
  await live(4, true);
  assert.deepEqual(said, []);
  await live(2, false);
  assert.deepEqual(said, ["silent"]);
  await live(3, true);
  assert.deepEqual(said, ["silent", "alive"]);
  await live(4, false, false); // nothing is sent up any more; on down there was never anything
  assert.deepEqual(said, ["silent", "alive"]);
});

test("a new connection is not judged by the silence of the one before", async () => {
  let now = 0;
  let octets = 5000;
  const said = [];
  const connection = { sends: true, pc: { getStats: async () => new Map([[0, { type: "transport", bytesReceived: octets }]]) } };
  const pulse = new Pulse({ clock: () => now });
  for (const kind of ["silent", "alive"]) pulse.addEventListener(kind, () => said.push(kind));
  const live = async (seconds, sends, flows) => {
    for (const end = now + seconds; now < end; now += 0.05) {
      if (flows) octets += 10;
      pulse.beat({ up: { ...connection, sends }, down: connection });
      for (let turn = 0; turn < 3; turn += 1) await null;
    }
  };
  await live(3, false, true); // down has something, up is not there yet
  now += 20; // the server is gone, and another one comes
  for (const direction of ["up", "down"]) pulse.renew(direction);
  octets = 0; // counted from the beginning
  await live(3, false, false);
  await live(2, true, true);
  assert.deepEqual(said, []);
  await live(2, true, false);
  assert.deepEqual(said, ["silent"]);
});

test("who neither sends anything nor could be sent anything misses nothing", async () => {
  let now = 0;
  let octets = 0;
  const said = [];
  const connection = { sends: false, pc: { getStats: async () => new Map([[0, { type: "transport", bytesReceived: octets }]]) } };
  const pulse = new Pulse({ clock: () => now });
  for (const kind of ["silent", "alive"]) pulse.addEventListener(kind, () => said.push(kind));
  const live = async (seconds, others) => {
    for (const end = now + seconds; now < end; now += 0.05) {
      pulse.beat({ up: connection, down: connection, others });
      for (let turn = 0; turn < 3; turn += 1) await null;
    }
  };
  const person = { microphone: "none", camera: "none", screen: false };
  for (const others of [[], [person, { ...person, microphone: "muted", camera: "off" }]]) {
    await live(1, others);
    octets += 100; // a check of the path, now and then
    await live(5, others);
  }
  assert.deepEqual(said, []);
  for (const more of [{ microphone: "on" }, { camera: "on" }, { screen: true }]) {
    await live(1, [{ ...person, ...more }]);
    octets += 100;
    await live(4, [{ ...person, ...more }]);
    await live(1, []);
  }
  assert.deepEqual(said, ["silent", "alive", "silent", "alive", "silent", "alive"]);
});

test("what the browser itself calls disconnected needs no half second", async () => {
  let now = 0;
  let octets = 0;
  const said = [];
  const connection = (state) => ({
    state,
    sends: state === "connected",
    pc: { getStats: async () => new Map([[0, { type: "transport", bytesReceived: octets }]]) },
  });
  const pulse = new Pulse({ clock: () => now });
  for (const kind of ["silent", "alive"]) pulse.addEventListener(kind, () => said.push(kind));
  const live = async (seconds, up, down) => {
    for (const end = now + seconds; now < end; now += 0.05) {
      if (up === "connected") octets += 10;
      pulse.beat({ up: connection(up), down: connection(down) });
      for (let turn = 0; turn < 3; turn += 1) await null;
    }
  };
  await live(1, "connecting", "new");
  await live(3, "connected", "connected");
  assert.deepEqual(said, []);
  await live(0.15, "disconnected", "connected");
  assert.deepEqual(said, ["silent"]);
  await live(3, "failed", "disconnected");
  assert.deepEqual(said, ["silent"]);
  await live(2, "connected", "connected");
  assert.deepEqual(said, ["silent", "alive"]);
});
