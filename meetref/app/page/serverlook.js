/**
 * Asks the server what it knows of this room, once a second while somebody looks.
 *
 * The server answers on its own machine, elsewhere only to the admin token, which the person may give; it is kept in
 * this page and nowhere else. What it tells of bitrates and estimates is kept for a minute, to be drawn.
 * Leaves out: what the fields mean (docs/xray.md), the DOM (`xray.js`).
 * Read next: `xray.js`, meetref/app/xray.py.
 */

const EVERY = 1000; // milliseconds between two looks
const TREE_EVERY = 3; // looks between two looks at the tasks

/** Events: `changed` after every answer. `refused`: the token is needed, or wrong. */
export class ServerLook extends EventTarget {
  constructor({ room, history, ask = (path, options) => fetch(path, options), clock = () => performance.now() / 1000 }) {
    super();
    Object.assign(this, { room, history, ask, clock });
    this.token = "";
    this.refused = false;
    this.seen = null; // the room, as the server answered last
    this.tasks = null;
    this.looks = 0;
    this.timer = null;
  }

  open() {
    if (this.timer !== null) return;
    this.looks = 0;
    this.timer = setInterval(() => this.look(), EVERY);
    this.look();
  }

  close() {
    clearInterval(this.timer);
    this.timer = null;
  }

  /** Try with this token from now on. */
  use(token) {
    this.token = token.trim();
    this.looks = 0;
    this.look();
  }

  /** What the server knows of one person, or null. */
  person(id) {
    return this.seen?.people.find((each) => each.id === id) ?? null;
  }

  async look() {
    if (this.asking) return; // a slow server is not asked twice
    this.asking = true;
    try {
      const seen = await this.#get(`/api/rooms/${encodeURIComponent(this.room)}`);
      if (seen) this.#keep(seen);
      if (seen && this.looks % TREE_EVERY === 0) this.tasks = (await this.#get("/api/tree")) ?? this.tasks;
      if (seen) this.looks += 1;
    } catch {
      this.seen = null; // the server is away; signaling says so, too
    }
    this.asking = false;
    this.dispatchEvent(new Event("changed"));
  }

  async #get(path) {
    const headers = this.token ? { Authorization: `Bearer ${this.token}` } : {};
    const answer = await this.ask(path, { headers, cache: "no-store" });
    this.refused = answer.status === 401;
    if (this.refused) this.seen = this.tasks = null;
    return answer.ok ? answer.json() : null;
  }

  #keep(seen) {
    this.seen = seen;
    const now = this.clock();
    for (const { id, up, down } of seen.people) {
      if (up) this.history.add(`${id} up`, bitrateOf(up) ?? 0, now);
      if (down) this.history.add(`${id} down`, down.bitrate_bps ?? 0, now);
      if (down?.estimate) this.history.add(`${id} estimate`, down.estimate.target_bps, now);
    }
  }
}

/** All that comes of somebody, in bit/s, or null while nothing is known. */
export function bitrateOf(up) {
  const rates = up.sources.flatMap(({ encodings }) => encodings.map(({ bitrate_bps: rate, living }) => living && rate));
  const known = rates.filter((rate) => rate !== null && rate !== false);
  return known.length ? known.reduce((all, each) => all + each, 0) : null;
}
