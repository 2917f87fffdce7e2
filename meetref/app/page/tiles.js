/**
 * One tile: a picture or an avatar, a name, and what a person should know about it.
 *
 * A tile is told everything (`show`) and decides nothing. Its `<video>` is always mute: sound is played elsewhere
 * (`sounds.js`), so that a browser that holds sound back still shows pictures; the browser keeps lips in sync by the
 * media stream that both tracks belong to, not by the element.
 * Read next: `stage.js`.
 */

import { avatar } from "./avatar.js";
import { barsMark } from "./bars.js";
import { attribute, element, write } from "./elements.js";
import { icon } from "./icons.js";

export class Tile {
  constructor({ test, fitted = false, mirrored = false }) {
    this.video = element("video", {
      class: "picture",
      playsinline: true,
      autoplay: true,
      tabindex: "-1",
      "aria-hidden": "true",
    });
    this.video.muted = true;
    this.avatar = avatar();
    this.words = element("span", { class: "words", test: "tile-words" });
    this.name = element("span", { class: "name", test: "tile-name" });
    this.muted = element(
      "span",
      { class: "muted", test: "tile-muted", role: "img", "aria-label": "microphone off" },
      icon("microphone-off"),
    );
    this.voice = element("span", { class: "voice", "aria-hidden": "true" }, element("i"), element("i"), element("i"));
    this.bars = barsMark();
    this.pin = element(
      "button",
      { class: "pin", type: "button", test: "pin", hidden: true, on: { click: () => this.onPin?.() } },
      element("span", { class: "pin-mark" }, icon("pin")),
    );
    this.root = element(
      "div",
      { class: `tile${fitted ? " fitted" : ""}${mirrored ? " mirrored" : ""}`, role: "group" },
      this.video,
      element("div", { class: "face" }, this.avatar.node, this.words),
      element("div", { class: "label" }, this.muted, this.voice, this.name, this.bars.node),
      this.pin,
    );
    this.test = test;
    this.track = null;
  }

  /** Play this track, or nothing. */
  play(track) {
    if (track === this.track) return;
    this.track = track;
    this.video.srcObject = track ? new MediaStream([track]) : null;
    if (track) this.resume();
  }

  /** A video that was out of the page has stopped; a mute one may always go on. */
  resume() {
    this.video.play().catch(() => {});
  }

  /** `pin` is what pressing the button does; without it there is none. `bars` is null where nothing is known. */
  show({ id, name, muted, speaking, picture, words = "", seat, bars = null, pinned = false, pin = null }) {
    const { root } = this;
    root.dataset.test = this.test;
    root.dataset.person = id;
    if (seat !== undefined) root.dataset.seat = seat;
    root.setAttribute(
      "aria-label",
      [name, muted && "microphone off", speaking && "speaking", words, bars !== null && bars < 3 && "weak connection"]
        .filter(Boolean)
        .join(", "),
    );
    this.bars.show(bars);
    this.onPin = pin;
    this.pin.hidden = !pin;
    attribute(this.pin, "aria-pressed", String(pinned));
    attribute(this.pin, "aria-label", `Pin ${name}`);
    root.classList.toggle("pinned", pinned);
    root.classList.toggle("with-picture", picture);
    root.classList.toggle("speaking", speaking);
    write(this.name, name);
    write(this.words, words);
    this.words.hidden = !words;
    this.muted.hidden = !muted;
    this.voice.hidden = muted || !speaking;
    this.avatar.name(name.replace(/ \(you\)$/u, ""));
  }

  /** How it looks now; its place is seen from a point of the window. */
  seen(left, top) {
    const { x, y, width, height } = this.root.getBoundingClientRect();
    const { classList } = this.root;
    return {
      x: x - left,
      y: y - top,
      width,
      height,
      name: this.name.textContent,
      video: this.video,
      playing: classList.contains("with-picture"),
      fitted: classList.contains("fitted"),
      mirrored: classList.contains("mirrored"),
    };
  }

  /** Put the tile at a rectangle of the stage. */
  place({ x, y, width, height }) {
    const { style } = this.root;
    style.transform = `translate(${Math.round(x)}px, ${Math.round(y)}px)`;
    style.width = `${Math.round(width)}px`;
    style.height = `${Math.round(height)}px`;
    this.root.classList.toggle("small", width < 200);
    this.root.classList.toggle("tiny", width < 130);
  }
}

/** Tell `presented(timestamp)` of every frame of a video until it says true; RTP timestamps where the browser has them. */
export function watchFrames(video, presented) {
  if (!video.requestVideoFrameCallback) return;
  const look = (_now, { rtpTimestamp }) => presented(rtpTimestamp) || video.requestVideoFrameCallback(look);
  video.requestVideoFrameCallback(look);
}
