/**
 * The signaling WebSocket: it comes back by itself, and says so.
 *
 * One text frame is one JSON message (meetref/wire/signaling.py). After a break it is opened anew with back-off, at
 * once when the browser says that the network is back; whoever owns it says who joins (`hello`), which includes the
 * resumption of who we were. Silence is a break too: the server's `ping` says how long to wait for the next.
 * Leaves out: what the messages mean; that is `session.js`.
 * Read next: `session.js`.
 */

const FIRST_DELAY = 0.25; // seconds
const LONGEST_DELAY = 5;
const FIRST_RENEWAL = 2; // seconds between two renewals, doubling
const LONGEST_RENEWAL = 60;
const OPENING_LIMIT = 8; // seconds for the WebSocket and the answer to `join`

/** How long to wait before each new try, in seconds: doubling, with jitter so that a crowd does not return at once. */
export function* delays(random = Math.random) {
  for (let delay = FIRST_DELAY; ; delay = Math.min(LONGEST_DELAY, delay * 2)) yield delay * (0.75 + 0.5 * random());
}

/** Where the server's WebSocket is, seen from the page's own address. */
export function signalingURL(location) {
  return `${location.protocol === "https:" ? "wss:" : "ws:"}//${location.host}/signal`;
}

/** Events: `message` (detail: the message); `broken` (the WebSocket is gone, a new try follows or is under way); `refused` (three failed). */
export class Signaling extends EventTarget {
  constructor({
    url,
    hello,
    open = (address) => new WebSocket(address),
    clock = () => performance.now() / 1000,
  }) {
    super();
    Object.assign(this, { url, hello, open, clock });
    this.renewedAt = -Infinity;
    this.renewGap = 0;
    this.socket = null;
    this.ended = false;
    this.joined = false;
    this.failures = 0;
    this.delays = delays();
    this.retry = null;
    this.watch = null;
    this.patience = 0;
  }

  start() {
    this.wake = () => document.visibilityState !== "hidden" && this.#hurry();
    this.online = () => this.reopen();
    addEventListener("online", this.online);
    document.addEventListener("visibilitychange", this.wake);
    this.#connect();
  }

  /** Send a message now; false when there is no joined WebSocket to send it on. */
  send(message) {
    if (!this.joined || this.socket?.readyState !== 1) return false;
    this.socket.send(JSON.stringify(message));
    return true;
  }

  /** Throw the present WebSocket away and open another at once, because the network under it changed. */
  reopen() {
    if (this.ended) return;
    this.#drop();
    this.delays = delays();
    this.#connect();
    this.dispatchEvent(new Event("broken"));
  }

  /** Like `reopen`, for whoever only suspects the network: not while a new try is under way, nor again and again. */
  renew() {
    const now = this.clock();
    if (!this.joined || now < this.renewedAt + this.renewGap) return;
    // When a busy server falls silent for all its people, they must not all return again and again.
    this.renewGap = now < this.renewedAt + LONGEST_RENEWAL ? Math.min(LONGEST_RENEWAL, this.renewGap * 2) : FIRST_RENEWAL;
    this.renewedAt = now;
    this.reopen();
  }

  /** The end: a last message if there is one, and no new tries. */
  close(last = null) {
    if (this.ended) return;
    if (last) this.send(last);
    this.ended = true;
    removeEventListener("online", this.online);
    document.removeEventListener("visibilitychange", this.wake);
    const { socket } = this;
    this.#forget();
    socket?.close();
  }

  #hurry() {
    if (this.retry === null || this.ended) return;
    this.delays = delays();
    this.#connect();
  }

  #connect() {
    this.#forget();
    const socket = this.open(this.url);
    this.socket = socket;
    const mine = (handler) => (event) => socket === this.socket && handler(event);
    socket.addEventListener(
      "open",
      mine(() => socket.send(JSON.stringify(this.hello()))),
    );
    socket.addEventListener(
      "message",
      mine((event) => this.#receive(event.data)),
    );
    socket.addEventListener(
      "close",
      mine(() => this.#broken()),
    );
    this.#patiently(OPENING_LIMIT);
  }

  #receive(text) {
    let message;
    try {
      message = JSON.parse(text);
    } catch {
      return; // not ours: the server only speaks JSON
    }
    if (this.patience) this.#patiently(this.patience);
    if (message.type === "ping") {
      this.#patiently(message.timeout);
      this.send({ type: "pong", number: message.number });
      return;
    }
    if (message.type === "joined") this.#welcome();
    this.dispatchEvent(new CustomEvent("message", { detail: message }));
  }

  #welcome() {
    this.joined = true;
    this.failures = 0;
    this.delays = delays();
    clearTimeout(this.watch);
  }

  #patiently(seconds) {
    if (this.joined) this.patience = seconds;
    clearTimeout(this.watch);
    this.watch = setTimeout(() => this.#broken(), seconds * 1000);
  }

  #broken() {
    this.#drop();
    if (this.ended) return;
    this.failures += 1;
    this.retry = setTimeout(() => this.#connect(), this.delays.next().value * 1000);
    this.dispatchEvent(new Event("broken"));
    if (this.failures === 3) this.dispatchEvent(new Event("refused"));
  }

  #drop() {
    const { socket } = this;
    this.#forget();
    socket?.close();
  }

  #forget() {
    clearTimeout(this.watch);
    clearTimeout(this.retry);
    this.retry = null;
    this.socket = null;
    this.joined = false;
    this.patience = 0;
  }
}
