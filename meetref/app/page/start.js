/**
 * The start page: make a room, or enter one by its name.
 *
 * A room exists as soon as somebody is in it; a new one gets a name that is easy to say on the telephone.
 * Read next: `lobby.js`.
 */

import { element, write } from "./elements.js";
import { brand, icon, recordingsLink } from "./icons.js";

const FIRST = [
  "amber brave calm clear early fresh gentle golden green happy kind light lucky mellow merry mild north open",
  "quick quiet ready silver spring sunny swift tidy warm wide wise young",
]
  .join(" ")
  .split(" ");
const SECOND = [
  "anchor apple arrow birch bridge brook canyon cedar cloud comet coral crane dune falcon fern garden harbor",
  "island lake lark maple meadow orchard otter pebble pine river sparrow valley willow",
]
  .join(" ")
  .split(" ");

/** What a person wrote, as the name of a room: small letters, digits and hyphens; empty if nothing is left. */
export function roomName(text) {
  const plain = text
    .toLowerCase()
    .replace(/ß/gu, "ss")
    .normalize("NFKD")
    .replace(/[\u0300-\u036f]/gu, "");
  return plain
    .replace(/[^a-z0-9]+/gu, "-")
    .replace(/^-+/u, "")
    .slice(0, 63)
    .replace(/-+$/u, "");
}

/** The room in what a person wrote or pasted: a name, or a whole join link. */
export function roomIn(text) {
  const link = /^https?:\/\/[^/]+\/([^?#]*)/iu.exec(text.trim());
  return roomName(link ? link[1] : text);
}

/** A new name of three parts. */
export function inventName(random = (below) => crypto.getRandomValues(new Uint32Array(1))[0] % below) {
  return `${FIRST[random(FIRST.length)]}-${SECOND[random(SECOND.length)]}-${100 + random(900)}`;
}

export class Start {
  /** `enter(room)` is called with the room to go to. */
  constructor({ enter }) {
    this.input = element("input", {
      class: "field-text",
      test: "room",
      type: "text",
      "aria-label": "Room name or link",
      placeholder: "Room name or link",
      autocapitalize: "none",
      spellcheck: "false",
      autocomplete: "off",
    });
    this.hint = element("p", { class: "hint", "aria-live": "polite" });
    const start = element(
      "button",
      { class: "button primary", type: "button", test: "start", on: { click: () => enter(inventName()) } },
      icon("plus"),
      "New meeting",
    );
    const go = element("button", { class: "button", type: "submit", test: "enter" }, "Enter");
    const form = element("form", { class: "enter-form" }, this.input, go);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const room = roomIn(this.input.value);
      if (room) enter(room);
      else write(this.hint, "Write the name of a room: letters and digits.");
    });
    const demo = element("a", { class: "link", href: "/demo", test: "demo" }, "Look into the demo room");
    demo.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      enter("demo");
    });
    this.root = element(
      "div",
      { class: "outside" },
      element("header", { class: "outside-head" }, brand(), recordingsLink()),
      element(
        "main",
        { class: "start" },
        element(
          "div",
          { class: "start-words" },
          element("h1", {}, "Meet face to face, in the browser"),
          element("p", { class: "lead" }, "Open a room, send its link, and talk. Nothing to install, no account."),
          element("div", { class: "start-actions" }, start, form),
          this.hint,
          element("p", { class: "aside" }, "Just curious? ", demo),
        ),
        scene(),
      ),
    );
  }

  focus() {}

  close() {}
}

/** A picture of a meeting, made of four tiles; decoration only. */
function scene() {
  const tiles = ["one", "two", "three", "four"].map((name) =>
    element("div", { class: `scene-tile ${name}` }, element("i"), element("b")),
  );
  return element("div", { class: "scene", "aria-hidden": "true" }, ...tiles);
}
