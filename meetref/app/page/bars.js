/**
 * Four bars that say how well somebody's connection does, as a telephone shows it.
 *
 * The number is the server's (`quality`); nothing is shown while nothing is known. They are decoration with a name:
 * a screen reader reads the sentence.
 * Read next: `tiles.js`, `people.js`, `view.js`.
 */

import { attribute, element } from "./elements.js";

const WORDS = ["No connection", "Bad connection", "Weak connection", "Fair connection", "Good connection"];

/** The mark; `show(bars)` takes 0 to 4, or null. */
export function barsMark() {
  const node = element(
    "span",
    { class: "bars", test: "bars", role: "img", hidden: true },
    ...[1, 2, 3, 4].map(() => element("i")),
  );
  const show = (bars) => {
    node.hidden = bars === null;
    attribute(node, "data-bars", bars);
    attribute(node, "aria-label", bars === null ? null : WORDS[bars]);
    attribute(node, "title", bars === null ? null : WORDS[bars]);
  };
  return { node, show };
}
