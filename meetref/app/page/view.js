/**
 * What this person looks at: grid or speaker, which page, who is pinned; and what the server says about whom to look at.
 *
 * The stage says how many tiles fit and how tall they are (`fits`); all of it goes to the server as one `look`, at once
 * when the person chose something and a moment later when only a size changed. The server seats people by it, and
 * answers with the page that there is and the seat that is large. Who speaks and how well connections do comes
 * unasked.
 * Leaves out: where tiles stand (`stage.js`, `layout.js`).
 * Read next: `sights.js`, tests/page/view.test.mjs.
 */

const SETTLES = 250; // milliseconds for which a size must have been the same before the server is told
const STEP = 20; // pixels in which heights are told: a window that is dragged is not a new look at every pixel
export const MOST_TILES = 25; // as in meetref/wire/signaling.py
export const MOST_PINNED = 9;

const same = (one, other) => one.person === other.person && one.source === other.source;

/** Events: `changed` when anything that is seen depends on is other. */
export class View extends EventTarget {
  /** `send` sends a message and says whether it went. */
  constructor({ send, layout = "grid", later = (act) => setTimeout(act, SETTLES) }) {
    super();
    Object.assign(this, { send, later });
    this.layout = layout === "speaker" ? "speaker" : "grid";
    this.page = 0;
    this.pinned = []; // {person, source}, the latest first
    this.room = { tiles: MOST_TILES, large: 0, small: 0 };
    this.seated = { page: 0, pages: 1, large: null }; // what the server answered
    this.speaker = null;
    this.recent = [];
    this.bars = new Map();
    this.told = null;
    this.waiting = false;
  }

  /** The other layout. */
  toggle() {
    this.layout = this.layout === "grid" ? "speaker" : "grid";
    this.page = 0;
    this.#choose();
  }

  /** So many pages further, or back. */
  turn(step) {
    const page = Math.min(Math.max(this.page + step, 0), this.seated.pages - 1);
    if (page === this.page) return;
    this.page = page;
    this.#choose();
  }

  isPinned(person, source = "camera") {
    return this.pinned.some((each) => same(each, { person, source }));
  }

  /** Pin somebody, or let them go. */
  pin(person, source = "camera") {
    const wanted = { person, source };
    const others = this.pinned.filter((each) => !same(each, wanted));
    this.pinned = others.length < this.pinned.length ? others : [wanted, ...others].slice(0, MOST_PINNED);
    this.#choose();
  }

  /** Somebody's screen is gone. */
  forgetScreen(person) {
    this.pinned = this.pinned.filter((each) => !same(each, { person, source: "screen" }));
  }

  /** Somebody is gone for good. */
  forget(person) {
    this.pinned = this.pinned.filter((each) => each.person !== person);
    this.bars.delete(person);
    this.recent = this.recent.filter((each) => each !== person);
    if (this.speaker === person) this.speaker = null;
  }

  /** The stage has room for so many tiles of others, and this is how tall they are, in pixels of the screen. */
  fits({ tiles, large, small }) {
    const whole = (pixels) => Math.min(Math.ceil(pixels / STEP) * STEP, 16384);
    this.room = { tiles: Math.max(0, Math.min(tiles, MOST_TILES)), large: whole(large), small: whole(small) };
    if (this.waiting || this.#text() === this.told) return;
    this.waiting = true;
    this.later(() => {
      this.waiting = false;
      this.#tell();
    });
  }

  /** We have joined, perhaps again: the server knows nothing of what we look at. */
  repeat() {
    this.told = null;
    this.#tell();
  }

  /** The server's `seats`. */
  seat({ page = 0, pages = 1, large = null }) {
    this.seated = { page, pages, large };
    this.page = Math.min(this.page, pages - 1);
    this.#changed();
  }

  /** The server's `speaker`. */
  hear({ person, recent }) {
    this.speaker = person;
    this.recent = recent;
    this.#changed();
  }

  /** The server's `quality`. */
  rate({ people }) {
    for (const { person, bars } of people) this.bars.set(person, bars);
    this.#changed();
  }

  #choose() {
    this.#tell();
    this.#changed();
  }

  #look() {
    const { layout, page, pinned, room } = this;
    return { type: "look", layout, page, pinned, ...room };
  }

  #text() {
    return JSON.stringify(this.#look());
  }

  #tell() {
    const text = this.#text();
    if (text !== this.told && this.send(this.#look())) this.told = text;
  }

  #changed() {
    this.dispatchEvent(new Event("changed"));
  }
}
