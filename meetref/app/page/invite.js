/**
 * The join link of a room, and the button that copies it.
 *
 * Read next: `people.js`, docs/page.md.
 */

import { element, write } from "./elements.js";
import { change, icon } from "./icons.js";

/** The link that others open to come into a room. */
export function joinLink(room) {
  return `${location.origin}/${room}`;
}

/** A button that puts the join link on the clipboard and says so for a moment. */
export function copyButton(room, { test, wide = false }) {
  const mark = icon("link");
  const words = element("span", { "aria-live": "polite" }, "Copy link");
  const button = element("button", { class: `button${wide ? " wide" : ""}`, type: "button", test }, mark, words);
  let timer = null;
  button.addEventListener("click", async () => {
    const copied = await copy(joinLink(room));
    change(mark, copied ? "check" : "link");
    write(words, copied ? "Copied" : joinLink(room));
    clearTimeout(timer);
    timer = setTimeout(
      () => {
        change(mark, "link");
        write(words, "Copy link");
      },
      copied ? 2000 : 10000,
    );
  });
  return button;
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false; // not allowed here: the button shows the link instead, to be copied by hand
  }
}
