/**
 * Which page of the people is shown: two arrows, a dot for each page, and the same in words.
 *
 * The dots only show; pages are turned by the arrows, by PageUp and PageDown, and on a phone by swiping. With more pages
 * than dots fit, a number stands there instead.
 * Read next: `view.js`, `stage.js`.
 */

import { attribute, element, write } from "./elements.js";
import { icon } from "./icons.js";

const DOTS = 8;
const SWIPE = 60; // pixels a finger has to go sideways, and more than up or down

export class Pager {
  constructor(view) {
    this.view = view;
    this.previous = this.#arrow("page-previous", "Previous page", "back", -1);
    this.next = this.#arrow("page-next", "Next page", "details", 1);
    this.dots = element("span", { class: "dots", "aria-hidden": "true" });
    this.words = element("span", { class: "page-words", test: "pages", role: "status" });
    this.root = element(
      "nav",
      { class: "pager", "aria-label": "Pages of people", hidden: true },
      this.previous,
      this.dots,
      this.words,
      this.next,
    );
  }

  get shown() {
    return this.view.seated.pages > 1;
  }

  draw() {
    const { page, pages } = this.view.seated;
    this.root.hidden = !this.shown;
    if (!this.shown) return;
    const dotted = pages <= DOTS;
    this.dots.hidden = !dotted;
    while (this.dots.children.length > (dotted ? pages : 0)) this.dots.lastElementChild.remove();
    while (this.dots.children.length < (dotted ? pages : 0)) this.dots.append(element("i"));
    [...this.dots.children].forEach((dot, index) => dot.classList.toggle("here", index === page));
    write(this.words, `Page ${page + 1} of ${pages}`);
    this.words.classList.toggle("hidden-words", dotted);
    // Not `disabled`, which would take the focus away from who pages by keyboard.
    attribute(this.previous, "aria-disabled", String(page === 0));
    attribute(this.next, "aria-disabled", String(page === pages - 1));
  }

  /** Turn pages by a finger that goes sideways over `root`. */
  swipe(root) {
    let from = null;
    root.addEventListener("touchstart", ({ touches }) => (from = touches.length === 1 ? touches[0] : null), {
      passive: true,
    });
    root.addEventListener("touchend", ({ changedTouches: [to] }) => {
      if (!from) return;
      const [wide, high] = [to.clientX - from.clientX, to.clientY - from.clientY];
      from = null;
      if (Math.abs(wide) > SWIPE && Math.abs(wide) > 2 * Math.abs(high)) this.view.turn(wide < 0 ? 1 : -1);
    });
  }

  #arrow(test, words, drawing, step) {
    return element(
      "button",
      { class: "icon-button plain", type: "button", test, "aria-label": words, on: { click: () => this.view.turn(step) } },
      icon(drawing),
    );
  }
}
