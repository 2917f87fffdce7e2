/**
 * How loud somebody is, and whether that is speaking.
 *
 * A level is linear, 0 to 1, as WebRTC gives it. Speaking begins when it is high for two samples and ends after a
 * pause longer than those between words; two thresholds keep it from flickering. The meter of one's own microphone
 * reads an analyser, because before the meeting nothing else measures it.
 * Read next: `session.js`, tests/page/levels.test.mjs.
 */

const BEGINS = 0.01; // -40 dB
const ENDS = 0.004; // about -48 dB
const SAMPLES = 2;
const PAUSE = 0.7; // seconds

/** Speaking or not, from a stream of levels, with hysteresis. */
export class SpeakingDetector {
  constructor() {
    this.speaking = false;
    this.high = 0;
    this.heardAt = -Infinity;
  }

  /** One level at a time (seconds); returns whether the person is speaking now. */
  sample(level, now) {
    this.high = level >= BEGINS ? this.high + 1 : 0;
    if (level >= ENDS && (this.speaking || this.high)) this.heardAt = now;
    if (this.high >= SAMPLES) this.speaking = true;
    else if (this.speaking && now - this.heardAt > PAUSE) this.speaking = false;
    return this.speaking;
  }
}

/** A level as a bar's length, 0 to 1: decibels, from -60 up, because ears hear that way. */
export function barLength(level) {
  if (!(level > 0)) return 0;
  return Math.max(0, Math.min(1, (20 * Math.log10(level) + 60) / 54));
}

/** The level of a local microphone track, by an analyser. `level` is null while the browser holds sound back. */
export class Meter {
  constructor() {
    this.context = null;
    this.source = null;
    this.samples = null;
    this.wake = () => this.context?.resume().catch(() => {});
  }

  /** Listen to another track, or to none. */
  listen(track) {
    this.source?.disconnect();
    this.source = null;
    if (!track || !globalThis.AudioContext) return;
    if (!this.context) this.#open();
    this.source = this.context.createMediaStreamSource(new MediaStream([track]));
    this.source.connect(this.analyser);
    this.wake();
  }

  get level() {
    if (!this.source || this.context.state !== "running") return null;
    this.analyser.getFloatTimeDomainData(this.samples);
    let sum = 0;
    for (const sample of this.samples) sum += sample * sample;
    return Math.sqrt(sum / this.samples.length);
  }

  close() {
    this.listen(null);
    for (const gesture of ["pointerdown", "keydown"]) removeEventListener(gesture, this.wake);
    this.context?.close().catch(() => {});
    this.context = null;
  }

  #open() {
    this.context = new AudioContext();
    this.analyser = this.context.createAnalyser();
    this.analyser.fftSize = 1024;
    this.samples = new Float32Array(this.analyser.fftSize);
    for (const gesture of ["pointerdown", "keydown"]) addEventListener(gesture, this.wake);
  }
}
