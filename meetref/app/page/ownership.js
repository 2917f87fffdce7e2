/**
 * What those may do who were in a recording: make a link to it, and, who began it, delete it.
 *
 * The token of a link stands in its fragment: whoever opens it sends it in a header, and no log has it.
 * Read next: `film.js`, `shelf.js`.
 */

import { element, write } from "./elements.js";
import { moment } from "./filmwords.js";
import { change, icon } from "./icons.js";
import { ask, placeOf } from "./shelf.js";

export class Ownership {
  /** `gone()` is called once it is deleted. */
  constructor(recording, { gone }) {
    Object.assign(this, { recording, gone });
    this.words = element("p", { class: "aside", test: "owner-words", role: "status" });
    this.root = element(
      "div",
      { class: "ownership" },
      recording.may_share && this.#share(),
      recording.may_delete && this.#delete(),
      this.link,
      this.words,
    );
  }

  #share() {
    this.field = element("input", { class: "field-text", test: "share-link", readonly: true, "aria-label": "The link" });
    this.link = element("div", { class: "share-box", hidden: true }, this.field);
    this.mark = icon("link");
    return element(
      "button",
      { class: "button", type: "button", test: "share", on: { click: () => this.#makeLink() } },
      this.mark,
      "Copy a link",
    );
  }

  async #makeLink() {
    try {
      const { link, until } = await ask(placeOf(this.recording.recording, "/links"), { method: "POST" });
      this.field.value = new URL(link, location.href).href;
      this.link.hidden = false;
      this.field.select();
      const copied = await navigator.clipboard.writeText(this.field.value).then(
        () => true,
        () => false, // not allowed here: it is selected, to be copied by hand
      );
      change(this.mark, copied ? "check" : "link");
      write(this.words, `${copied ? "Copied. " : ""}Whoever has it can see this recording until ${moment(until)}.`);
    } catch (refused) {
      write(this.words, refused.message);
    }
  }

  #delete() {
    this.dialog = element(
      "dialog",
      { class: "delete-dialog", test: "delete-dialog", "aria-labelledby": "delete-title" },
      element("h2", { id: "delete-title" }, "Delete this recording?"),
      element("p", {}, "The film and everything it was made from are taken away for everybody. It cannot be undone."),
      element(
        "div",
        { class: "dialog-actions" },
        element(
          "button",
          { class: "button", type: "button", test: "delete-cancel", on: { click: () => this.dialog.close() } },
          "Keep it",
        ),
        element(
          "button",
          { class: "button danger", type: "button", test: "delete-confirm", on: { click: () => this.#reallyDelete() } },
          "Delete it",
        ),
      ),
    );
    return element(
      "div",
      {},
      element(
        "button",
        { class: "button", type: "button", test: "delete", on: { click: () => this.dialog.showModal() } },
        icon("close"),
        "Delete",
      ),
      this.dialog,
    );
  }

  async #reallyDelete() {
    this.dialog.close();
    try {
      await ask(placeOf(this.recording.recording), { method: "DELETE" });
      this.gone();
    } catch (refused) {
      write(this.words, refused.message);
    }
  }
}
