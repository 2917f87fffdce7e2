/**
 * Captions over the stage: the last lines, whose words they are, and who writes them.
 *
 * Who writes is always said: anybody in the room may, and puts words into the mouths of others. The lines are not read
 * aloud by themselves, since most who use a screen reader hear what is said; who wants to read them finds them as a log.
 * Read next: `captions.js`, `captionwriter.js`.
 */

import { element } from "./elements.js";

export class CaptionView {
  constructor(session) {
    this.session = session;
    this.drawn = "";
    this.root = element("div", {
      class: "captions",
      test: "captions",
      role: "log",
      "aria-live": "off",
      "aria-label": "Captions",
      hidden: true,
    });
  }

  /** Show what is to be read now. */
  draw() {
    const lines = this.session.captions.visible();
    const writers = [...new Set(lines.map(({ by }) => this.session.people.get(by)?.name ?? "somebody who has left"))];
    const text = JSON.stringify([lines, writers]);
    if (text === this.drawn) return;
    this.drawn = text;
    this.root.hidden = !lines.length;
    this.root.replaceChildren(
      ...lines.map((line, place) => captionLine(line, lines[place - 1])),
      element("p", { class: "captions-by", test: "captions-by" }, `Written by ${writers.join(" and ")}`),
    );
  }
}

/** Where nobody is named, a dash says that these are not the words of who was named before. */
function captionLine({ person, name, text }, before) {
  const goesOn = before !== undefined && before.person === person;
  return element(
    "p",
    { class: "caption", test: "caption", dir: "auto" },
    goesOn ? null : name ? element("strong", { test: "caption-name" }, `${name}: `) : before ? "– " : null,
    text,
  );
}
