// Chat cannot be lost: said again until acknowledged, taken once, in the order of the log.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Conversation } from "../../meetref/app/page/conversation.js";

function conversation() {
  const sent = [];
  let now = 0;
  let count = 0;
  const chat = new Conversation({
    send: (message) => sent.push(message),
    makeID: () => `id${(count += 1)}`,
    clock: () => now,
  });
  return { chat, sent, wait: (seconds) => (now += seconds) };
}

const logged = (sequence, text, clientID = `other${sequence}`) => ({
  sequence,
  client_id: clientID,
  person: "p",
  name: "P",
  text,
  sent_at: 0,
});

test("what is said waits for its acknowledgement", () => {
  const { chat, sent } = conversation();
  assert.equal(chat.say("  hello \n"), true);
  assert.deepEqual(sent, [{ type: "say", client_id: "id1", text: "hello" }]);
  assert.equal(chat.waiting.length, 1);
  chat.receive(logged(1, "hello", "id1"));
  assert.equal(chat.waiting.length, 0);
  assert.deepEqual(
    chat.messages.map(({ text }) => text),
    ["hello"],
  );
});

test("nothing is said when there is nothing to say", () => {
  const { chat, sent } = conversation();
  assert.equal(chat.say(" \n "), false);
  assert.deepEqual(sent, []);
});

test("after a break the same message goes out under the same name", () => {
  const { chat, sent } = conversation();
  chat.say("one");
  chat.say("two");
  chat.receive(logged(1, "one", "id1"));
  chat.repeat();
  assert.deepEqual(
    sent.map(({ client_id }) => client_id),
    ["id1", "id2", "id2"],
  );
});

test("a number is taken once", () => {
  const { chat } = conversation();
  chat.receive(logged(4, "four"));
  chat.receive(logged(4, "four"));
  chat.receive(logged(3, "three, late"));
  assert.deepEqual(
    chat.messages.map(({ sequence }) => sequence),
    [4],
  );
  assert.equal(chat.last, 4);
});

test("what waits too long is said again, and then waits again", () => {
  const { chat, sent, wait } = conversation();
  chat.say("one");
  wait(5);
  chat.tick();
  assert.equal(sent.length, 1);
  wait(4);
  chat.tick();
  chat.tick();
  assert.equal(sent.length, 2);
});

test("a text is never longer than the server takes", () => {
  const { chat, sent } = conversation();
  chat.say("x".repeat(5000));
  assert.equal(sent[0].text.length, 4000);
});
