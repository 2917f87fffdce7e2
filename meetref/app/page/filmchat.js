/**
 * Words beside the film, of the chat or of the captions: they follow the time, can be searched, and a click leads to the
 * moment.
 *
 * Read next: `film.js`.
 */

import { attribute, element, write } from "./elements.js";
import { clock, hasWords, lastBefore, spokenTime } from "./filmwords.js";

export class FilmChat {
  /** `messages` are `{at, from, text}` in order; `jump(at)` goes to a moment. `kind` is `chat` or `captions`. */
  constructor(messages, { jump, kind = "chat" }) {
    this.messages = messages;
    const title = { chat: "Chat", captions: "Captions" }[kind];
    this.current = null;
    this.input = element("input", {
      class: "field-text",
      type: "search",
      test: `${kind}-search`,
      placeholder: `Search the ${kind}`,
      "aria-label": `Search the ${kind}`,
      on: { input: () => this.search() },
    });
    this.found = element("p", { class: "aside", test: `${kind}-found`, role: "status" });
    this.lines = messages.map(({ at, from, text }) =>
      element(
        "li",
        {},
        element(
          "button",
          { class: "chat-line", type: "button", test: `${kind}-line`, on: { click: () => jump(at) } },
          element("span", { class: "time", "aria-hidden": "true" }, clock(at)),
          from === null ? null : element("span", { class: "chat-from" }, from),
          element("span", { class: "hidden-words" }, ` at ${spokenTime(at)}: `),
          element("span", { class: "chat-text", dir: "auto" }, text),
        ),
      ),
    );
    this.list = element("ol", { class: "chat-lines", test: `${kind}-lines` }, ...this.lines);
    this.root = element(
      "section",
      { class: "film-chat", "aria-labelledby": `${kind}-title` },
      element("h2", { id: `${kind}-title` }, title),
      messages.length ? this.input : element("p", { class: "aside", test: "no-chat" }, "Nobody wrote anything."),
      this.found,
      this.list,
    );
  }

  /** Show what has the words that are searched for. */
  search() {
    const wanted = this.input.value.trim();
    let count = 0;
    for (const [number, line] of this.lines.entries()) {
      line.hidden = wanted !== "" && !hasWords(this.messages[number], wanted);
      count += !line.hidden;
    }
    write(this.found, wanted ? `${count} of ${this.lines.length}` : "");
  }

  /** Mark what was written last, and have it seen; who scrolls elsewhere or searches is left alone. */
  follow(at) {
    const number = lastBefore(this.messages, at);
    const line = this.lines[number] ?? null;
    if (line === this.current) return;
    if (this.current) attribute(this.current, "aria-current", null);
    this.current = line;
    if (!line) return;
    attribute(line, "aria-current", "true");
    if (this.input.value || this.list.matches(":hover, :focus-within")) return;
    const below = line.offsetTop - this.list.offsetTop - this.list.clientHeight / 2;
    this.list.scrollTo({ top: below, behavior: "smooth" });
  }
}
