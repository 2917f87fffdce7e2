/**
 * Notices that a connection fell silent although something was due, long before the browser calls it disconnected.
 *
 * While *up* sends, the server's feedback comes many times a second; half a second without any means that the path is
 * gone: another network, a cable pulled. Only *up* can tell: on *down* silence may as well be other people's.
 * Where nothing is sent up, *down* still has the server's reports, one a second, as long as somebody else sends something.
 * Firefox calls both disconnected as soon as its address is gone; that counts as well.
 * Leaves out: the restart itself (`connections.js`).
 * Read next: `connections.js`.
 */

const EVERY = 0.12; // seconds between two readings
const SILENCE = { dense: 0.5, sparse: 2.5 }; // seconds
const STEP = 0.15; // weight of one reading in the average
const RECOVERED = 0.5;
const DENSE = 0.7; // so many of the readings before the silence had something new

/** How many octets a connection has received, by what its report tells; null when it tells nothing. */
export function received(report) {
  let octets = null;
  for (const entry of report.values()) {
    if (entry.type === "transport" && entry.bytesReceived !== undefined) return entry.bytesReceived;
    if (entry.type === "candidate-pair") octets = (octets ?? 0) + (entry.bytesReceived ?? 0);
  }
  return octets;
}

const LOST = ["disconnected", "failed"];
const sends = ({ microphone, camera, screen }) => microphone === "on" || camera === "on" || screen;

/** The rhythm of what arrives: `sample` it, then ask for `silent`. */
export class Rhythm {
  constructor() {
    this.octets = null;
    this.average = 0; // of readings that brought something
    this.before = 0; // that average when something last came
    this.at = null; // when that was
  }

  /** The silence so far was nobody's fault, or is over: begin anew. */
  forget() {
    Object.assign(this, { average: 0, before: 0, at: null });
  }

  /** Another connection, which counts its octets from the beginning. */
  renew() {
    this.forget();
    this.octets = null;
  }

  sample(octets, now) {
    const grew = this.octets !== null && octets > this.octets;
    this.octets = octets;
    this.average += STEP * (grew - this.average);
    if (!grew) return;
    this.at = now;
    this.before = this.average;
  }

  /**
   * Has nothing come for too long, after a time in which it came often (`dense`) or at all? A silence that `was` is
   * over when things come often again: a last packet from the old path is no recovery.
   */
  silent(now, rhythm = "dense", was = false) {
    if (this.at === null) return false;
    const long = now - this.at >= SILENCE[rhythm];
    if (rhythm !== "dense") return long;
    return was ? long || this.average < RECOVERED : long && this.before >= DENSE;
  }
}

/** Feels the pulse of a session's two connections; dispatches `silent` once, and `alive` when something came again. */
export class Pulse extends EventTarget {
  constructor({ clock = () => performance.now() / 1000 } = {}) {
    super();
    this.clock = clock;
    this.up = new Rhythm();
    this.down = new Rhythm();
    this.silent = false;
    this.readAt = 0;
    this.reading = false;
    this.generation = 0; // counts the connections that were made
  }

  /** A connection was made anew: what the old one did says nothing of it. */
  renew(direction) {
    this[direction].renew();
    this.generation += 1;
    this.silent = false;
  }

  /** `others` are the people whose sound and pictures may come; who is alone with nothing to send hears nothing. */
  beat({ up, down, others = null }) {
    const now = this.clock();
    if (this.reading || now < this.readAt + EVERY) return;
    this.readAt = now;
    if (LOST.includes(up.state) || LOST.includes(down.state)) this.#judge(true);
    else if (up.sends || !others || others.some(sends)) this.#read(up, down);
    else {
      for (const rhythm of [this.up, this.down]) rhythm.forget();
      this.#judge(false);
    }
  }

  async #read(up, down) {
    const [connection, rhythm, kind] = up.sends ? [up, this.up, "dense"] : [down, this.down, "sparse"];
    if (!up.sends) this.up.forget();
    const { generation } = this;
    let octets = null;
    this.reading = true;
    try {
      octets = received(await connection.pc.getStats());
    } catch {
      // A connection that is being closed has nothing to tell.
    }
    this.reading = false;
    if (generation !== this.generation) return; // it may have been the old one's
    if (octets !== null) rhythm.sample(octets, this.clock());
    this.#judge(rhythm.silent(this.clock(), kind, this.silent));
  }

  #judge(silent) {
    if (silent === this.silent) return;
    this.silent = silent;
    this.dispatchEvent(new Event(silent ? "silent" : "alive"));
  }
}

/**
 * Act on a session's pulse. Whatever happened to the path happened to the WebSocket too, which would find out much
 * later: it comes back at once, and as soon as it has, the session lets both connections restart.
 * Gives what to do when the browser says that the network is another one.
 */
export function healBy(pulse, { healers, signaling }) {
  const all = () => Object.values(healers);
  pulse.addEventListener("silent", () => {
    for (const healer of all()) healer.silent = true;
    signaling.renew();
  });
  pulse.addEventListener("alive", () => all().forEach((healer) => healer.alive()));
  return () => all().some((healer) => healer.broken) && signaling.renew();
}
