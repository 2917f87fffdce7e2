/**
 * What the browser measures of every stream, as rates: bitrate, loss, delay, size, and the last minute of it.
 *
 * `read` is given the two statistics reports whenever there are new ones. Counts become rates by the difference to the
 * reading before; a stream that begins anew has none for a moment. What a browser does not tell is null.
 * Specification: W3C Identifiers for WebRTC's Statistics API.
 * Leaves out: what the server knows (`serverlook.js`), the DOM (`xray.js`).
 * Read next: `xray.js`, tests/page/flows.test.mjs.
 */

import { roundTrip, selectedPair } from "./pairs.js";

const MINUTE = 60; // seconds
const EVERY = 0.9; // seconds between two points of a line
const SHORTEST = 0.3; // seconds between two counts that make a rate

/** Lines of the last minute, by name: `add` a value now and then, `line` gives `[seconds ago, value]`. */
export class History {
  constructor() {
    this.lines = new Map();
  }

  add(name, value, now) {
    if (!this.lines.has(name)) this.lines.set(name, []);
    const line = this.lines.get(name);
    if (line.length && now - line.at(-1).at < EVERY) line.at(-1).value = value;
    else line.push({ at: now, value });
    while (line[0].at < now - MINUTE) line.shift();
  }

  line(name, now) {
    return (this.lines.get(name) ?? [])
      .filter(({ at }) => now - at <= MINUTE)
      .map(({ at, value }) => [now - at, value]);
  }

  /** Forget the lines that got nothing for a minute. */
  tidy(now) {
    for (const [name, line] of this.lines) if (line.at(-1).at < now - MINUTE) this.lines.delete(name);
  }
}

/** The streams of both directions. `sent` has one for each encoding, `received` one for each mid of *down*. */
export class Flows {
  constructor() {
    this.history = new History();
    this.sent = [];
    this.received = new Map();
    this.links = { up: null, down: null };
    this.counts = new Map();
  }

  /** Take new reports; `mids` maps the ids of received tracks to mids, for browsers that do not tell them. */
  read({ up, down }, mids, now) {
    if (!up || !down) return;
    this.sent = [...up.values()].filter(isMedia("outbound-rtp")).map((entry) => this.#sent(entry, up, now));
    this.sent.sort((one, other) => (one.mid ?? "").localeCompare(other.mid ?? "") || one.pixels - other.pixels);
    this.received = new Map();
    for (const entry of [...down.values()].filter(isMedia("inbound-rtp"))) {
      const mid = entry.mid ?? mids.get(entry.trackIdentifier);
      if (mid !== undefined) this.received.set(mid, this.#received(entry, now));
    }
    this.links = { up: this.#link("up", up, now), down: this.#link("down", down, now) };
    this.history.tidy(now);
    for (const [name, { at }] of this.counts) if (at < now - MINUTE) this.counts.delete(name);
  }

  #sent(entry, report, now) {
    const far = [...report.values()].find(({ type, localId }) => type === "remote-inbound-rtp" && localId === entry.id);
    const name = `sent ${entry.ssrc}`;
    const bitrate = this.#rate(name, (entry.bytesSent ?? 0) * 8, now);
    this.history.add(name, bitrate ?? 0, now);
    return {
      name,
      mid: entry.mid ?? null,
      rid: entry.rid ?? null,
      kind: entry.kind,
      active: entry.active ?? true,
      bitrate,
      target: entry.targetBitrate ?? null,
      loss: far?.fractionLost ?? null,
      roundTrip: far?.roundTripTime ?? null,
      limited: entry.qualityLimitationReason ?? null,
      ...picture(entry),
    };
  }

  #received(entry, now) {
    const name = `received ${entry.ssrc}`;
    const bitrate = this.#rate(name, (entry.bytesReceived ?? 0) * 8, now);
    this.history.add(name, bitrate ?? 0, now);
    const lost = this.#rate(`${name} lost`, Math.max(entry.packetsLost ?? 0, 0), now);
    const came = this.#rate(`${name} came`, entry.packetsReceived ?? 0, now);
    return {
      name,
      kind: entry.kind,
      bitrate,
      loss: share(lost, came),
      lost,
      came,
      jitter: entry.jitter ?? null,
      delay: entry.jitterBufferEmittedCount ? entry.jitterBufferDelay / entry.jitterBufferEmittedCount : null,
      freezes: entry.freezeCount ?? null,
      ...picture(entry),
    };
  }

  /** One direction as a whole: the sum of its streams, and what its path measures. */
  #link(direction, report, now) {
    const pair = selectedPair(report);
    const flows = direction === "up" ? this.sent : [...this.received.values()];
    const bitrate = sum(flows.map((flow) => flow.bitrate));
    const losses = this.sent.map(({ loss }) => loss).filter((loss) => loss !== null);
    const link = {
      bitrate,
      roundTrip: pair ? roundTrip(pair) : null,
      estimate: direction === "up" ? (pair?.availableOutgoingBitrate ?? null) : null,
      loss:
        direction === "up"
          ? losses.length
            ? Math.max(...losses)
            : null
          : share(sum(flows.map(({ lost }) => lost)), sum(flows.map(({ came }) => came))),
    };
    this.history.add(direction, bitrate ?? 0, now);
    if (link.estimate !== null) this.history.add(`${direction} estimate`, link.estimate, now);
    return link;
  }

  #rate(name, count, now) {
    const before = this.counts.get(name);
    if (!before || count < before.count) {
      this.counts.set(name, { at: now, count, rate: null });
      return null;
    }
    const elapsed = now - before.at;
    if (elapsed < SHORTEST) return before.rate;
    const rate = (count - before.count) / elapsed;
    this.counts.set(name, { at: now, count, rate });
    return rate;
  }
}

const isMedia = (wanted) => (entry) => entry.type === wanted && (entry.kind === "audio" || entry.kind === "video");

function picture({ frameWidth: width = null, frameHeight: height = null, framesPerSecond: frameRate = null }) {
  return { width, height, frameRate, pixels: (width ?? 0) * (height ?? 0) };
}

function sum(rates) {
  const known = rates.filter((rate) => rate !== null);
  return known.length ? known.reduce((all, each) => all + each, 0) : null;
}

/** The share of what is lost, 0 to 1; null where nothing came. */
function share(lost, came) {
  return lost === null || came === null || lost + came <= 0 ? null : lost / (lost + came);
}
