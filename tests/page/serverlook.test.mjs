// What the server is asked, and what becomes of its answers.
import assert from "node:assert/strict";
import { test } from "node:test";
import { History } from "../../meetref/app/page/flows.js";
import { bitrateOf, ServerLook } from "../../meetref/app/page/serverlook.js";

const up = { sources: [{ encodings: [{ bitrate_bps: 100, living: true }, { bitrate_bps: 900, living: false }] }, { encodings: [{ bitrate_bps: null, living: true }] }] };
const ROOM = { room: "a b", people: [{ id: "ann", up, down: { bitrate_bps: 50, estimate: { target_bps: 700 } } }, { id: "ben", up: null, down: null }] };

function look(status = 200) {
  const asked = [];
  const made = new ServerLook({
    room: "a b",
    history: new History(),
    clock: () => 5,
    ask: async (path, { headers }) => {
      asked.push([path, headers.Authorization ?? null]);
      return { status: made.status ?? status, ok: (made.status ?? status) === 200, json: async () => (path.includes("tree") ? [{ name: "rooms", children: [] }] : ROOM) };
    },
  });
  return { made, asked };
}

test("the room is asked for each time, the tasks now and then", async () => {
  const { made, asked } = look();
  for (let turn = 0; turn < 4; turn += 1) await made.look();
  assert.equal(asked.filter(([path]) => path === "/api/rooms/a%20b").length, 4);
  assert.equal(asked.filter(([path]) => path === "/api/tree").length, 2);
  assert.deepEqual(made.tasks, [{ name: "rooms", children: [] }]);
  assert.equal(made.person("ann").id, "ann");
  assert.equal(made.person("nobody"), null);
  assert.deepEqual(made.history.line("ann up", 5), [[0, 100]], "what is switched off counts nothing");
  assert.deepEqual(made.history.line("ann down", 5), [[0, 50]]);
  assert.deepEqual(made.history.line("ann estimate", 5), [[0, 700]]);
});

test("where the server refuses, a token is asked for and sent from then on", async () => {
  const { made, asked } = look(401);
  await made.look();
  assert.deepEqual([made.refused, made.seen], [true, null]);
  made.status = 200;
  made.use(" s3cret ");
  await new Promise(setImmediate);
  assert.deepEqual(asked.at(-1), ["/api/tree", "Bearer s3cret"]);
  assert.deepEqual([made.refused, made.seen?.room], [false, "a b"]);
});

test("a server that is away tells nothing, and is asked again", async () => {
  const { made } = look();
  await made.look();
  const { ask } = made;
  made.ask = async () => {
    throw new TypeError("no network");
  };
  await made.look();
  assert.equal(made.seen, null);
  made.ask = ask;
  await made.look();
  assert.equal(made.seen.room, "a b");
});

test("the bitrate of somebody is the sum of what is sent and known", () => {
  assert.equal(bitrateOf(up), 100);
  assert.equal(bitrateOf({ sources: [] }), null);
});
