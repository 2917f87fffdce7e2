/**
 * That the meeting is recorded: seen, heard, and with the name of who wanted it.
 *
 * The badge is there as long as the recording runs. When it begins, and for whoever comes later, two rising tones are
 * played, two falling ones at its end; where the browser lets the page make no sound yet, they wait for the first touch.
 * Leaves out: who may record (the server tells), and the button that begins it (`settings.js`).
 * Read next: `session.js`, `meeting.js`.
 */

import { element, write } from "./elements.js";

export const OFF = { on: false, by: null, name: null, since: null, trouble: null };

const TONES = { begins: [660, 880], ends: [660, 440] }; // hertz
const TONE = 0.22; // seconds
const LOUD = 0.12;

/** What is said of a change, as a notice; null: nothing. `me` is one's own id. */
export function recordingNotice(before, now, me) {
  const who = now.by === me ? "You" : now.name;
  const trouble = now.trouble !== before.trouble ? now.trouble : null;
  if (now.on && now.since !== before.since) return { words: `${who} started to record this meeting`, kind: "trouble" };
  if (before.on && !now.on && !now.trouble) {
    return { words: who ? `${who} stopped the recording` : "The recording has ended", kind: "news" };
  }
  return trouble ? { words: trouble, kind: "trouble" } : null;
}

/** What the badge says. */
export function badgeWords({ name, by, trouble }, me) {
  const who = by === me ? "you" : name;
  return trouble ? `Recording, started by ${who}. ${trouble}` : `Recording, started by ${who}`;
}

/** What the server says of it. Events: `changed`. `now` has the fields of `OFF`, `may` tells whether one may record. */
export class Recording extends EventTarget {
  constructor(session) {
    super();
    this.session = session;
    this.now = OFF;
    this.may = false;
  }

  /** Have the meeting recorded from now on, or not any more; the server tells everybody. */
  ask(on) {
    this.session.send({ type: "record", on });
  }

  /** We are in, perhaps again; if it goes on, that is told anew. */
  joined(may, resumed) {
    this.may = may;
    if (!resumed) this.now = { ...this.now, on: false };
    this.dispatchEvent(new Event("changed"));
  }

  receive(message) {
    const before = this.now;
    this.now = { ...OFF, ...message };
    const notice = recordingNotice(before, this.now, this.session.identity?.participant);
    if (notice) this.session.notice(notice.words, notice.kind);
    this.dispatchEvent(new Event("changed"));
  }
}

export class RecordingBadge {
  constructor(session) {
    this.session = session;
    this.announced = null; // "waiting" for the browser's leave, or "heard"
    this.known = OFF;
    this.words = element("span", { class: "words", test: "recording-words" });
    this.stop = element(
      "button",
      {
        class: "button small",
        type: "button",
        test: "stop-recording",
        on: { click: () => session.recording.ask(false) },
      },
      "Stop",
    );
    this.root = element(
      "div",
      { class: "recording-badge", test: "recording", role: "status", hidden: true },
      element("span", { class: "dot", "aria-hidden": "true" }),
      this.words,
      this.stop,
    );
  }

  /** Show how it is now; a recording that was not known is announced. */
  draw() {
    const { session, known } = this;
    const { now, may } = session.recording;
    this.root.hidden = !now.on;
    this.stop.hidden = !may;
    if (now.on) write(this.words, badgeWords(now, session.identity?.participant));
    this.known = now;
    if (now.on && now.since !== known.since) this.#sound(TONES.begins);
    else if (known.on && !now.on) this.#sound(TONES.ends);
  }

  close() {
    this.context?.close();
  }

  #sound(tones) {
    this.context ??= new AudioContext();
    const { context } = this;
    this.announced = "waiting";
    for (const [number, pitch] of tones.entries()) this.#tone(context, pitch, context.currentTime + number * TONE);
    const go = () => context.state === "suspended" && context.resume().catch(() => {});
    go();
    for (const gesture of ["pointerup", "keydown"]) addEventListener(gesture, go, { once: true });
  }

  #tone(context, pitch, at) {
    const tone = context.createOscillator();
    const loudness = context.createGain();
    tone.frequency.value = pitch;
    loudness.gain.setValueAtTime(0, at);
    loudness.gain.linearRampToValueAtTime(LOUD, at + 0.02);
    loudness.gain.setTargetAtTime(0, at + TONE * 0.7, 0.03);
    tone.connect(loudness).connect(context.destination);
    tone.addEventListener("ended", () => {
      this.announced = "heard";
    });
    tone.start(at);
    tone.stop(at + TONE);
  }
}
