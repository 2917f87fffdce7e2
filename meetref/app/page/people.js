/**
 * The list of people in the room: who they are, what they send, who speaks, and the link to invite more.
 *
 * Rows are kept and brought up to date, so that nothing flickers and a screen reader keeps its place.
 * Read next: `panel.js`, `session.js`.
 */

import { avatar } from "./avatar.js";
import { barsMark } from "./bars.js";
import { copyButton } from "./invite.js";
import { element, write } from "./elements.js";
import { change, icon } from "./icons.js";

export class People {
  constructor(session) {
    this.session = session;
    this.rows = new Map();
    this.list = element("ul", { class: "persons", test: "people-list", "aria-label": "People in the meeting" });
    this.root = element(
      "div",
      { class: "page", id: "panel-people", role: "tabpanel", "aria-label": "People" },
      this.list,
      element("div", { class: "compose" }, copyButton(session.room, { test: "copy-link", wide: true })),
    );
  }

  draw() {
    const { session } = this;
    const people = session.me ? [session.me, ...session.others] : session.others;
    for (const [id, row] of this.rows) {
      if (session.people.has(id)) continue;
      row.root.remove();
      this.rows.delete(id);
    }
    people.forEach((person, index) => {
      const row = this.rows.get(person.id) ?? this.#add(person.id);
      if (this.list.children[index] !== row.root) this.list.insertBefore(row.root, this.list.children[index] ?? null);
      this.#show(row, person);
    });
  }

  #add(id) {
    const face = avatar();
    const name = element("span", { class: "who", test: "person-name" });
    const kind = element("span", { class: "kind" });
    const microphone = icon("microphone");
    const camera = icon("camera");
    const words = element("span", { class: "hidden-words" });
    const bars = barsMark();
    const root = element(
      "li",
      { class: "person", test: "person", data: { person: id } },
      face.node,
      element("span", { class: "names" }, name, kind),
      words,
      bars.node,
      camera,
      microphone,
    );
    const row = { root, face, name, kind, microphone, camera, words, bars };
    this.rows.set(id, row);
    return row;
  }

  #show(row, person) {
    const { session } = this;
    const me = person.id === session.identity?.participant;
    const heard = person.microphone === "on";
    const seen = person.camera === "on";
    row.face.name(person.name);
    write(row.name, person.name);
    const kinds = [me && "You", person.bot && "Bot", person.screen && "Shares a screen"];
    write(row.kind, kinds.filter(Boolean).join(" · "));
    row.kind.hidden = !row.kind.textContent;
    change(row.microphone, heard ? "microphone" : "microphone-off");
    change(row.camera, seen ? "camera" : "camera-off");
    row.microphone.classList.toggle("off", !heard);
    row.camera.classList.toggle("off", !seen);
    write(row.words, `, microphone ${heard ? "on" : "off"}, camera ${seen ? "on" : "off"}`);
    row.bars.show(session.view.bars.get(person.id) ?? null);
    row.root.classList.toggle("speaking", session.listener.speaking(person.id));
  }
}
