/**
 * Plays everybody's sound, one `<audio>` element a seat, and knows when the browser refuses.
 *
 * Browsers play no sound before the person has touched the page, unless it is capturing. A refusal is not an error:
 * one button says so (`enable-sound`), and the first touch tries again. Elements live as long as their seat, because
 * who sits there changes without a new track.
 * Read next: `seats.js`.
 */

import { element } from "./elements.js";

/** Events: `changed` when sound is refused or flows again. */
export class Sounds extends EventTarget {
  constructor() {
    super();
    this.root = element("div", { class: "sounds", hidden: true });
    this.elements = new Map();
    this.refused = new Set();
    this.speaker = "";
    this.touched = () => this.refused.size && this.enable();
    for (const gesture of ["pointerup", "keydown"]) addEventListener(gesture, this.touched);
  }

  get blocked() {
    return this.refused.size > 0;
  }

  /** Play what these seats hold: each seat's audio slot. */
  follow(seats) {
    for (const [number, audio] of this.elements) {
      if (seats.get(number)?.receivers.audio) continue;
      audio.srcObject = null;
      audio.remove();
      this.elements.delete(number);
      this.#settle(audio, false);
    }
    for (const { number, receivers } of seats.values()) if (receivers.audio) this.#play(number, receivers.audio.track);
  }

  /** Try again all that was refused: after a click, or once the page is capturing. */
  enable() {
    for (const audio of this.refused) this.#start(audio);
  }

  /** Another loudspeaker, where the browser lets the page choose. */
  async use(speaker) {
    this.speaker = speaker;
    await Promise.allSettled([...this.elements.values()].map((audio) => audio.setSinkId?.(speaker)));
  }

  close() {
    for (const gesture of ["pointerup", "keydown"]) removeEventListener(gesture, this.touched);
    this.follow(new Map());
  }

  #play(number, track) {
    let audio = this.elements.get(number);
    if (audio?.srcObject?.getAudioTracks()[0] === track) return;
    if (!audio) {
      audio = element("audio", { data: { seat: number } });
      this.elements.set(number, audio);
      this.root.append(audio);
      if (this.speaker) audio.setSinkId?.(this.speaker).catch(() => {});
    }
    audio.srcObject = new MediaStream([track]);
    this.#start(audio);
  }

  #start(audio) {
    audio.play().then(
      () => this.#settle(audio, false),
      (error) => error.name === "NotAllowedError" && this.#settle(audio, this.root.contains(audio)),
    );
  }

  #settle(audio, refused) {
    const before = this.blocked;
    if (refused) this.refused.add(audio);
    else this.refused.delete(audio);
    if (before !== this.blocked) this.dispatchEvent(new Event("changed"));
  }
}
