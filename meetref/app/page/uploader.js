/**
 * Brings a recording to the server, piece by piece, as it comes: what the server has acknowledged is safe there.
 *
 * Pieces have their place in the file, so whatever breaks, it goes on from where the server is. What is not there yet
 * is kept in memory, within a bound; beyond it, or when the server wants no more, the upload is over (`failed`).
 * Leaves out: what the octets are. Knows nothing of the DOM.
 * Read next: `ownrecording.js`, tests/page/uploader.test.mjs.
 */

export const MOST_WAITING = 64 * 1024 * 1024; // octets
const PATIENCE = { first: 500, most: 8000 }; // milliseconds before the next try
const WAITS = new Set([408, 425, 429, 500, 502, 503, 504]);

const wait = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

/** Events: `changed`, `failed` (detail: words). `place` is the server's `upload` message. */
export class Uploader extends EventTarget {
  constructor(place, { ask = fetch.bind(globalThis), pause = wait } = {}) {
    super();
    Object.assign(this, { place, ask, pause });
    this.acknowledged = 0; // octets that are safe
    this.waiting = new Blob(); // those behind them
    this.over = false;
    this.complete = false; // all of it is there
    this.working = null;
  }

  /** One more piece of the recording. */
  add(piece) {
    if (this.over || !piece.size) return;
    this.waiting = new Blob([this.waiting, piece]);
    if (this.waiting.size > MOST_WAITING) {
      return this.#fail("The connection to the server is too slow, or gone: the recording in this browser has ended.");
    }
    this.working ??= this.#work();
  }

  /** That was all; done when the server has everything, or will not take it. */
  async finish() {
    while (!this.over && this.waiting.size) await (this.working ??= this.#work());
    if (!this.over) await this.#persist("POST", "");
    this.complete = !this.over;
    this.over = true;
    this.#changed();
  }

  async #work() {
    while (this.waiting.size && !this.over) {
      const piece = this.waiting.slice(0, this.place.chunk);
      await this.#persist("PUT", `?offset=${this.acknowledged}`, piece);
    }
    this.working = null;
  }

  /** Ask until there is an answer that says something. */
  async #persist(method, query, body) {
    let patience = PATIENCE.first;
    while (!this.over) {
      const answer = await this.#once(method, query, body);
      if (answer && !WAITS.has(answer.status)) return this.#take(answer, method);
      const named = 1000 * Number(answer?.headers.get("retry-after") ?? 0);
      await this.pause(Math.max(named, patience));
      patience = Math.min(2 * patience, PATIENCE.most);
      if (method === "PUT") {
        // The piece may have arrived although its answer did not.
        const now = await this.#once("HEAD", "");
        if (now?.ok) return this.#take(now, method);
      }
    }
  }

  async #once(method, query, body) {
    const { id, token } = this.place;
    try {
      return await this.ask(`/api/uploads/${id}${query}`, {
        method,
        body,
        headers: { Authorization: `Bearer ${token}` },
        cache: "no-store",
      });
    } catch {
      return null; // no connection
    }
  }

  async #take(answer, method) {
    const there = Number(answer.headers.get("upload-offset") ?? Number.NaN);
    if (answer.ok || answer.status === 409) {
      if (!(there >= this.acknowledged && there <= this.acknowledged + this.waiting.size)) {
        return this.#fail("The server has lost a part of the recording: it has ended.");
      }
      this.waiting = this.waiting.slice(there - this.acknowledged);
      this.acknowledged = there;
      return this.#changed();
    }
    if (method === "POST") return; // it ends by itself
    const { detail = "The server takes no more of the recording: it has ended." } = await answer.json().catch(() => ({}));
    this.#fail(detail);
  }

  #fail(words) {
    if (this.over) return;
    this.over = true;
    this.waiting = new Blob();
    this.dispatchEvent(new CustomEvent("failed", { detail: words }));
  }

  #changed() {
    this.dispatchEvent(new Event("changed"));
  }
}
