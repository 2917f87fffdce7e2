/**
 * Who sits where on *down*: seats outlive the people in them.
 *
 * A seat has an audio slot, a video slot, or both, each known by its mid. When the server gives a seat to somebody
 * else, the packets of the one before are still on their way: name and tile change when the first RTP timestamp of the
 * new person is played, and at the latest after half a second. What `getStats()` counts belongs to the seat; the
 * figures of a person are differences since they sat down.
 * Leaves out: the elements that play (`tiles.js`).
 * Read next: `tiles.js`, `state.js`, tests/page/seats.test.mjs.
 */

import { figures } from "./stats.js";

const LATEST = 0.5; // seconds after which a change is shown in any case
const SILENCE = { camera: 2.5, screen: 10 }; // seconds without a new frame: paused (a still screen sends few)
const NOTHING = { frames: 0, width: 0, height: 0, energy: 0, level: null };

/** Has a 32-bit RTP timestamp been reached, wrapping around? */
export function reached(timestamp, from) {
  return (timestamp - from) >>> 0 < 0x80000000;
}

/** One seat: `occupant` is shown now, `next` waits for its first packet. */
export class Seat {
  constructor(number) {
    Object.assign(this, { number, audio: null, video: null, occupant: null, next: null, deadline: 0 });
    this.receivers = { audio: null, video: null };
    this.paused = null; // why the server sends no picture, in its words
    this.layer = null;
    this.#sit(null, 0);
  }

  /** What the server says about this seat; true when somebody else is shown from now on. */
  assign(entry, now) {
    const turned = (this.video === null) !== (entry.video === null); // the viewer looks at this person again, or not
    this.audio = entry.audio;
    this.video = entry.video;
    const occupant = entry.person === null ? null : entry;
    const shown = this.occupant;
    if (same(shown, occupant)) {
      const cancelled = this.next !== null;
      this.occupant = occupant;
      this.next = null;
      if (turned) this.rewind(now);
      return cancelled || turned;
    }
    if (this.next && same(this.next.occupant, occupant)) {
      this.next.occupant = occupant;
      return this.tick(now);
    }
    if (shown && occupant) {
      this.next = { occupant };
      this.deadline = now + LATEST;
      return this.tick(now);
    }
    this.#sit(occupant, now);
    return true;
  }

  /** Look whether the next person's first packet is being played; true when they have just sat down. */
  tick(now) {
    if (!this.next || (now < this.deadline && !this.#arrived(this.next.occupant))) return false;
    this.#sit(this.next.occupant, now);
    return true;
  }

  /** The level of the sound that is being played, linear, or null. */
  level() {
    return this.#source("audio")?.audioLevel ?? this.latest.audio.level ?? 0;
  }

  /** New figures of this seat's receivers, and when. */
  measure(found, now) {
    const audio = found.get(this.audio);
    const video = found.get(this.video);
    if (audio) this.latest.audio = audio;
    if (!video) return;
    if (video.frames !== this.latest.video.frames) this.grownAt = now;
    this.latest.video = video;
    if (video.frames > this.floor) this.presented(undefined, now);
  }

  /** The figures since the person sat down. */
  figures() {
    const { audio, video } = this.base;
    const since = (now, then) => (then === undefined ? 0 : Math.max(0, now - then));
    return {
      frames: since(this.latest.video.frames, video?.frames),
      width: this.begun ? this.latest.video.width : 0,
      height: this.begun ? this.latest.video.height : 0,
      energy: since(this.latest.audio.energy, audio?.energy),
    };
  }

  /** A frame was put on the screen. Its RTP timestamp, or else the time since the change, tells whose it is. */
  presented(timestamp, now) {
    const from = this.occupant?.video_from ?? null;
    const known = timestamp !== undefined && from !== null;
    const fresh = this.base.video?.frames === 0 || now - this.satAt > LATEST;
    if (known ? reached(timestamp, from) : fresh) this.begun = true;
    return this.begun;
  }

  /** The picture starts again (the camera was off): what is on the screen is old until the next frame. */
  rewind(now) {
    this.begun = false;
    this.grownAt = this.awaitedAt = now;
    this.episode = {};
    this.floor = this.latest.video.frames;
  }

  /** Has a new frame come lately? */
  flows(now) {
    return this.begun && now - this.grownAt < SILENCE[this.occupant?.source ?? "camera"];
  }

  #sit(occupant, now) {
    this.occupant = occupant;
    this.next = null;
    this.begun = false;
    this.satAt = this.grownAt = this.awaitedAt = now;
    this.episode = {}; // another object for every picture that is awaited
    this.floor = Infinity; // frames that belong to the time before
    this.latest = { audio: { ...NOTHING }, video: { ...NOTHING } };
    this.base = { audio: null, video: null };
    if (occupant) this.#weigh();
  }

  /** Take the figures at this moment as the ones to count from. */
  async #weigh() {
    const { occupant, base } = this;
    for (const kind of ["audio", "video"]) {
      const entry = await receivedBy(this.receivers[kind]);
      if (this.base !== base || this.occupant?.person !== occupant.person) return;
      base[kind] ??= entry;
      this.latest[kind] = { ...entry };
    }
    this.floor = Math.min(this.floor, base.video.frames);
  }

