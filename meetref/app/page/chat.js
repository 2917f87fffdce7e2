/**
 * The chat as it is seen: messages in the order of the log, joined where one person goes on talking.
 *
 * Names and texts are text nodes, and addresses among them links; each message runs in its own direction. What is not
 * acknowledged yet stands at the end, paler, and moves to its place when the server has it. The list follows new messages
 * only while it is scrolled to the end.
 * Leaves out: what was said and what is on its way (`conversation.js`).
 * Read next: `panel.js`.
 */

import { LONGEST_MESSAGE } from "./conversation.js";
import { element } from "./elements.js";
import { icon } from "./icons.js";
import { pieces } from "./links.js";

const NEAR_END = 60; // pixels
const TOGETHER = 180; // seconds in which messages of one person stand under one name

export class Chat {
  constructor(session) {
    this.session = session;
    this.drawn = 0;
    this.atEnd = true;
    this.list = element("div", {
      class: "messages",
      test: "messages",
      role: "log",
      "aria-label": "Chat messages",
      tabindex: "0",
    });
    this.empty = element(
      "p",
      { class: "empty" },
      "No messages yet. What is written here can be read by everybody in the room, also by those who come later.",
    );
    this.waiting = element("div", { class: "waiting" });
    this.list.append(this.empty, this.waiting);
    this.input = element("textarea", {
      class: "field-text",
      test: "chat-input",
      rows: "1",
      maxlength: LONGEST_MESSAGE,
      placeholder: "Write a message",
      "aria-label": "Write a message",
      enterkeyhint: "send",
    });
    this.sendButton = element(
      "button",
      { class: "icon-button accent", type: "submit", test: "chat-send", "aria-label": "Send" },
      icon("send"),
    );
    this.form = element("form", { class: "compose" }, this.input, this.sendButton);
    this.root = element(
      "div",
      { class: "page", id: "panel-chat", role: "tabpanel", "aria-label": "Chat" },
      this.list,
      this.form,
    );
    this.#listen();
    this.draw();
  }

  focus() {
    this.#toEnd();
    this.input.focus({ preventScroll: true });
  }

  /** Write what is new. */
  draw() {
    const { messages, waiting } = this.session.chat;
    const { atEnd } = this;
    for (; this.drawn < messages.length; this.drawn += 1) {
      const message = messages[this.drawn];
      const before = messages[this.drawn - 1];
      const goesOn = before?.person === message.person && message.sent_at - before.sent_at < TOGETHER;
      this.waiting.before(this.#message(message, goesOn));
    }
    this.waiting.replaceChildren(
      ...waiting.map(({ text }) => element("p", { class: "text", test: "chat-pending", dir: "auto" }, text)),
    );
    if (waiting.length) this.waiting.append(element("p", { class: "time" }, "Sending …"));
    this.empty.hidden = messages.length + waiting.length > 0;
    if (atEnd || waiting.length) this.#toEnd();
  }

  #toEnd() {
    this.list.scrollTop = this.list.scrollHeight;
    this.atEnd = true;
  }

  #message({ sequence, name, person, text, sent_at: sentAt }, goesOn) {
    const mine = person === this.session.identity?.participant;
    const time = new Date(sentAt * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
    const head = element(
      "p",
      { class: "head" },
      element("span", { class: "author", test: "chat-author" }, mine ? "You" : name),
      element("time", { class: "time" }, time),
    );
    return element(
      "div",
      { class: `message${goesOn ? " goes-on" : ""}`, data: { sequence, person } },
      goesOn ? null : head,
      element("p", { class: "text", test: "chat-message", dir: "auto" }, ...pieces(text).map(piece)),
    );
  }

  #listen() {
    const { list } = this;
    list.addEventListener("scroll", () => {
      this.atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < NEAR_END;
    });
    // A telephone's keyboard takes half of the list away; what was read at its end is still to be seen.
    new ResizeObserver(() => this.atEnd && this.#toEnd()).observe(list);
    this.session.chat.addEventListener("changed", () => this.draw());
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#say();
    });
    this.input.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.#say();
    });
    this.input.addEventListener("input", () => this.#grow());
  }

  #say() {
    if (this.session.chat.say(this.input.value)) this.input.value = "";
    this.#grow();
    this.input.focus();
  }

  #grow() {
    this.input.style.height = "auto";
    this.input.style.height = `${Math.min(140, this.input.scrollHeight + 2)}px`;
  }
}

/** The page behind an address is opened beside the meeting, and learns nothing of where it was written. */
function piece({ text, href }) {
  return href ? element("a", { href, target: "_blank", rel: "noopener noreferrer" }, text) : text;
}
