// The signaling WebSocket comes back by itself: back-off, silence, the network's return, the last word.
import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import { delays, Signaling, signalingURL } from "../../meetref/app/page/signaling.js";

class Socket extends EventTarget {
  readyState = 0;
  sent = [];
  send(text) {
    this.sent.push(JSON.parse(text));
  }
  close() {
    this.readyState = 3;
  }
  open() {
    this.readyState = 1;
    this.dispatchEvent(new Event("open"));
  }
  say(message) {
    this.dispatchEvent(
      new MessageEvent("message", { data: typeof message === "string" ? message : JSON.stringify(message) }),
    );
  }
  fail() {
    this.readyState = 3;
    this.dispatchEvent(new Event("close"));
  }
}

let window;
let sockets;
let signaling;
let heard;

beforeEach(() => {
  mock.timers.enable({ apis: ["setTimeout"] });
  window = new EventTarget();
  globalThis.addEventListener = window.addEventListener.bind(window);
  globalThis.removeEventListener = window.removeEventListener.bind(window);
  globalThis.document = Object.assign(new EventTarget(), { visibilityState: "visible" });
  sockets = [];
  heard = [];
  signaling = new Signaling({
    url: "ws://here/signal",
    hello: () => ({ type: "join" }),
    open: () => sockets[sockets.push(new Socket()) - 1],
  });
  signaling.addEventListener("message", ({ detail }) => heard.push(detail.type));
  signaling.start();
});

afterEach(() => {
  signaling.close();
  mock.timers.reset();
});

const last = () => sockets.at(-1);

function join() {
  last().open();
  last().say({ type: "joined" });
}

test("delays double from a quarter of a second to five, with jitter", () => {
  const middle = delays(() => 0.5);
  assert.deepEqual(
    Array.from({ length: 7 }, () => middle.next().value),
    [0.25, 0.5, 1, 2, 4, 5, 5],
  );
  assert.ok(delays(() => 0).next().value < 0.25 && delays(() => 0.99).next().value > 0.25);
});

test("the WebSocket is on the page's own host, as safe as the page", () => {
  assert.equal(signalingURL({ protocol: "http:", host: "localhost:8080" }), "ws://localhost:8080/signal");
  assert.equal(signalingURL({ protocol: "https:", host: "meet.example" }), "wss://meet.example/signal");
});

test("nothing is sent before the server has said who we are", () => {
  assert.equal(signaling.send({ type: "devices" }), false);
  last().open();
  assert.deepEqual(last().sent, [{ type: "join" }]);
  assert.equal(signaling.send({ type: "devices" }), false);
  last().say({ type: "joined" });
  assert.equal(signaling.send({ type: "devices" }), true);
});

test("a ping is answered, and is no message for others", () => {
  join();
  last().say({ type: "ping", number: 7, timeout: 10 });
  assert.deepEqual(last().sent.at(-1), { type: "pong", number: 7 });
  assert.deepEqual(heard, ["joined"]);
});

test("what is not JSON is passed over", () => {
  join();
  last().say("{nonsense");
  assert.equal(signaling.joined, true);
});

test("a break is followed by new tries, further and further apart", () => {
  join();
  last().fail();
  assert.equal(signaling.joined, false);
  assert.equal(sockets.length, 1);
  mock.timers.tick(320);
  assert.equal(sockets.length, 2);
  last().fail();
  mock.timers.tick(320);
  assert.equal(sockets.length, 2);
  mock.timers.tick(320);
  assert.equal(sockets.length, 3);
});

test("joining again makes the next break short again", () => {
  for (let count = 0; count < 5; count += 1) {
    last().fail();
    mock.timers.tick(6500);
  }
  join();
  const before = sockets.length;
  last().fail();
  mock.timers.tick(320);
  assert.equal(sockets.length, before + 1);
});

test("silence after a ping is a break", () => {
  join();
  last().say({ type: "ping", number: 1, timeout: 10 });
  mock.timers.tick(9000);
  last().say({ type: "person" });
  mock.timers.tick(9000);
  assert.equal(signaling.joined, true, "any message is a sign of life");
  mock.timers.tick(1001);
  assert.equal(signaling.joined, false);
});

test("a server that opens and does not answer is left after eight seconds", () => {
  last().open();
  mock.timers.tick(8001);
  mock.timers.tick(320);
  assert.equal(sockets.length, 2);
});

test("the network's return opens a new WebSocket at once, and nobody is called connected meanwhile", () => {
  let broken = 0;
  signaling.addEventListener("broken", () => (broken += 1));
  join();
  window.dispatchEvent(new Event("online"));
  assert.equal(sockets.length, 2);
  assert.equal(sockets[0].readyState, 3);
  assert.equal(broken, 1);
});

test("a page that is looked at again does not wait for the back-off", () => {
  for (let count = 0; count < 6; count += 1) {
    last().fail();
    if (count < 5) mock.timers.tick(6500);
  }
  const before = sockets.length;
  document.dispatchEvent(new Event("visibilitychange"));
  assert.equal(sockets.length, before + 1);
});

test("an old WebSocket has nothing more to say", () => {
  join();
  window.dispatchEvent(new Event("online"));
  sockets[0].say({ type: "chat" });
  assert.deepEqual(heard, ["joined"]);
});

test("closing says the last word and tries no more", () => {
  join();
  signaling.close({ type: "leave" });
  assert.deepEqual(sockets[0].sent.at(-1), { type: "leave" });
  window.dispatchEvent(new Event("online"));
  mock.timers.tick(60000);
  assert.equal(sockets.length, 1);
});

test("a suspicion renews at once, and again only after growing gaps", () => {
  let now = 0;
  const made = [];
  const other = new Signaling({
    url: "ws://here/signal",
    hello: () => ({ type: "join" }),
    open: () => made[made.push(new Socket()) - 1],
    clock: () => now,
  });
  other.start();
  const join = () => {
    made.at(-1).open();
    made.at(-1).say({ type: "joined" });
  };
  other.renew();
  assert.equal(made.length, 1); // it was on its way already
  join();
  const renewedAt = [];
  for (; now < 100; now += 0.5) {
    const before = made.length;
    other.renew();
    if (made.length > before) {
      renewedAt.push(now);
      join();
    }
  }
  assert.deepEqual(renewedAt, [0, 2, 6, 14, 30, 62]);
  other.close();
});
