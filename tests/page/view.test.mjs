// What a person looks at, told to the server once, and what the server answers.
import assert from "node:assert/strict";
import { test } from "node:test";
import { MOST_PINNED, View } from "../../meetref/app/page/view.js";

/** A view whose messages are kept, and whose clock is turned by hand. */
function view(more = {}) {
  const sent = [];
  const due = [];
  const made = new View({
    send: (message) => made.deaf || Boolean(sent.push(structuredClone(message))),
    later: (act) => due.push(act),
    ...more,
  });
  return { made, sent, settle: () => due.splice(0).forEach((act) => act()) };
}

test("nothing is said before there is something to say, and nothing twice", () => {
  const { made, sent, settle } = view();
  made.repeat();
  assert.deepEqual(sent, [{ type: "look", layout: "grid", page: 0, pinned: [], tiles: 25, large: 0, small: 0 }]);
  made.fits({ tiles: 9, large: 301, small: 299.2 });
  made.fits({ tiles: 9, large: 318, small: 300 });
  assert.equal(sent.length, 1);
  settle();
  assert.equal(sent.length, 2);
  assert.deepEqual([sent[1].tiles, sent[1].large, sent[1].small], [9, 320, 300]);
  made.fits({ tiles: 9, large: 311, small: 290 });
  settle();
  assert.equal(sent.length, 2, "a few pixels are no news");
  made.repeat();
  assert.deepEqual(sent[2], sent[1], "a server that forgot us is told again");
});

test("what does not go out is said later", () => {
  const { made, sent } = view();
  made.send = () => false;
  made.toggle();
  made.send = (message) => Boolean(sent.push(message));
  made.repeat();
  assert.equal(sent.at(-1).layout, "speaker");
});

test("room for more than the server seats is not asked for", () => {
  const { made, sent, settle } = view();
  made.fits({ tiles: 60, large: 1e9, small: 0 });
  settle();
  assert.deepEqual([sent[0].tiles, sent[0].large], [25, 16384]);
});

test("pages are turned within those there are, and followed when there are fewer", () => {
  const { made, sent } = view();
  made.turn(1);
  assert.equal(sent.length, 0, "there is one page");
  made.seat({ page: 0, pages: 3, large: null });
  made.turn(1);
  made.turn(1);
  made.turn(1);
  assert.deepEqual(
    sent.map(({ page }) => page),
    [1, 2],
  );
  made.seat({ page: 1, pages: 2, large: null });
  assert.equal(made.page, 1);
  made.toggle();
  assert.equal(sent.at(-1).page, 0, "another layout begins at its first page");
});

test("the latest pin is first, a second press lets go, and they are bounded", () => {
  const { made, sent } = view();
  made.pin("ann");
  made.pin("ben", "screen");
  assert.deepEqual(sent.at(-1).pinned, [
    { person: "ben", source: "screen" },
    { person: "ann", source: "camera" },
  ]);
  assert.ok(made.isPinned("ann") && !made.isPinned("ann", "screen"));
  made.pin("ann");
  assert.deepEqual(sent.at(-1).pinned, [{ person: "ben", source: "screen" }]);
  made.forgetScreen("ben");
  assert.deepEqual(made.pinned, []);
  for (let number = 0; number < 20; number += 1) made.pin(`p${number}`);
  assert.equal(made.pinned.length, MOST_PINNED);
  made.forget("p19");
  assert.ok(!made.isPinned("p19"));
});

test("who speaks and how connections do is kept until they are gone", () => {
  const { made } = view();
  let changes = 0;
  made.addEventListener("changed", () => (changes += 1));
  made.hear({ person: "ann", recent: ["ben"] });
  made.rate({ people: [{ person: "ann", bars: 2 }] });
  made.rate({ people: [{ person: "ben", bars: 4 }] });
  assert.deepEqual([made.speaker, made.recent, [...made.bars]], ["ann", ["ben"], [["ann", 2], ["ben", 4]]]);
  assert.equal(changes, 3);
  made.forget("ann");
  made.forget("ben");
  assert.deepEqual([made.speaker, made.recent, made.bars.size], [null, [], 0]);
});

test("a remembered layout is taken when it is one", () => {
  assert.equal(view({ layout: "speaker" }).made.layout, "speaker");
  assert.equal(view({ layout: "mosaic" }).made.layout, "grid");
});
