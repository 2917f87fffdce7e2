/**
 * A person without a picture: the initials of the name on a colour that is always the same for that name.
 *
 * Read next: `tiles.js`, `people.js`.
 */

import { element, write } from "./elements.js";

/** One or two letters that stand for a name; whole characters, in any script. */
export function initials(name) {
  const words = name
    .trim()
    .split(/[\s_.-]+/u)
    .filter(Boolean);
  const first = (word) => [...(word ?? "")][0] ?? "";
  const letters = words.length > 1 ? first(words[0]) + first(words.at(-1)) : first(words[0]);
  return letters.toLocaleUpperCase() || "?";
}

/** A hue from 0 to 359, the same for the same text everywhere. */
export function hue(text) {
  let hash = 2166136261;
  for (const character of text) hash = Math.imul(hash ^ character.codePointAt(0), 16777619);
  return ((hash >>> 0) % 24) * 15;
}

/** A round badge with the initials; `name(text)` changes whom it shows. */
export function avatar(name = "") {
  const node = element("span", { class: "avatar", "aria-hidden": "true" });
  const show = (text) => {
    write(node, initials(text));
    node.style.setProperty("--hue", hue(text));
  };
  show(name);
  return { node, name: show };
}
