/**
 * That the meeting is recorded: seen, heard, and with the name of who wanted it.
 *
 * The badge is there as long as anybody records: the server, or somebody for themselves. When one begins, and for
 * whoever comes later, two rising tones are played, two falling ones at its end; where the browser lets the page make no
 * sound yet, they wait for the first touch.
 * Leaves out: who may record (the server tells), and the button that begins it (`settings.js`).
 * Read next: `session.js`, `meeting.js`.
 */

import { element, write } from "./elements.js";
import { OwnRecording } from "./ownrecording.js";

export const OFF = { on: false, by: null, name: null, since: null, trouble: null, recording: null, others: [] };

const NAMED = 3; // people whose own recordings the badge names one by one
const TONES = { begins: [660, 880], ends: [660, 440] }; // hertz
const TONE = 0.22; // seconds
const LOUD = 0.12;

/** The recordings that run, as texts that are the same for the same recording. */
export function running({ on, since, others }) {
  return [...(on ? [`server ${since}`] : []), ...live(others).map(key)];
}

/** What is said of a change, as a notice; null: nothing. `me` is one's own id. */
export function recordingNotice(before, now, me) {
  const own = ownNotice(before.others, now.others, me);
  const server = serverNotice(before, now, me);
  if (!own || !server) return own ?? server;
  return { ...server, words: `${server.words}. ${own.words}` };
}

function serverNotice(before, now, me) {
  const who = now.by === me ? "You" : now.name;
  const trouble = now.trouble !== before.trouble ? now.trouble : null;
  if (now.on && now.since !== before.since) return { words: `${who} started to record this meeting`, kind: "trouble" };
  if (before.on && !now.on && (now.recording || !now.trouble)) {
    const words = who ? `${who} stopped the recording` : "The recording has ended";
    return now.recording ? { words, kind: "link", link: `/recordings/${now.recording}` } : { words, kind: "news" };
  }
  return trouble ? { words: trouble, kind: "trouble" } : null;
}

function ownNotice(before, now, me) {
  const begun = now.filter((one) => !before.some((other) => key(other) === key(one)));
  if (begun.length) return { words: begun.map((one) => ownWords(one, me, "now ")).join(". "), kind: "trouble" };
  const ended = live(before).filter((one) => !now.some((other) => key(other) === key(one)));
  if (!ended.length) return null;
  const words = ended.map(({ by, name }) => (by === me ? "You record no more" : `${name} records no more`));
  return { words: words.join(". "), kind: "news" };
}

/** What the badge says. */
export function badgeWords({ on, name, by, trouble, others }, me) {
  const own = live(others);
  const named = own.length > NAMED ? own.slice(0, NAMED - 1) : own;
  const more = own.length - named.length;
  const parts = [
    on && `Recording, started by ${by === me ? "you" : name}`,
    on && trouble?.replace(/\.$/u, ""),
    ...named.map((one) => ownWords(one, me)),
    more && `${more} more record for themselves`,
  ].filter(Boolean);
  return parts.join(". ") + (on && trouble && !own.length ? "." : "");
}

/** Who records for themselves, and how. */
function ownWords({ by, name, way }, me, when = "") {
  if (way === "bot") return `${name}, a bot, ${when}records what it sees`;
  return by === me ? `You ${when}record in this browser` : `${name} ${when}records in their own browser`;
}

/** After a reconnection `over` marks what is not known to run any more. */
function live(others) {
  return others.filter(({ over }) => !over);
}

function key({ by, since }) {
  return `${by} ${since}`;
}

/**
 * What the server says of it. Events: `changed`. `now` has the fields of `OFF`, `may` tells whether one may record; `own`
 * is what this browser records for itself.
 */
export class Recording extends EventTarget {
  constructor(session) {
    super();
    this.session = session;
    this.now = OFF;
    this.may = false;
    this.own = new OwnRecording(session);
    this.own.addEventListener("changed", () => this.dispatchEvent(new Event("changed")));
    session.addEventListener("over", () => this.own.stop());
  }

  /** Have the meeting recorded from now on, or not any more; the server tells everybody. */
  ask(on) {
    this.session.send({ type: "record", on });
  }

  /** We are in, perhaps again; if it goes on, that is told anew. */
  joined(may, resumed) {
    this.may = may;
    const others = this.now.others.map((one) => ({ ...one, over: true }));
    if (!resumed) {
      this.now = { ...this.now, on: false, others };
      this.own.forgotten();
    }
    this.dispatchEvent(new Event("changed"));
  }

  receive(message) {
    const before = this.now;
    this.now = { ...OFF, ...message };
    const notice = recordingNotice(before, this.now, this.session.identity?.participant);
    if (notice) this.session.notice(notice.words, notice.kind, notice.link);
    this.own.told(this.now.others);
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
        on: { click: () => this.#stop() },
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
    const [runs, ran] = [running(now), running(known)];
    this.root.hidden = !runs.length;
    this.stop.hidden = !(may && now.on) && !session.recording.own.active;
    if (runs.length) write(this.words, badgeWords(now, session.identity?.participant));
    this.known = now;
    if (runs.some((one) => !ran.includes(one))) this.#sound(TONES.begins);
    else if (ran.some((one) => !runs.includes(one))) this.#sound(TONES.ends);
  }

  close() {
    this.context?.close();
  }

  /** Stop the recording of all, or else one's own. */
  #stop() {
    const { now, may, own } = this.session.recording;
    if (now.on && may) this.session.recording.ask(false);
    else own.stop();
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
