/**
 * The settings of a running meeting: devices, and what the two connections have agreed on.
 *
 * The second part is for the curious: it says in a few words how sound and picture travel, and how they are protected.
 * Read next: `pickers.js`, `stats.js`.
 */

import { element } from "./elements.js";
import { icon } from "./icons.js";
import { Pickers } from "./pickers.js";
import { describe } from "./state.js";

const DIRECTIONS = { up: "What you send", down: "What you receive" };

export class Settings {
  constructor(session) {
    this.session = session;
    this.pickers = new Pickers(session.devices);
    this.facts = element("div", { class: "facts", test: "transports" });
    const close = element(
      "button",
      {
        class: "icon-button plain",
        type: "button",
        test: "settings-close",
        "aria-label": "Close the settings",
        on: { click: () => this.root.close() },
      },
      icon("close"),
    );
    this.root = element(
      "dialog",
      { class: "dialog", test: "settings-dialog", "aria-label": "Settings" },
      element("header", { class: "dialog-head" }, element("h2", {}, "Settings"), close),
      element("h3", {}, "Devices"),
      this.pickers.root,
      element("h3", {}, "Connection"),
      this.facts,
    );
    this.root.addEventListener("click", (event) => event.target === this.root && this.root.close());
    this.draw = () => this.root.open && this.#draw();
    session.addEventListener("measured", this.draw);
  }

  show() {
    if (this.root.open) return;
    this.root.showModal();
    this.#draw();
  }

  close() {
    this.session.removeEventListener("measured", this.draw);
    this.pickers.close();
    if (this.root.open) this.root.close();
  }

  #draw() {
    const { transports } = describe(this.session, "playing");
    this.facts.replaceChildren(...transports.map((transport) => element("dl", { class: "fact" }, ...rows(transport))));
  }
}

function rows(transport) {
  const milliseconds =
    transport.round_trip_time === null ? null : `${Math.round(transport.round_trip_time * 1000)} ms there and back`;
  const facts = [
    [DIRECTIONS[transport.direction], [transport.ice, milliseconds].filter(Boolean).join(", ")],
    ["Path", transport.pair],
    ["DTLS", [transport.dtls, transport.dtls_cipher].filter(Boolean).join(", ")],
    ["SRTP", transport.srtp_profile],
  ];
  return facts.flatMap(([name, value]) => [
    element("dt", {}, name),
    element("dd", {}, ...breakable(value || "not told by this browser")),
  ]);
}

/** The names of ciphers are one long word: they may be broken behind an underscore. */
function breakable(text) {
  return text.split(/(?<=_)/u).flatMap((part) => [part, element("wbr")]);
}
