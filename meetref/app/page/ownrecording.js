/**
 * A recording that this browser makes for itself: what the page shows and plays, brought to the server as it comes.
 *
 * It begins when the server has told everybody: when one stands among the `others` of `recording`, and `upload` has said
 * where the pieces go. When it ends, that is told at once, and what is still here is brought after.
 * Leaves out: how it is drawn and mixed (`capture.js`), how it travels (`uploader.js`).
 * Read next: `recording.js`, `settings.js`.
 */

import { Capture } from "./capture.js";
import { Uploader } from "./uploader.js";

const PIECE = 1000; // milliseconds in a piece: what a crash costs
const FORM = "video/webm;codecs=vp8,opus";
const BITRATE = { videoBitsPerSecond: 2_000_000, audioBitsPerSecond: 96_000 };
const FORGOTTEN = "The server has forgotten this recording: it has ended. What came before is kept.";

/** Events: `changed`. `state` is `off`, `asking`, `recording` or `finishing`. */
export class OwnRecording extends EventTarget {
  constructor(session) {
    super();
    this.session = session;
    this.scene = null; // what is on the stage, told by who shows it
    this.#reset();
  }

  /** Can this browser do it? */
  static get possible() {
    return Boolean(globalThis.MediaRecorder?.isTypeSupported(FORM) && HTMLCanvasElement.prototype.captureStream);
  }

  get active() {
    return this.state === "asking" || this.state === "recording";
  }

  start() {
    if (this.state === "off" && this.session.send({ type: "record", on: true, way: "browser" })) this.#become("asking");
  }

  /** End it, and bring what is still here. */
  stop() {
    if (!this.active) return;
    this.session.send({ type: "record", on: false, way: "browser" });
    if (this.state === "asking") return this.#reset();
    this.#become("finishing");
    if (this.recorder.state !== "inactive") this.recorder.stop();
  }

  /** The server says where to. */
  receive(place) {
    if (this.state === "asking") this.place = place;
  }

  /** The server says who records. */
  told(others) {
    const mine = others.some(({ by, way }) => by === this.session.identity?.participant && way === "browser");
    if (mine && this.state === "asking" && this.place) this.#begin();
    else if (mine && !this.active) this.session.send({ type: "record", on: false, way: "browser" }); // said in vain before
  }

  /** The server does not want it. */
  refused() {
    if (this.state === "asking") this.#reset();
  }

  /** We are in again, as somebody else: nobody knows of this recording any more. */
  forgotten() {
    if (!this.active) return;
    this.session.notice(FORGOTTEN, "trouble");
    this.stop();
  }

  /** How it stands, for `state()`. */
  describe() {
    if (this.state === "off") return null;
    return { state: this.state, acknowledged: this.uploader?.acknowledged ?? 0, waiting: this.uploader?.waiting.size ?? 0 };
  }

  #begin() {
    const { session } = this;
    try {
      this.capture = new Capture(this.scene, () => sounds(session));
      this.recorder = new MediaRecorder(this.capture.stream, { mimeType: FORM, ...BITRATE });
    } catch (error) {
      session.notice(`This browser cannot record: ${error.message}`, "trouble");
      this.capture?.close();
      return this.stop();
    }
    const uploader = (this.uploader = new Uploader(this.place));
    uploader.addEventListener("changed", () => this.dispatchEvent(new Event("changed")));
    uploader.addEventListener("failed", ({ detail }) => {
      session.notice(detail, "trouble");
      this.stop();
    });
    this.recorder.addEventListener("dataavailable", ({ data }) => uploader.add(data));
    this.recorder.addEventListener("error", () => this.stop());
    this.recorder.addEventListener("stop", () => this.#finish());
    this.recorder.start(PIECE);
    this.#become("recording");
  }

  async #finish() {
    const { uploader } = this;
    this.capture.close();
    if (this.state === "recording") this.stop(); // the browser ended it
    await uploader.finish();
    if (uploader.complete && uploader.acknowledged) {
      this.session.notice("All of your recording is on the server. ", "link", `/recordings/${uploader.place.recording}`);
    }
    this.#reset();
  }

  #become(state) {
    this.state = state;
    this.dispatchEvent(new Event("changed"));
  }

  #reset() {
    Object.assign(this, { place: null, capture: null, recorder: null, uploader: null });
    this.#become("off");
  }
}

/** All that is heard here, or would be by others: the seats, one's own microphone and what one shares. */
function sounds({ seats, devices, sharing }) {
  const others = [...seats.all.values()].map(({ receivers }) => receivers.audio?.track);
  return [...others, devices.microphone.track, sharing.sound].filter((track) => track?.readyState === "live");
}
