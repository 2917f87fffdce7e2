/**
 * Listens and counts: who is speaking, and what the two connections measure.
 *
 * Levels are sampled ten times a second from what is being played, statistics a few times a second, and more often
 * while somebody's first picture is awaited.
 * Leaves out: what is made of it (`state.js`, `tiles.js`).
 * Read next: `levels.js`, `stats.js`.
 */

import { Meter, SpeakingDetector } from "./levels.js";
import { inbound, ownSound } from "./stats.js";

const LEVELS_EVERY = 0.1; // seconds
const STATS_EVERY = 0.5;
const STATS_EVERY_AT_FIRST = 0.15;

/** Belongs to a session, and dispatches its `heard` and `measured`. */
export class Listener {
  constructor(session) {
    this.session = session;
    this.detectors = new Map();
    this.levels = new Map();
    this.own = { told: false, level: 0, energy: 0 };
    this.meter = new Meter(); // for browsers that do not tell the level of what they send
    this.reports = { up: null, down: null };
    this.levelsAt = 0;
    this.statsAt = 0;
    this.reading = false;
  }

  beat() {
    const now = this.session.seats.clock();
    if (now >= this.levelsAt + LEVELS_EVERY) this.#hear(now);
    const every = this.#awaiting() ? STATS_EVERY_AT_FIRST : STATS_EVERY;
    if (!this.reading && now >= this.statsAt + every) this.#read(now);
  }

  /** Is this person speaking now? Of those who are not heard here, only the server knows. */
  speaking(id) {
    const { connection, seats, view, identity } = this.session;
    if (id !== identity?.participant && !seats.of(id).audio) return connection === "connected" && view.speaker === id;
    return this.detectors.get(id)?.speaking ?? false;
  }

  /** How loud this person is now, linear. */
  level(id) {
    return this.levels.get(id) ?? 0;
  }

  close() {
    this.meter.close();
  }

  forget(id) {
    this.detectors.delete(id);
    this.levels.delete(id);
  }

  #hear(now) {
    this.levelsAt = now;
    let changed = false;
    for (const { id, microphone } of this.session.people.values()) {
      const level = microphone === "on" ? this.#levelOf(id) : 0;
      if (!this.detectors.has(id)) this.detectors.set(id, new SpeakingDetector());
      const detector = this.detectors.get(id);
      const before = detector.speaking;
      this.levels.set(id, level);
      if (microphone !== "on") detector.speaking = false;
      else detector.sample(level, now);
      changed ||= before !== detector.speaking;
    }
    if (changed) this.session.dispatchEvent(new Event("heard"));
  }

  #levelOf(id) {
    if (id === this.session.identity?.participant) return this.#ownLevel();
    if (this.session.connection !== "connected") return 0; // a browser repeats the last level for ever
    return this.session.seats.of(id).audio?.level() ?? 0;
  }

  #ownLevel() {
    if (this.own.told) return this.own.level;
    const { track } = this.session.devices.microphone;
    if (this.metered !== track) this.meter.listen((this.metered = track));
    this.own.level = this.meter.level ?? 0;
    this.own.energy += this.own.level ** 2 * LEVELS_EVERY;
    return this.own.level;
  }

  #awaiting() {
    for (const { occupant, begun, satAt } of this.session.seats.all.values()) {
      if (occupant && !begun && this.session.seats.clock() - satAt < 5) return true;
    }
    return false;
  }

  async #read(now) {
    this.reading = true;
    this.statsAt = now;
    const { up, down, seats } = this.session;
    try {
      const [upward, downward] = await Promise.all([up.pc.getStats(), down.pc.getStats()]);
      this.reports = { up: upward, down: downward };
      this.own = ownSound(upward) ?? this.own;
      const found = inbound(downward, down.pc);
      for (const seat of seats.all.values()) seat.measure(found, seats.clock());
      this.session.dispatchEvent(new Event("measured"));
    } catch {
      // A connection that is being closed has nothing to tell.
    }
    this.reading = false;
  }
}
