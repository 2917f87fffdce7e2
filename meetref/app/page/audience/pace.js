/**
 * How fast to play, and which size to load: small decisions, each a pure function of what was measured.
 *
 * Read next: `player.js`, which asks.
 */

export const LATENCY = 2.0; // seconds behind the studio, where a line allows that
const NEAR = 0.3;
const FASTEST = 1.15;
const SLOWEST = 0.95;
export const LEAP = 6.0; // seconds behind the aim from which on it leaps there

/** How fast to play with so much latency; null: leap to the aim. `ahead` is how much is loaded, in seconds. */
export function rateFor(latency, ahead) {
  const behind = latency - LATENCY;
  if (behind > LEAP && ahead > 1) return null;
  if (behind > NEAR && ahead > 0.7) return Math.min(FASTEST, 1 + behind / 10);
  if (behind < -NEAR || ahead < 0.15) return SLOWEST;
  return 1;
}

const NOTHING_MORE = 0.15; // seconds before the end of a stretch at which a browser may stand still
const STEP = 0.9; // seconds of the next stretch that are there before it is gone to

/**
 * What to do in the loaded `stretches`, pairs of seconds: `play` on, `wait` where this one ends and there is little of the
 * next one, or `step` over to that. `moves`: something was played before.
 */
export function stepFor(stretches, at, moves) {
  const [begins, ends] = stretches.at(-1);
  if (at >= begins || stretches.some(([from, to]) => at >= from && at < to - NOTHING_MORE)) return "play";
  return moves && ends - begins < STEP ? "wait" : "step";
}

const FORGETS = 0.8;
const MARGIN = 1.4; // of a size's bit rate that has to come through

/** Bits a second that come through, from the parts that were loaded. */
export class Throughput {
  constructor() {
    this.bps = 0;
  }

  add(octets, seconds) {
    const now = (octets * 8) / Math.max(seconds, 0.001);
    this.bps = this.bps ? FORGETS * this.bps + (1 - FORGETS) * now : now;
  }
}

/** The size to load: the best that comes through and is not larger than what it is shown in. At first a middle one. */
export function variantFor(variants, bps, height) {
  const byRate = [...variants].sort((one, other) => one.bandwidth - other.bandwidth);
  if (!bps) return byRate[Math.floor((byRate.length - 1) / 2)];
  const useful = byRate.filter((each, place) => place === 0 || byRate[place - 1].height < height);
  const through = useful.filter((each) => each.bandwidth * MARGIN <= bps);
  return through.at(-1) ?? byRate[0];
}
