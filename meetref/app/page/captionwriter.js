/**
 * Where captions are written: a field below the stage, in which Enter sends the line.
 *
 * Whose words a line is: of whoever led the conversation when one began to type it, unless one chose somebody.
 * Read next: `captions.js`.
 */

import { LONGEST_CAPTION } from "./captions.js";
import { element, write } from "./elements.js";
import { icon } from "./icons.js";

const SPEAKER = "speaker";
const NOBODY = "nobody";

export class CaptionWriter {
  constructor(session) {
    this.session = session;
    this.began = null; // who led the conversation when this line was begun
    this.whose = element("select", { class: "field-text", test: "caption-whose", "aria-label": "Whose words these are" });
    this.input = element("input", {
      class: "field-text",
      test: "caption-input",
      maxlength: LONGEST_CAPTION,
      placeholder: "Write what is said",
      "aria-label": "Write what is said; Enter sends the line",
      enterkeyhint: "send",
      autocomplete: "off",
      on: { input: () => this.#begin() },
    });
    const send = element(
      "button",
      { class: "icon-button accent", type: "submit", test: "caption-send", "aria-label": "Send the line" },
      icon("send"),
    );
    const close = element(
      "button",
      {
        class: "icon-button plain",
        type: "button",
        test: "caption-close",
        "aria-label": "Stop writing captions",
        on: { click: () => session.captions.beWriting(false) },
      },
      icon("close"),
    );
    this.root = element("form", { class: "caption-writer", hidden: true }, this.whose, this.input, send, close);
    this.root.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send();
    });
  }

  draw() {
    const { captions } = this.session;
    const opens = captions.writing && this.root.hidden;
    this.root.hidden = !captions.writing;
    if (!captions.writing) return;
    this.#fill();
    if (opens) this.input.focus();
  }

  /** The choices, of which the one that was made stays as long as the person does. */
  #fill() {
    const { people, view } = this.session;
    const speaker = people.get(view.speaker)?.name ?? "nobody";
    const choices = [
      [SPEAKER, `Speaking: ${speaker}`],
      ...[...people.values()].map(({ id, name }) => [id, name]),
      [NOBODY, "No name"],
    ];
    const chosen = this.whose.value;
    const known = [...this.whose.options].map(({ value }) => value).join();
    if (known !== choices.map(([value]) => value).join()) {
      this.whose.replaceChildren(...choices.map(([value]) => element("option", { value })));
      this.whose.value = choices.some(([value]) => value === chosen) ? chosen : SPEAKER;
    }
    choices.forEach(([, words], place) => write(this.whose.options[place], words));
  }

  #begin() {
    if (this.input.value === "") this.began = null;
    else this.began ??= this.session.view.speaker;
  }

  #send() {
    const { session, input, whose } = this;
    const person = { [SPEAKER]: this.began, [NOBODY]: null };
    if (!input.value.trim()) return;
    if (session.captions.write(input.value, whose.value in person ? person[whose.value] : whose.value)) {
      input.value = "";
      this.began = null;
    } else {
      session.notice("The line was not sent: the connection is interrupted. Press Enter again.", "trouble");
    }
    input.focus();
  }
}
