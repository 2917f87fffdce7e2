/**
 * The chat as it is known here: what the server's log holds, and what is on its way there.
 *
 * A message counts when the server sends it back with its sequence number. Until then it is kept and said again after
 * every break, under the same client id, so that the server can store it once. Messages come in order and are taken
 * once, by number.
 * Leaves out: how it looks (`chat.js`).
 * Read next: `session.js`, tests/page/conversation.test.mjs.
 */

export const LONGEST_MESSAGE = 4000; // characters, as in meetref/wire/signaling.py
const PATIENCE = 8; // seconds without an acknowledgement before a message is said again

/** Events: `changed` when a message came or is on its way. */
export class Conversation extends EventTarget {
  constructor({ send, makeID = () => crypto.randomUUID(), clock = () => performance.now() / 1000 }) {
    super();
    Object.assign(this, { send, makeID, clock });
    this.messages = [];
    this.waiting = [];
    this.last = 0;
  }

  /** Say something; true if there was something to say. */
  say(text) {
    const tidy = text.trim().slice(0, LONGEST_MESSAGE);
    if (!tidy) return false;
    const message = { client_id: this.makeID(), text: tidy, said_at: this.clock() };
    this.waiting.push(message);
    this.#utter(message);
    this.dispatchEvent(new Event("changed"));
    return true;
  }

  /** A message from the log; an old number is a repetition and is dropped. */
  receive(message) {
    this.waiting = this.waiting.filter((mine) => mine.client_id !== message.client_id);
    if (message.sequence > this.last) {
      this.last = message.sequence;
      this.messages.push(message);
    }
    this.dispatchEvent(new Event("changed"));
  }

  /** Say again all that is not acknowledged: after a break, or when the server could not take it. */
  repeat() {
    for (const message of this.waiting) this.#utter(message);
  }

  /** Say again what has waited too long; called now and then. */
  tick() {
    const now = this.clock();
    for (const message of this.waiting) if (now - message.said_at > PATIENCE) this.#utter(message);
  }

  #utter(message) {
    message.said_at = this.clock();
    this.send({ type: "say", client_id: message.client_id, text: message.text });
  }
}
