// The audience's player: what it reads in playlists, how fast it plays, which size it takes; and hands on stage.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { newHands } from "../../meetref/app/page/audience.js";
import { readCues } from "../../meetref/app/page/audience/captions.js";
import { beginning, isAtOrBehind, readIndex, readList } from "../../meetref/app/page/audience/listing.js";
import { LATENCY, rateFor, stepFor, Throughput, variantFor } from "../../meetref/app/page/audience/pace.js";
import { Track } from "../../meetref/app/page/audience/track.js";

const cases = (set) =>
  JSON.parse(readFileSync(new URL(`../../vectors/playlist/${set}.json`, import.meta.url))).groups[0].tests;

test("every playlist of the vectors is read: segments, parts, and what comes next", () => {
  for (const { id, in: given, out } of cases("media")) {
    if (given.skip || given.playlist.segments.some((each) => each.is_gap)) continue; // it asks for no updates
    const list = readList(out.text);
    const { segments, timescale, target_duration: target } = given.playlist;
    assert.equal(list.target, target, id);
    assert.equal(list.ended, given.playlist.has_ended ?? false, id);
    assert.equal(list.parts[0].segment, segments[0].number, id);
    assert.equal(list.parts[0].at, segments[0].began_at * 1000, id);
    const length = list.parts.reduce((sum, part) => sum + part.duration, 0);
    const wanted = segments.flatMap((each) => each.duration ?? each.parts.map((part) => part.duration));
    assert.ok(Math.abs(length - wanted.reduce((sum, each) => sum + each, 0) / timescale) < 1e-6, id);
    const last = segments.at(-1);
    const grows = last.duration === null;
    assert.deepEqual(list.next, { segment: last.number + (grows ? 0 : 1), place: grows ? last.parts.length : 0 }, id);
  }
});

test("the list of all renditions is read, the best first", () => {
  const [{ in: given, out }] = cases("multivariant");
  const { variants, sound } = readIndex(out.text);
  assert.equal(sound, given.sound);
  assert.deepEqual(
    variants.map((each) => [each.uri, each.height, each.bandwidth, each.codecs]),
    given.variants.map((each) => [each.uri, each.height, each.peak_bps, each.codecs]),
  );
});

test("captions stand beside the sound", () => {
  for (const { in: given, out } of cases("multivariant")) {
    const { sound, captions } = readIndex(out.text);
    assert.deepEqual([sound, captions], [given.sound, given.captions ?? null]);
  }
});

test("a segment of captions is read", () => {
  const head = "WEBVTT\nX-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:0\n\n";
  const text = `${head}00:00:01.500 --> 00:00:06.500\nAda: 1 &lt; 2\n\n101:02:03.004 --> 101:02:08.004\nlater\n`;
  assert.deepEqual(readCues(text), [
    { begins: 1.5, ends: 6.5, text: "Ada: 1 &lt; 2" },
    { begins: 363723.004, ends: 363728.004, text: "later" },
  ]);
  assert.deepEqual(readCues(head), []);
});

test("it begins where a decoder can begin, far enough from the end", () => {
  const { out } = cases("media")[1]; // eight parts and three: two and a half seconds, and one
  const list = readList(out.text);
  assert.deepEqual([beginning(list, 1.2).segment, beginning(list, 1.2).place], [0, 4]);
  assert.deepEqual([beginning(list, 0.5).segment, beginning(list, 0.5).place], [1, 0]);
  assert.deepEqual([beginning(list, 99).segment, beginning(list, 99).place], [0, 0]);
  assert.equal(beginning(readList("#EXTM3U\n"), 1), null);
  assert.ok(isAtOrBehind({ segment: 2, place: 0 }, { segment: 1, place: 7 }));
  assert.ok(!isAtOrBehind({ segment: 1, place: 6 }, { segment: 1, place: 7 }));
});

test("it plays faster when it is behind, slower when it is ahead, and leaps when it is far away", () => {
  assert.equal(rateFor(LATENCY, 1), 1);
  assert.ok(rateFor(LATENCY + 1, 1) > 1);
  assert.equal(rateFor(LATENCY + 1, 0.5), 1); // there is too little to hurry
  assert.ok(rateFor(LATENCY - 1, 1) < 1);
  assert.ok(rateFor(LATENCY, 0.1) < 1);
  assert.equal(rateFor(LATENCY + 10, 5), null);
});

test("it steps over a gap once nothing is left before it and something is there behind it", () => {
  assert.equal(stepFor([[10, 12]], 11, true), "play");
  assert.equal(stepFor([[10, 12]], 12, true), "play"); // nothing else is there
  assert.equal(stepFor([[10, 10.3]], 0, false), "step"); // to begin with
  assert.equal(stepFor([[10, 12], [15, 15.3]], 11, true), "play"); // first what is left
  assert.equal(stepFor([[10, 12], [15, 15.3]], 11.95, true), "wait");
  assert.equal(stepFor([[10, 12], [15, 16]], 11.95, true), "step");
  assert.equal(stepFor([[10, 12], [15, 16]], 15.1, true), "play");
});

test("the size is the best that comes through and can be seen", () => {
  const variants = [720, 360, 180].map((height) => ({ height, bandwidth: height * 2000 }));
  assert.equal(variantFor(variants, 0, 1080).height, 360);
  assert.equal(variantFor(variants, 10e6, 1080).height, 720);
  assert.equal(variantFor(variants, 10e6, 300).height, 360);
  assert.equal(variantFor(variants, 1.2e6, 1080).height, 360);
  assert.equal(variantFor(variants, 1000, 1080).height, 180);
});

test("a server that has nothing new is waited for, one that fails is given up", async (context) => {
  context.mock.method(globalThis, "setTimeout", (call) => queueMicrotask(call));
  const ends = async (status) => {
    let left = 30;
    context.mock.method(globalThis, "fetch", async () => {
      left -= 1;
      return left > 0 ? { ok: false, status } : { ok: false, status: 404 };
    });
    const track = new Track({}, () => "http://localhost/list.m3u8", () => {}, new AbortController().signal);
    return track.run({}).then(assert.fail, (over) => over.message);
  };
  assert.equal(await ends(503), "another");
  assert.equal(await ends(500), "lost");
});

test("what comes through is measured over several parts", () => {
  const line = new Throughput();
  line.add(125_000, 1);
  assert.equal(line.bps, 1_000_000);
  line.add(250_000, 1);
  assert.ok(line.bps > 1_000_000 && line.bps < 2_000_000);
});

test("only hands that are new are told", () => {
  assert.deepEqual(newHands({}, { a: "Ada" }), ["Ada"]);
  assert.deepEqual(newHands({ a: "Ada" }, { a: "Ada", b: "Ben" }), ["Ben"]);
  assert.deepEqual(newHands({ a: "Ada" }, {}), []);
});
