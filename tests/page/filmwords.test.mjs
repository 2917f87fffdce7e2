// What is said of recordings, and which chapter belongs to a moment.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as words from "../../meetref/app/page/filmwords.js";

test("times are short to read and whole to hear", () => {
  assert.deepEqual([0, 7.9, 247, 3847, NaN, -1].map(words.clock), ["0:00", "0:07", "4:07", "1:04:07", "0:00", "0:00"]);
  assert.equal(words.spokenTime(3847), "1 hour 4 minutes 7 seconds");
  assert.equal(words.spokenTime(61), "1 minute 1 second");
  assert.equal(words.spokenTime(0), "the beginning");
});

test("sizes have two or three digits", () => {
  const said = [0, 999, 1000, 9949, 12_345_678, 5.2e12].map(words.size);
  assert.deepEqual(said, ["0 bytes", "999 bytes", "1.0 kB", "9.9 kB", "12 MB", "5200 GB"]);
});

test("every state has its words", () => {
  const said = (state, done = 0, trouble = null) => words.stateWords({ state, done, trouble });
  assert.equal(said("composed", 1), "Ready");
  assert.equal(said("waiting"), "It waits to be put together");
  assert.equal(said("composing", 0.424), "It is being put together: 42 %");
  assert.equal(said("composing", 0.4, "S3 is away."), "It waits. S3 is away.");
  assert.equal(said("failed", 0, "Nobody spoke."), "It could not be put together: Nobody spoke.");
  assert.deepEqual(["waiting", "composing", "composed", "failed"].map((state) => words.isUnfinished({ state })), [
    true,
    true,
    false,
    false,
  ]);
});

test("the chapter of a moment is the last that has begun", () => {
  const chapters = [{ at: 0 }, { at: 4 }, { at: 9.5 }];
  assert.deepEqual([-1, 0, 3.9, 4, 9.48, 100].map((at) => words.lastBefore(chapters, at)), [-1, 0, 0, 1, 2, 2]);
  assert.equal(words.lastBefore([], 5), -1);
});

test("all words are searched for, in any order, also in the name", () => {
  const message = { from: "Ada", text: "The Notes are in the folder" };
  assert.ok(words.hasWords(message, "notes ADA"));
  assert.ok(words.hasWords(message, "folder"));
  assert.ok(!words.hasWords(message, "notes Ben"));
});

test("a file on the disk says the meeting and the day", () => {
  const recording = { room: "algebra", began_at: 1764325425 };
  assert.equal(words.fileName(recording, "people/p1.webm"), "algebra-2025-11-28-p1.webm");
});
