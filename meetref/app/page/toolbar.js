/**
 * The buttons of a meeting, in reach of a thumb: microphone, camera, screen, layout, chat, people, settings, leave; and
 * that of the captions, as soon as there are any.
 *
 * Every button says in words what it does now, shows its key in the tooltip, and has one fixed place; on a phone that of
 * the layout is at the top, beside the name of the room.
 * Read next: `meeting.js`, `keys.js`.
 */

import { attribute, element, write } from "./elements.js";
import { change, icon } from "./icons.js";
import { DEVICES } from "./pickers.js";
import { canShare } from "./sharing.js";

export class Toolbar {
  constructor(session, actions) {
    this.session = session;
    this.buttons = {};
    const button = (name, drawing, look = "") => this.#button(name, drawing, look, actions[name]);
    this.badge = element("span", { class: "badge", test: "unread", hidden: true });
    this.count = element("span", { class: "count", test: "people-count", "aria-hidden": "true" });
    this.clock = element("time", { class: "clock" });
    const middle = element("div", { class: "middle" }, button("microphone", "microphone"), button("camera", "camera"));
    if (canShare()) middle.append(button("screen", "screen"));
    middle.append(button("leave", "leave", "danger"));
    const side = element(
      "div",
      { class: "side" },
      button("layout", "focus"),
      button("captions-toggle", "captions"),
      button("chat", "chat"),
      button("people", "people"),
      button("settings", "settings"),
    );
    this.buttons.chat.append(this.badge);
    this.buttons.people.append(this.count);
    const place = element(
      "div",
      { class: "place" },
      this.clock,
      element("span", { class: "room", test: "room-name" }, session.room),
    );
    this.root = element(
      "footer",
      { class: "bar", role: "toolbar", "aria-label": "Meeting controls" },
      place,
      middle,
      side,
    );
    this.#label("leave", "Leave the meeting", null);
    this.#label("settings", "Settings", null);
  }

  draw(panel) {
    const { session } = this;
    for (const kind of ["microphone", "camera"]) this.#device(kind);
    if (this.buttons.screen) {
      const { active } = session.sharing;
      const tip = active ? "Stop sharing" : "Share a screen";
      this.#label("screen", "Share a screen", "s", active ? "screen-stop" : "screen", tip);
      attribute(this.buttons.screen, "aria-pressed", String(session.sharing.active));
      this.buttons.screen.classList.toggle("active", session.sharing.active);
    }
    const grid = session.view.layout === "grid";
    this.#label("layout", grid ? "Show who speaks large" : "Show everybody alike", "l", grid ? "focus" : "grid");
    const { shown, known } = session.captions;
    this.buttons["captions-toggle"].hidden = !known;
    const captions = `${shown ? "Hide" : "Show"} captions`;
    this.#label("captions-toggle", "Captions", "t", shown ? "captions" : "captions-off", captions);
    attribute(this.buttons["captions-toggle"], "aria-pressed", String(shown));
    for (const page of ["chat", "people"]) {
      this.buttons[page].classList.toggle("active", panel.open === page);
      attribute(this.buttons[page], "aria-expanded", String(panel.open === page));
    }
    this.#label("chat", panel.unread ? `Chat, ${panel.unread} unread` : "Chat", "c");
    this.#label("people", `People, ${session.people.size}`, "p");
    write(this.badge, panel.unread > 9 ? "9+" : String(panel.unread));
    this.badge.hidden = !panel.unread;
    write(this.count, String(session.people.size));
    this.count.hidden = !session.people.size;
    write(this.clock, new Date().toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }));
  }

  #device(kind) {
    const device = this.session.devices[kind];
    const on = this.session.devices.state(kind) === "on";
    const key = kind === "microphone" ? "m" : "v";
    const name = DEVICES[kind];
    const trouble = device.opening ? `The ${kind} is starting` : device.trouble?.words;
    const tip = trouble ?? `Turn the ${kind} ${on ? "off" : "on"}`;
    this.#label(kind, trouble ? `${name}. ${trouble}` : name, key, on || device.opening ? kind : `${kind}-off`, tip);
    const { classList } = this.buttons[kind];
    classList.toggle("off", !on && !device.opening);
    classList.toggle("troubled", Boolean(device.trouble));
    attribute(this.buttons[kind], "aria-pressed", String(on));
  }

  #button(name, drawing, look, action) {
    const node = element(
      "button",
      { class: `round ${look}`.trim(), type: "button", test: name, on: { click: action } },
      icon(drawing),
    );
    this.buttons[name] = node;
    return node;
  }

  /** A button that can be pressed down has one name in both states, and a `tip` about what pressing it does. */
  #label(name, words, key, drawing = null, tip = words) {
    const button = this.buttons[name];
    attribute(button, "aria-label", words);
    attribute(button, "data-tip", key ? `${tip} (${key})` : tip);
    if (key) attribute(button, "aria-keyshortcuts", key);
    if (drawing) change(button.firstElementChild, drawing);
  }
}
