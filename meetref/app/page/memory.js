/**
 * What the browser remembers of a person between visits: the name and the chosen devices.
 *
 * `localStorage` may be forbidden or full; then the page simply remembers nothing.
 * Leaves out: everything about meetings: who we were in one lives as long as its page.
 * Read next: `lobby.js`.
 */

const PREFIX = "meetref.";

/** The remembered text under a key, or the fallback. */
export function recall(key, fallback = "") {
  try {
    return localStorage.getItem(PREFIX + key) ?? fallback;
  } catch {
    return fallback;
  }
}

/** Remember a text; an empty one is forgotten. */
export function remember(key, text) {
  try {
    if (text) localStorage.setItem(PREFIX + key, text);
    else localStorage.removeItem(PREFIX + key);
  } catch {
    // A browser that keeps nothing is still welcome.
  }
}
