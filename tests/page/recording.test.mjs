// What is said of a recording, and when.
import assert from "node:assert/strict";
import { test } from "node:test";
import { badgeWords, OFF, recordingNotice, running } from "../../meetref/app/page/recording.js";

const ON = { on: true, by: "a", name: "Ada", since: 7, trouble: null, others: [] };
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

test("where it will be is told with its end, also when that was trouble's", () => {
  const over = { ...OFF, by: "c", name: "Cora", recording: "20261128T102345Z-algebra-9fe37c" };
  const link = "/recordings/20261128T102345Z-algebra-9fe37c";
  assert.deepEqual(recordingNotice(ON, over, "b"), { words: "Cora stopped the recording", kind: "link", link });
  const full = { ...OFF, trouble: FULL, recording: over.recording };
  assert.deepEqual(recordingNotice({ ...ON, trouble: FULL }, full, "b"), { words: "The recording has ended", kind: "link", link });
  assert.equal(recordingNotice({ ...ON, on: false }, over, "b"), null);
});

const CORA = { by: "c", name: "Cora", way: "browser", since: 9 };
const ROBOT = { by: "r", name: "Recorder", way: "bot", since: 9.5 };

test("who records for themselves is named, with how", () => {
  const both = { ...OFF, others: [CORA, ROBOT] };
  assert.equal(badgeWords(both, "b"), "Cora records in their own browser. Recorder, a bot, records what it sees");
  assert.equal(badgeWords({ ...OFF, others: [CORA] }, "c"), "You record in this browser");
  assert.equal(
    badgeWords({ ...ON, trouble: "Slow.", others: [CORA] }, "b"),
    "Recording, started by Ada. Slow. Cora records in their own browser",
  );
  const many = [1, 2, 3, 4, 5].map((number) => ({ ...CORA, by: `${number}`, name: `P${number}` }));
  assert.match(badgeWords({ ...OFF, others: many }, "b"), /^P1 .*\. P2 .*\. 3 more record for themselves$/u);
});

test("their beginning and end are told, once", () => {
  const one = { ...OFF, others: [CORA] };
  assert.deepEqual(recordingNotice(OFF, one, "b"), {
    words: "Cora now records in their own browser",
    kind: "trouble",
  });
  assert.equal(recordingNotice(one, one, "b"), null);
  assert.equal(recordingNotice(OFF, one, "c").words, "You now record in this browser");
  assert.deepEqual(recordingNotice(one, OFF, "b"), { words: "Cora records no more", kind: "news" });
  assert.equal(recordingNotice(one, OFF, "c").words, "You record no more");
  assert.equal(
    recordingNotice(OFF, { ...ON, others: [ROBOT] }, "b").words,
    "Ada started to record this meeting. Recorder, a bot, now records what it sees",
  );
});

test("after a reconnection the same recording is no news, and one that is over is not shown", () => {
  const away = { ...OFF, others: [{ ...CORA, over: true }] };
  assert.deepEqual(running(away), []);
  assert.equal(recordingNotice(away, { ...OFF, others: [CORA] }, "b"), null);
  assert.equal(recordingNotice(away, OFF, "b"), null);
  assert.deepEqual(running({ ...ON, others: [CORA, ROBOT] }), ["server 7", "c 9", "r 9.5"]);
});
