/**
 * What is shown when there is no meeting: it was left, it ended, or it cannot be.
 *
 * Always three things: what happened, what to do, and a button that does it.
 * Read next: `trouble.js`, `main.js`.
 */

import { element } from "./elements.js";
import { brand, icon } from "./icons.js";

/** A screen with words and buttons; `actions` are `{words, test, primary, act}`. */
export class Screen {
  constructor({ test, drawing, title, words, actions = [] }) {
    this.actions = actions.map(({ words: label, test: name, primary, act }) =>
      element(
        "button",
        { class: `button${primary ? " primary" : ""}`, type: "button", test: name, on: { click: act } },
        label,
      ),
    );
    this.root = element(
      "div",
      { class: "outside" },
      element("header", { class: "outside-head" }, brand()),
      element(
        "main",
        { class: "screen", test, role: test === "error" ? "alert" : null },
        element("span", { class: "screen-icon" }, icon(drawing)),
        element("h1", {}, title),
        element("p", { class: "lead" }, words),
        element("div", { class: "screen-actions" }, ...this.actions),
      ),
    );
  }

  focus() {
    this.actions[0]?.focus();
  }

  close() {}
}

/** After leaving. */
export function leftScreen({ rejoin, home }) {
  return new Screen({
    test: "left",
    drawing: "door",
    title: "You left the meeting",
    words: "The others can go on without you. If that was a mistake, you are back with one click.",
    actions: [
      { words: "Rejoin", test: "rejoin", primary: true, act: rejoin },
      { words: "To the start page", test: "home", act: home },
      { words: "Recordings", test: "recordings-link", act: () => location.assign("/recordings") },
    ],
  });
}

/** Something ended the meeting, or keeps it from beginning. */
export function errorScreen({ title, words, again, againWords = "Try again", home }) {
  const actions = [];
  if (again) actions.push({ words: againWords, test: "rejoin", primary: true, act: again });
  if (home) actions.push({ words: "To the start page", test: "home", act: home });
  return new Screen({ test: "error", drawing: "warning", title, words, actions });
}
