/**
 * Sharing a screen, a window or a tab, with its sound where the browser has it.
 *
 * The browser asks the person what to share; the page only learns the answer. Sharing ends here, or by the browser's
 * own "stop sharing" bar, which ends the track.
 * Leaves out: sending it (`connections.js`).
 * Read next: `session.js`.
 */

import { screenTrouble } from "./trouble.js";

const PICTURE = { width: { max: 1920 }, height: { max: 1080 }, frameRate: { max: 30 } };

/** Can this browser share a screen at all? Those of phones cannot. */
export const canShare = () => Boolean(navigator.mediaDevices?.getDisplayMedia);

/** Events: `changed`; `trouble` (detail: words). */
export class Sharing extends EventTarget {
  constructor() {
    super();
    this.video = null;
    this.sound = null;
    this.asking = false;
  }

  get active() {
    return this.video !== null;
  }

  async start() {
    if (this.active || this.asking || !canShare()) return;
    this.asking = true;
    try {
      this.#take(await navigator.mediaDevices.getDisplayMedia({ video: PICTURE, audio: true }));
    } catch (error) {
      const words = screenTrouble(error);
      if (words) this.dispatchEvent(new CustomEvent("trouble", { detail: words }));
    }
    this.asking = false;
    this.dispatchEvent(new Event("changed"));
  }

  stop() {
    if (!this.active) return;
    for (const track of [this.video, this.sound]) track?.stop();
    this.video = this.sound = null;
    this.dispatchEvent(new Event("changed"));
  }

  #take(stream) {
    [this.video = null] = stream.getVideoTracks();
    [this.sound = null] = stream.getAudioTracks();
    if (!this.video) return;
    this.video.contentHint = "detail";
    if (this.sound) this.sound.contentHint = "music";
    this.video.addEventListener("ended", () => this.stop());
  }
}
