// Small things in words and numbers: rooms, initials, levels, troubles.
import assert from "node:assert/strict";
import { test } from "node:test";
import { barLength, SpeakingDetector } from "../../meetref/app/page/levels.js";
import { hue, initials } from "../../meetref/app/page/avatar.js";
import { inventName, roomIn, roomName } from "../../meetref/app/page/start.js";
import {
  connectionWords,
  deviceTrouble,
  ending,
  environmentTrouble,
  lostWords,
  sayTroubles,
} from "../../meetref/app/page/trouble.js";

const ROOM = /^[a-z0-9][a-z0-9-]{0,62}$/u; // as in meetref/wire/signaling.py

test("what a person writes becomes the name of a room", () => {
  assert.equal(roomName("  Größe & Maß! "), "grosse-mass");
  assert.equal(roomName("Éclair Team"), "eclair-team");
  assert.equal(roomName("--a--b--"), "a-b");
  assert.equal(roomName("!!!"), "");
  assert.match(roomName("x".repeat(62) + "-yz"), ROOM);
});

test("a pasted link is a room, too", () => {
  assert.equal(roomIn("http://localhost:8080/team-sync?name=x&join=now"), "team-sync");
  assert.equal(roomIn("Team sync"), "team-sync");
});

test("an invented name is a proper one", () => {
  for (let count = 0; count < 50; count += 1) assert.match(inventName(), ROOM);
});

test("initials", () => {
  assert.equal(initials("Ada Lovelace"), "AL");
  assert.equal(initials("  grace  brewster hopper "), "GH");
  assert.equal(initials("blaise"), "B");
  assert.equal(initials("𝒳y z"), "𝒳Z");
  assert.equal(initials("  "), "?");
});

test("a name has one colour, and names have different ones", () => {
  assert.equal(hue("Ada"), hue("Ada"));
  const hues = ["Ada", "Blaise", "Cora", "Dan", "Emil"].map(hue);
  assert.ok(new Set(hues).size >= 4);
  for (const one of hues) assert.ok(one >= 0 && one < 360);
});

test("speaking begins with two loud samples and outlasts a pause between words", () => {
  const detector = new SpeakingDetector();
  assert.equal(detector.sample(0.2, 0), false);
  assert.equal(detector.sample(0.2, 0.1), true);
  assert.equal(detector.sample(0, 0.6), true);
  assert.equal(detector.sample(0.006, 0.7), true, "the lower threshold keeps it up");
  assert.equal(detector.sample(0, 1.3), true);
  assert.equal(detector.sample(0, 1.5), false);
});

test("a single click is not speech", () => {
  const detector = new SpeakingDetector();
  detector.sample(0.9, 0);
  assert.equal(detector.sample(0, 0.1), false);
});

test("bars follow decibels", () => {
  assert.equal(barLength(0), 0);
  assert.equal(barLength(1), 1);
  assert.ok(barLength(0.1) > 0.6 && barLength(0.01) < 0.5);
});

test("every trouble says what to do", () => {
  for (const name of [
    "NotAllowedError",
    "NotFoundError",
    "NotReadableError",
    "OverconstrainedError",
    "SecurityError",
    "TypeError",
    "AbortError",
    "Odd",
  ]) {
    for (const kind of ["microphone", "camera"])
      assert.match(deviceTrouble(kind, { name }).words, /[Aa]llow|[Cc]onnect|[Cc]lose|[Oo]pen|[Tt]ry|[Cc]hoose/u);
  }
});

test("two devices with one trouble are one sentence", () => {
  const blocked = (kind) => deviceTrouble(kind, { name: "NotAllowedError" });
  assert.equal(sayTroubles(blocked("microphone"), blocked("camera")).length, 1);
  assert.equal(sayTroubles(blocked("microphone"), deviceTrouble("camera", { name: "NotFoundError" })).length, 2);
  assert.deepEqual(sayTroubles(null, null), []);
});

test("some errors end a meeting, others do not", () => {
  for (const code of ["not-allowed", "room-full", "server-full", "server-slow", "replaced", "closing"]) assert.ok(ending(code).words);
  for (const code of ["malformed", "too-fast", "bad-sdp", "chat-unavailable"]) assert.equal(ending(code), null);
});

test("a browser that cannot meet is told why", () => {
  assert.match(environmentTrouble({ isSecureContext: false }).words, /https/u);
  assert.match(environmentTrouble({ isSecureContext: true, WebSocket: class {} }).words, /WebRTC/u);
  assert.equal(environmentTrouble({ isSecureContext: true, WebSocket: class {}, RTCPeerConnection: class {} }), null);
});

test("the connection in words", () => {
  const words = (more) =>
    connectionWords({ joined: true, failures: 0, known: true, paths: ["connected", "connected"], ...more });
  assert.deepEqual(words({}), ["connected", null]);
  assert.deepEqual(words({ paths: ["new", "new"] }), ["connected", null]);
  assert.equal(words({ paths: ["connected", "disconnected"] })[0], "reconnecting");
  assert.match(words({ paths: ["failed", "connected"] })[1], /UDP/u);
  assert.deepEqual(words({ joined: false, known: false }), ["connecting", null]);
  assert.equal(words({ joined: false })[0], "reconnecting");
  assert.match(words({ joined: false, failures: 3 })[1], /does not answer/u);
});

test("a device that was unplugged is told by its name", () => {
  assert.match(lostWords({ kind: "microphone", label: "Headset", replaced: "Built-in" }), /Headset.*Built-in/u);
  assert.match(lostWords({ kind: "camera", label: "", replaced: null }), /Connect a camera/u);
});
