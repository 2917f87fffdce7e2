/**
 * The three lists to choose a device from, the same in the lobby and in the settings.
 *
 * Where the browser does not let a page choose the loudspeaker, that list is not shown; where it does not tell which
 * there are, it says "Default". Rows do not come and go while the lists are read, so that nothing below them jumps.
 * Read next: `devices.js`.
 */

import { element } from "./elements.js";
import { icon } from "./icons.js";

export const DEVICES = { microphone: "Microphone", camera: "Camera", speaker: "Loudspeaker" };

export class Pickers {
  constructor(devices, { beside = {} } = {}) {
    this.devices = devices;
    this.selects = {};
    this.rows = Object.keys(DEVICES).map((kind) => this.#row(kind, beside[kind]));
    this.root = element("div", { class: "pickers" }, ...this.rows);
    this.changed = () => this.draw();
    devices.addEventListener("changed", this.changed);
    this.draw();
  }

  close() {
    this.devices.removeEventListener("changed", this.changed);
  }

  draw() {
    for (const [kind, select] of Object.entries(this.selects)) {
      const list = this.devices.lists[kind];
      const named = list.map(({ deviceId, label }, index) => ({
        id: deviceId,
        label: label || `${DEVICES[kind]} ${index + 1}`,
      }));
      const using = this.devices[kind]?.track?.getSettings?.().deviceId ?? this.devices.chosen[kind];
      this.#fill(select, named, using);
      select.disabled = !named.length;
      if (!named.length) select.replaceChildren(element("option", {}, kind === "speaker" ? "Default" : `No ${kind}`));
    }
    this.rows.at(-1).hidden = !("setSinkId" in HTMLMediaElement.prototype);
  }

  #fill(select, named, using) {
    const text = JSON.stringify(named);
    if (select.dataset.list !== text) {
      select.dataset.list = text;
      select.replaceChildren(...named.map(({ id, label }) => element("option", { value: id }, label)));
    }
    if (named.some(({ id }) => id === using)) select.value = using;
  }

  #row(kind, beside) {
    const select = element("select", { class: "field-text", test: `${kind}-select`, "aria-label": DEVICES[kind] });
    select.addEventListener("change", () => this.devices.choose(kind, select.value));
    this.selects[kind] = select;
    return element("div", { class: "picker" }, icon(kind), select, beside ?? null);
  }
}
