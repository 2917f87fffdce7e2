// A recording gets to the server whole, whatever breaks on the way.
import assert from "node:assert/strict";
import { test } from "node:test";
import { MOST_WAITING, Uploader } from "../../meetref/app/page/uploader.js";

const PLACE = { id: "u", token: "t", maximum: 1e9, chunk: 4 };

/** A server that keeps what comes; `faults` are played one a request: "lost", "deaf" (taken, no answer), or a status. */
class Server {
  constructor(...faults) {
    Object.assign(this, { faults, octets: "", asked: [], over: false });
    this.ask = (url, options) => this.answer(url, options);
  }

  async answer(url, { method, body, headers }) {
    this.asked.push(method);
    assert.equal(headers.Authorization, "Bearer t");
    const fault = this.faults.shift();
    if (fault === "lost") throw new TypeError("no network");
    if (typeof fault === "number") return this.reply(fault, { detail: "It is full." });
    if (method === "POST") this.over = true;
    if (method === "PUT") {
      const offset = Number(new URL(url, "http://x").searchParams.get("offset"));
      assert.ok(body.size <= PLACE.chunk);
      if (offset > this.octets.length) return this.reply(409);
      this.octets = this.octets.slice(0, offset) + (await body.text());
    }
    if (fault === "deaf") throw new TypeError("no network");
    return this.reply(204);
  }

  reply(status, body) {
    const text = body && status !== 204 ? JSON.stringify(body) : null;
    return new Response(text, { status, headers: { "Upload-Offset": String(this.octets.length) } });
  }
}

function uploader(server) {
  const pauses = [];
  const made = new Uploader(PLACE, { ask: server.ask, pause: async (time) => pauses.push(time) });
  const failures = [];
  made.addEventListener("failed", ({ detail }) => failures.push(detail));
  return { made, pauses, failures };
}

test("everything arrives in order, and its end is said", async () => {
  const server = new Server();
  const { made, failures } = uploader(server);
  for (const piece of ["abc", "defghi", "", "jk"]) made.add(new Blob([piece]));
  await made.finish();
  assert.equal(server.octets, "abcdefghijk");
  assert.ok(server.over && made.complete);
  assert.equal(made.acknowledged, 11);
  assert.deepEqual(failures, []);
});

test("after a broken connection it goes on from where the server is", async () => {
  for (const faults of [["lost"], ["deaf"], ["lost", "lost", "lost", "deaf"], [null, 503, "deaf", 429]]) {
    const server = new Server(...faults);
    const { made, pauses, failures } = uploader(server);
    made.add(new Blob(["abcdefghij"]));
    await made.finish();
    assert.equal(server.octets, "abcdefghij", String(faults));
    assert.ok(server.asked.includes("HEAD") && pauses.length);
    assert.deepEqual(failures, []);
  }
});

test("it waits longer from try to try", async () => {
  const server = new Server(...Array(14).fill("lost"));
  const { made, pauses } = uploader(server);
  made.add(new Blob(["ab"]));
  await made.finish();
  assert.deepEqual(pauses, [500, 1000, 2000, 4000, 8000, 8000, 8000]);
});

test("what the server will not take ends it, with the server's words", async () => {
  const server = new Server(null, 507);
  const { made, failures } = uploader(server);
  made.add(new Blob(["abcdefgh"]));
  await made.finish();
  assert.deepEqual(failures, ["It is full."]);
  assert.equal(made.acknowledged, 4);
  assert.ok(!made.complete && !server.over);
});

test("a server that has less than it acknowledged is not believed", async () => {
  const server = new Server();
  const { made, failures } = uploader(server);
  made.add(new Blob(["abcd"]));
  while (made.working) await made.working;
  server.octets = "a";
  made.add(new Blob(["efgh"]));
  await made.finish();
  assert.match(failures[0], /lost a part/u);
});

test("what waits has a bound", async () => {
  const server = new Server(...Array(1000).fill("lost"));
  const { made, failures } = uploader(server);
  const piece = new Blob([new Uint8Array(MOST_WAITING / 2)]);
  for (let count = 0; count < 3; count++) made.add(piece);
  assert.equal(failures.length, 1);
  assert.equal(made.waiting.size, 0);
  await made.finish();
  assert.ok(!made.complete);
});
