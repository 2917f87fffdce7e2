/**
 * Before the meeting: how one looks and sounds, by which name and with which devices.
 *
 * Everything works without a camera and without a microphone; what the browser refused is said in words, with what to
 * do. The devices stay open when the person joins.
 * Read next: `devices.js`, `main.js`.
 */

import { avatar } from "./avatar.js";
import { attribute, element, write } from "./elements.js";
import { brand, change, icon, recordingsLink } from "./icons.js";
import { copyButton } from "./invite.js";
import { listenToKeys } from "./keys.js";
import { barLength, Meter } from "./levels.js";
import { recall, remember } from "./memory.js";
import { DEVICES, Pickers } from "./pickers.js";
import { sayTroubles } from "./trouble.js";

const BARS = 8;

export class Lobby {
  /** `join(name)` is called when the person goes in. */
  constructor({ room, name, devices, join }) {
    Object.assign(this, { room, devices, join });
    this.meter = new Meter();
    this.input = element("input", {
      class: "field-text",
      test: "name",
      id: "lobby-name",
      type: "text",
      maxlength: "64",
      autocomplete: "name",
      placeholder: "Your name",
      value: name || recall("name"),
      required: true,
    });
    this.pickers = new Pickers(devices, { beside: { microphone: this.#level() } });
    this.troubles = element("div", { class: "troubles", "aria-live": "polite" });
    this.root = element(
      "div",
      { class: "outside" },
      element("header", { class: "outside-head" }, brand(), recordingsLink()),
      element("main", { class: "lobby" }, this.#preview(), this.#form()),
    );
    this.changed = () => this.draw();
    devices.addEventListener("changed", this.changed);
    this.endKeys = listenToKeys({ m: () => this.#toggle("microphone"), v: () => this.#toggle("camera") });
    this.timer = setInterval(() => this.#measure(), 80);
    this.draw();
    devices.open();
  }

  close() {
    clearInterval(this.timer);
    this.endKeys();
    this.meter.close();
    this.pickers.close();
    this.devices.removeEventListener("changed", this.changed);
    this.video.srcObject = null;
  }

  focus() {
    this.input.focus();
  }

  draw() {
    const { microphone, camera } = this.devices;
    this.#show(camera.track);
    if (this.metered !== microphone.track) {
      this.metered = microphone.track;
      this.meter.listen(microphone.track);
    }
    for (const kind of ["microphone", "camera"]) this.#button(kind);
    const asking = microphone.opening || camera.opening;
    write(
      this.words,
      camera.track
        ? ""
        : asking
          ? "Your browser asks whether this page may use your camera and microphone."
          : camera.trouble
            ? "You can join without a camera."
            : "Your camera is off.",
    );
    const said = sayTroubles(microphone.trouble, camera.trouble);
    if (this.said === said.join()) return;
    this.said = said.join();
    const retry = () =>
      element(
        "button",
        { class: "button small", type: "button", test: "retry-devices", on: { click: () => this.devices.open() } },
        "Try again",
      );
    this.troubles.replaceChildren(
      ...said.map((words) =>
        element("p", { class: "trouble", test: "trouble" }, icon("warning"), element("span", {}, words)),
      ),
      ...(said.length ? [retry()] : []),
    );
  }

  #preview() {
    this.video = element("video", {
      class: "picture",
      playsinline: true,
      autoplay: true,
      "aria-label": "Your camera's picture",
    });
    this.video.muted = true;
    this.face = avatar(this.input.value || "?");
    this.words = element("p", { class: "preview-words" });
    this.buttons = {};
    for (const kind of ["microphone", "camera"]) {
      this.buttons[kind] = element(
        "button",
        { class: "round", type: "button", test: kind, on: { click: () => this.#toggle(kind) } },
        icon(kind),
      );
    }
    this.input.addEventListener("input", () => this.face.name(this.input.value || "?"));
    this.preview = element(
      "div",
      { class: "preview mirrored", test: "preview" },
      this.video,
      element("div", { class: "face" }, this.face.node, this.words),
      element("div", { class: "preview-bar" }, this.buttons.microphone, this.buttons.camera),
    );
    return this.preview;
  }

  #form() {
    const submit = element("button", { class: "button primary wide", type: "submit", test: "join" }, "Join now");
    const form = element(
      "form",
      { class: "lobby-form" },
      element("p", { class: "eyebrow" }, "You are about to join"),
      element("h1", { test: "room-name" }, this.room),
      element("label", { class: "label-text", for: "lobby-name" }, "Your name"),
      this.input,
      this.pickers.root,
      this.troubles,
      submit,
      copyButton(this.room, { test: "copy-link", wide: true }),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const name = this.input.value.trim();
      if (!name) return this.input.focus();
      remember("name", name);
      this.join(name);
    });
    return form;
  }

  #level() {
    this.bars = Array.from({ length: BARS }, () => element("i"));
    this.level = element(
      "div",
      {
        class: "level",
        test: "level",
        role: "meter",
        "aria-label": "Microphone level",
        "aria-valuemin": "0",
        "aria-valuemax": "100",
        "aria-valuenow": "0",
      },
      ...this.bars,
    );
    return this.level;
  }

  #measure() {
    const quiet = this.devices.state("microphone") !== "on";
    const length = quiet ? 0 : barLength(this.meter.level ?? 0);
    this.bars.forEach((bar, index) => bar.classList.toggle("lit", length * BARS > index + 0.3));
    attribute(this.level, "aria-valuenow", String(Math.round(length * 100)));
  }

  #show(track) {
    if (this.shown === track) return;
    this.shown = track;
    this.video.srcObject = track ? new MediaStream([track]) : null;
    this.preview.classList.toggle("with-picture", Boolean(track));
    if (track) this.video.play().catch(() => {});
  }

  #button(kind) {
    const on = this.devices.state(kind) === "on";
    const { opening } = this.devices[kind];
    const button = this.buttons[kind];
    const tip = `Turn the ${kind} ${on ? "off" : "on"}`;
    change(button.firstElementChild, on || opening ? kind : `${kind}-off`);
    button.classList.toggle("off", !on && !opening);
    attribute(button, "aria-label", DEVICES[kind]); // the state says whether it is on
    attribute(button, "aria-pressed", String(on));
    attribute(button, "data-tip", `${tip} (${kind === "microphone" ? "m" : "v"})`);
  }

  #toggle(kind) {
    this.devices
      .turn(kind, this.devices.state(kind) !== "on" && !this.devices[kind].opening)
      .then(() => this.devices.refresh());
  }
}
