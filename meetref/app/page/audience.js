/**
 * That the meeting has an audience: said to everybody in it, with the hands that are raised, and a button to let in.
 *
 * The badge is there from the moment the server tells, which is before anything else of the meeting is heard.
 * Leaves out: what the audience sees (`watch.html`).
 * Read next: `session.js`, `meeting.js`.
 */

import { element, write } from "./elements.js";

/** The names of hands that were not there before. */
export function newHands(before, now) {
  return Object.keys(now)
    .filter((id) => !(id in before))
    .map((id) => now[id]);
}

/** What the server says of it. Events: `changed`. `hands` are names by the hands' ids, null: there is no audience. */
export class Audience extends EventTarget {
  constructor(session) {
    super();
    this.session = session;
    this.hands = null;
  }

  receive({ hands }) {
    for (const name of newHands(this.hands ?? {}, hands)) this.session.notice(`${name} would like to speak`, "trouble");
    this.hands = hands;
    this.dispatchEvent(new Event("changed"));
  }

  answer(hand, yes) {
    this.session.send({ type: "admit", hand, yes });
  }
}

export class AudienceBadge {
  constructor(session) {
    this.session = session;
    this.known = "";
    this.words = element("span", { test: "audience-words" });
    this.hands = element("ul", { class: "hands" });
    this.root = element(
      "div",
      { class: "audience-badge", test: "audience", role: "status", hidden: true },
      this.words,
      this.hands,
    );
  }

  /** Show how it is now. */
  draw() {
    const { hands } = this.session.audience;
    this.root.hidden = hands === null;
    const told = JSON.stringify(hands);
    if (hands === null || told === this.known) return;
    this.known = told;
    write(this.words, "Live: an audience is watching");
    this.hands.replaceChildren(...Object.entries(hands).map(([id, name]) => this.#hand(id, name)));
  }

  #hand(id, name) {
    const button = (test, words, yes) =>
      element("button", { class: "button small", type: "button", test, on: { click: () => this.session.audience.answer(id, yes) } }, words);
    return element(
      "li",
      { test: "hand" },
      element("span", { dir: "auto" }, `${name} would like to speak`),
      button("admit", "Admit", true),
      button("decline", "Not now", false),
    );
  }
}
