// Rates of streams, out of counts that only grow, and the last minute of them.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Flows, History } from "../../meetref/app/page/flows.js";

const report = (...entries) => new Map(entries.map((entry) => [entry.id, entry]));
const PAIR = { id: "p", type: "candidate-pair", state: "succeeded", nominated: true, currentRoundTripTime: 0.02 };
const sent = (bytes, more = {}) => ({
  id: "o1", type: "outbound-rtp", kind: "video", ssrc: 1, mid: "1", rid: "h", bytesSent: bytes, ...more,
});
const far = (loss) => ({ id: "r1", type: "remote-inbound-rtp", localId: "o1", fractionLost: loss, roundTripTime: 0.05 });
const got = (bytes, packets, lost, more = {}) => ({
  id: "i1", type: "inbound-rtp", kind: "video", ssrc: 9, mid: "v0", bytesReceived: bytes, packetsReceived: packets, packetsLost: lost, ...more,
});

test("bitrates are differences, and a stream that begins anew has none for a moment", () => {
  const flows = new Flows();
  const read = (up, down, now) => flows.read({ up: report(PAIR, ...up), down: report(PAIR, ...down) }, new Map(), now);
  read([sent(1000)], [got(0, 0, 0)], 10);
  assert.equal(flows.sent[0].bitrate, null);
  read([sent(2000), far(0.02)], [got(5000, 90, 10)], 11);
  assert.equal(flows.sent[0].bitrate, 8000);
  assert.deepEqual([flows.sent[0].loss, flows.sent[0].roundTrip, flows.sent[0].rid], [0.02, 0.05, "h"]);
  assert.equal(flows.received.get("v0").bitrate, 40000);
  assert.equal(flows.received.get("v0").loss, 0.1);
  assert.deepEqual([flows.links.up.bitrate, flows.links.up.loss, flows.links.up.roundTrip], [8000, 0.02, 0.02]);
  assert.deepEqual([flows.links.down.bitrate, flows.links.down.loss], [40000, 0.1]);
  read([sent(100)], [got(5000, 90, 10)], 12);
  assert.equal(flows.sent[0].bitrate, null);
  assert.equal(flows.received.get("v0").loss, null, "nothing came, so nothing was lost");
});

test("readings in quick succession do not make rates of almost nothing", () => {
  const flows = new Flows();
  for (const [bytes, now] of [[0, 1], [1000, 2], [1001, 2.1]])
    flows.read({ up: report(PAIR, sent(bytes)), down: report(PAIR) }, new Map(), now);
  assert.equal(flows.sent[0].bitrate, 8000);
});

test("what a browser does not tell is null, and no error", () => {
  const flows = new Flows();
  flows.read({ up: null, down: null }, new Map(), 1);
  assert.deepEqual([flows.sent, flows.links.up], [[], null]);
  const bare = { id: "i", type: "inbound-rtp", kind: "audio", ssrc: 3, trackIdentifier: "t" };
  flows.read({ up: report({ id: "o", type: "outbound-rtp", kind: "audio", ssrc: 4 }), down: report(bare) }, new Map([["t", "a0"]]), 2);
  const { bitrate, delay, freezes, width, loss } = flows.received.get("a0");
  assert.deepEqual([bitrate, delay, freezes, width, loss], [null, null, null, null, null]);
  assert.deepEqual([flows.sent[0].mid, flows.sent[0].target, flows.links.up.roundTrip], [null, null, null]);
});

test("encodings come small to large, source by source", () => {
  const flows = new Flows();
  const one = (ssrc, mid, frameWidth) => ({
    id: String(ssrc), type: "outbound-rtp", kind: "video", ssrc, mid, frameWidth, frameHeight: 100,
  });
  flows.read({ up: report(one(1, "1", 640), one(2, "0", 10), one(3, "1", 320)), down: report() }, new Map(), 1);
  assert.deepEqual(flows.sent.map(({ mid, width }) => [mid, width]), [["0", 10], ["1", 320], ["1", 640]]);
});

test("a minute is kept, a point a second, and lines that end are forgotten", () => {
  const history = new History();
  for (let tenth = 0; tenth <= 1000; tenth += 1) history.add("up", tenth, tenth / 10);
  const line = history.line("up", 100);
  assert.ok(line.length >= 60 && line.length <= 68, String(line.length));
  assert.ok(line[0][0] <= 60);
  assert.deepEqual(line.at(-1)[1], 1000);
  assert.deepEqual(history.line("nothing", 100), []);
  history.tidy(161);
  assert.equal(history.lines.size, 0);
});
