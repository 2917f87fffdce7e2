// Captions stay as long as it takes to read them, and what is written goes out as one line.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Captions, LONGEST_CAPTION } from "../../meetref/app/page/captions.js";

function captions(more = {}) {
  const sent = [];
  let now = 0;
  const made = new Captions({ send: (message) => Boolean(sent.push(message)), clock: () => now, ...more });
  return { captions: made, sent, wait: (seconds) => (now += seconds) };
}

const line = (text, person = "p") => ({ type: "caption", by: "w", person, name: "P", text });
const texts = (lines) => lines.map(({ text }) => text);

test("a line goes when it has been read", () => {
  const { captions: one, wait } = captions();
  one.receive(line("good morning"));
  assert.deepEqual(texts(one.visible()), ["good morning"]);
  wait(5.5);
  assert.deepEqual(texts(one.visible()), ["good morning"]);
  wait(1);
  assert.deepEqual(texts(one.visible()), []);
  one.receive(line("x".repeat(LONGEST_CAPTION)));
  wait(20);
  assert.equal(one.visible().length, 1);
});

test("the last three are seen, and what is kept is bounded", () => {
  const { captions: one } = captions();
  for (let number = 0; number < 70; number += 1) one.receive(line(`line ${number}`));
  assert.deepEqual(texts(one.visible()), ["line 67", "line 68", "line 69"]);
  assert.equal(one.lines.length, 50);
});

test("who has hidden them is told once that there are some", () => {
  const { captions: one } = captions({ shown: false });
  let told = 0;
  one.addEventListener("hidden", () => (told += 1));
  assert.equal(one.known, false);
  one.receive(line("one"));
  one.receive(line("two"));
  assert.equal(told, 1);
  assert.equal(one.known, true);
  assert.deepEqual(one.visible(), []);
  one.toggle();
  assert.deepEqual(texts(one.visible()), ["one", "two"]);
});

test("what is written is one line", () => {
  const { captions: one, sent } = captions();
  assert.equal(one.write(" good \n morning ", "p"), true);
  assert.deepEqual(sent, [{ type: "write-caption", text: "good morning", person: "p" }]);
  assert.equal(one.write("  ", null), false);
  assert.equal(sent.length, 1);
});

test("a line that cannot go out is told", () => {
  const { captions: one } = captions({ send: () => false });
  assert.equal(one.write("good morning", null), false);
});

test("who writes reads them", () => {
  const { captions: one } = captions({ shown: false });
  one.beWriting(true);
  assert.deepEqual([one.shown, one.known], [true, true]);
});
