/**
 * Keyboard shortcuts: single letters and pages, never while somebody types, never with a modifier.
 *
 * Read next: `meeting.js`.
 */

/** Call `actions[key]` when its key is pressed; returns a function that ends it. */
export function listenToKeys(actions) {
  const press = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || event.defaultPrevented) return;
    if (event.key !== "Escape" && (typing(event.target) || document.querySelector("dialog[open]"))) return;
    if (event.key.startsWith("Page") && event.target.closest?.("[tabindex='0']")) return; // it scrolls what has the focus
    const action = actions[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!action) return;
    if (event.key !== "Escape") event.preventDefault();
    action();
  };
  addEventListener("keydown", press);
  return () => removeEventListener("keydown", press);
}

function typing(target) {
  return target instanceof Element && target.closest("input, textarea, select, [contenteditable]") !== null;
}
