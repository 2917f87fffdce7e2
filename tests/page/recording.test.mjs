// What is said of a recording, and when.
import assert from "node:assert/strict";
import { test } from "node:test";
import { badgeWords, OFF, recordingNotice } from "../../meetref/app/page/recording.js";

const ON = { on: true, by: "a", name: "Ada", since: 7, trouble: null };
const FULL = "The disk is full: the recording has ended.";

test("everybody is told who began it, and oneself, too", () => {
  assert.deepEqual(recordingNotice(OFF, ON, "b"), { words: "Ada started to record this meeting", kind: "trouble" });
  assert.equal(recordingNotice(OFF, ON, "a").words, "You started to record this meeting");
});

test("what is known already is not said again", () => {
  assert.equal(recordingNotice(ON, ON, "b"), null);
  assert.equal(recordingNotice({ ...ON, on: false }, ON, "b"), null); // the same one, after a reconnection
  assert.equal(recordingNotice(OFF, OFF, "b"), null);
  assert.equal(recordingNotice({ ...ON, on: false }, { ...ON, since: 8 }, "b").words, "Ada started to record this meeting");
});

test("its end is told, with who wanted it or why", () => {
  const over = { ...OFF, by: "c", name: "Cora" };
  assert.deepEqual(recordingNotice(ON, over, "b"), { words: "Cora stopped the recording", kind: "news" });
  assert.equal(recordingNotice(ON, over, "c").words, "You stopped the recording");
  assert.equal(recordingNotice(ON, OFF, "b").words, "The recording has ended");
});

test("trouble is told once", () => {
  const troubled = { ...ON, trouble: FULL };
  assert.deepEqual(recordingNotice(ON, troubled, "b"), { words: FULL, kind: "trouble" });
  assert.equal(recordingNotice(troubled, { ...OFF, trouble: FULL }, "b"), null);
});

test("the badge says who, and what is wrong", () => {
  assert.equal(badgeWords(ON, "b"), "Recording, started by Ada");
  assert.equal(badgeWords(ON, "a"), "Recording, started by you");
  assert.equal(badgeWords({ ...ON, trouble: "Slow." }, "b"), "Recording, started by Ada. Slow.");
});
