/**
 * Captions as they are known here: the lines that came, which of them are still to be read, and what is written oneself.
 *
 * A line stays as long as it takes to read it, and goes earlier when newer ones need its place. Lines that came before
 * one did are not told. Pure: nothing of the document.
 * Leaves out: how they look (`captionview.js`), and where they are written (`captionwriter.js`).
 * Read next: tests/page/captions.test.mjs.
 */

export const LONGEST_CAPTION = 300; // characters, as in meetref/wire/signaling.py
const MOST_SHOWN = 3; // lines at a time
const MOST_KEPT = 50; // lines
const STAYS = 5; // seconds, and
const READING = 0.07; // seconds more for each character

/** Events: `changed`; `hidden`, when the first line comes to somebody who has hidden them. */
export class Captions extends EventTarget {
  constructor({ send, shown = true, clock = () => performance.now() / 1000 }) {
    super();
    Object.assign(this, { send, shown, clock });
    this.lines = []; // {by, person, name, text, until}
    this.writing = false; // whether one writes them oneself
  }

  /** Whether there is anything to show or to hide. */
  get known() {
    return this.writing || this.lines.length > 0;
  }

  /** The server's `caption`. */
  receive({ by, person, name, text }) {
    const until = this.clock() + STAYS + READING * text.length;
    const first = !this.lines.length;
    this.lines = [...this.lines, { by, person, name, text, until }].slice(-MOST_KEPT);
    if (first && !this.shown) this.dispatchEvent(new Event("hidden"));
    this.#changed();
  }

  /** What is to be read now. */
  visible() {
    const now = this.clock();
    return this.shown ? this.lines.slice(-MOST_SHOWN).filter(({ until }) => until > now) : [];
  }

  /** Say a line; true if it went. `person` is whose words it is, or null. */
  write(text, person) {
    const line = text.replace(/\s+/gu, " ").trim().slice(0, LONGEST_CAPTION);
    return Boolean(line) && this.send({ type: "write-caption", text: line, person });
  }

  toggle() {
    this.shown = !this.shown;
    this.#changed();
  }

  /** Begin to write, or end. */
  beWriting(writing) {
    this.writing = writing;
    if (writing) this.shown = true; // who writes reads what came of it
    this.#changed();
  }

  #changed() {
    this.dispatchEvent(new Event("changed"));
  }
}