  #arrived({ audio_from: audio, video_from: video }) {
    const here = (kind, from) => from !== null && reached(this.#source(kind)?.rtpTimestamp ?? from - 1, from);
    return here("video", video ?? null) || here("audio", audio ?? null);
  }

  #source(kind) {
    return this.receivers[kind]?.getSynchronizationSources?.()[0] ?? null;
  }
}

/** All seats of the *down* connection. Events: `changed` when somebody sat down, left or the slots changed. */
export class Seats extends EventTarget {
  constructor(clock = () => performance.now() / 1000) {
    super();
    this.clock = clock;
    this.all = new Map();
    this.pc = null;
  }

  /** The server's `seats` message: the whole list. */
  assign(entries) {
    const now = this.clock();
    let changed = false;
    for (const entry of entries) {
      if (!this.all.has(entry.seat)) this.all.set(entry.seat, new Seat(entry.seat));
      changed = this.all.get(entry.seat).assign(entry, now) || changed;
    }
    for (const number of [...this.all.keys()]) {
      if (entries.some(({ seat }) => seat === number)) continue;
      this.all.delete(number);
      changed = true;
    }
    this.#connect();
    if (changed) this.#changed();
  }

  /** The server's `video` message: what comes in the video slots, and why nothing does. */
  explain(states) {
    const told = new Map(states.map((state) => [state.seat, state]));
    for (const seat of this.all.values()) {
      const { state = "playing", reason = null, layer = null } = told.get(seat.number) ?? {};
      seat.paused = state === "paused" ? (reason ?? "paused") : null;
      seat.layer = layer;
    }
    this.#changed();
  }

  /** The connection has (new) sections: find each slot's receiver. */
  attach(pc) {
    this.pc = pc;
    this.#connect();
    this.#changed();
  }

  /** *Down* is gone, and all that was seen on it. */
  clear() {
    this.pc = null;
    this.all.clear();
    this.#changed();
  }

  tick() {
    const now = this.clock();
    let changed = false;
    for (const seat of this.all.values()) changed = seat.tick(now) || changed;
    if (changed) this.#changed();
  }

  /** The seats that show a person's camera or screen, and the one in which they are heard. */
  of(person, source = "camera") {
    const mine = [...this.all.values()].filter(
      ({ occupant }) => occupant?.person === person && occupant.source === source,
    );
    return {
      video: mine.find((seat) => seat.video !== null) ?? null,
      audio: mine.find((seat) => seat.audio !== null) ?? null,
    };
  }

  #connect() {
    if (!this.pc) return;
    const receivers = new Map(this.pc.getTransceivers().map(({ mid, receiver }) => [mid, receiver]));
    for (const seat of this.all.values()) {
      for (const kind of ["audio", "video"]) seat.receivers[kind] = receivers.get(seat[kind]) ?? null;
    }
  }

  #changed() {
    this.dispatchEvent(new Event("changed"));
  }
}

function same(one, other) {
  return (one?.person ?? null) === (other?.person ?? null) && (one?.source ?? null) === (other?.source ?? null);
}

async function receivedBy(receiver) {
  if (!receiver) return { ...NOTHING };
  for (const entry of (await receiver.getStats()).values()) if (entry.type === "inbound-rtp") return figures(entry);
  return { ...NOTHING };
}
