/**
 * One meeting, as the page knows it: who is there, what was said, what is sent, and how the connections are.
 *
 * It joins signaling, the two peer connections, the person's devices and the chat, and knows nothing of the DOM. When
 * the WebSocket breaks, media goes on and only signaling comes back; when the server has forgotten us, both
 * connections are built anew under a new identity.
 * Leaves out: everything visible. Read next: `meeting.js`, `state.js`.
 */

import { Audience } from "./audience.js";
import { Captions } from "./captions.js";
import { Down, Healer, Up } from "./connections.js";
import { Conversation } from "./conversation.js";
import { Listener } from "./listener.js";
import { recall } from "./memory.js";
import { arrivals, arrived, gone } from "./news.js";
import { healBy, Pulse } from "./pulse.js";
import { Recording } from "./recording.js";
import { Seats } from "./seats.js";
import { Sharing } from "./sharing.js";
import { keepVisit } from "./shelf.js";
import { Signaling } from "./signaling.js";
import { connectionWords, ending, foundWords, lostWords } from "./trouble.js";
import { View } from "./view.js";

const BEAT = 50; // milliseconds

/** Events: `people`, `connection`, `sharing`, `heard` (who speaks), `measured`; `notice` (detail: words); `over`. */
export class Session extends EventTarget {
  constructor({ url, room, name, token, devices }) {
    super();
    Object.assign(this, { room, name, token, devices });
    this.connection = "connecting";
    this.reason = null;
    this.ending = null; // the screen to show when it is over
    this.identity = null; // {participant, secret}
    this.people = new Map();
    this.healers = {};
    this.told = null;
    this.chat = new Conversation({ send: (message) => this.send(message) });
    this.captions = new Captions({ send: (message) => this.send(message), shown: recall("captions") !== "hidden" });
    this.seats = new Seats();
    this.view = new View({ send: (message) => this.send(message), layout: recall("layout", "grid") });
    this.sharing = new Sharing();
    this.recording = new Recording(this);
    this.audience = new Audience(this);
    this.listener = new Listener(this);
    this.pulse = new Pulse();
    this.iceServers = null; // not known before the server lets us in
    this.signaling = new Signaling({ url, hello: () => this.#hello() });
    this.#listen();
  }

  start() {
    this.#build();
    this.signaling.start();
    this.timer = setInterval(() => this.#beat(), BEAT);
  }

  send(message) {
    return this.signaling.send(message);
  }

  get me() {
    return this.people.get(this.identity?.participant) ?? null;
  }

  /** Oneself, also before the server has said who that is. */
  get self() {
    const { devices } = this;
    return (
      this.me ?? { id: "", name: this.name, microphone: devices.state("microphone"), camera: devices.state("camera") }
    );
  }

  /** Everybody but oneself, in the order of coming. */
  get others() {
    return [...this.people.values()].filter(({ id }) => id !== this.identity?.participant);
  }

  async toggle(kind) {
    const on = this.devices.state(kind) === "on";
    await this.devices.turn(kind, !on);
    const { trouble } = this.devices[kind];
    if (trouble) this.notice(trouble.words, "trouble");
  }

  toggleScreen() {
    return this.sharing.active ? this.sharing.stop() : this.sharing.start();
  }

  leave() {
    this.#finish("left", null, { type: "leave" });
  }

  notice(words, kind = "news", link = null) {
    this.dispatchEvent(new CustomEvent("notice", { detail: { words, kind, link } }));
  }

  #hello() {
    const { devices } = this;
    const now = { microphone: devices.state("microphone"), camera: devices.state("camera") };
    this.told = JSON.stringify({ ...now, screen: false });
    return {
      type: "join",
      room: this.room,
      name: this.name,
      ...(this.token ? { token: this.token } : {}),
      ...(this.identity ? { resume: this.identity } : {}),
      last_sequence: this.chat.last,
      ...now,
    };
  }

  #listen() {
    const { signaling, devices, sharing } = this;
    signaling.addEventListener("message", ({ detail }) => this.#receive(detail));
    signaling.addEventListener("broken", () => this.#assess());
    signaling.addEventListener("refused", () => this.#assess());
    devices.addEventListener("changed", (this.onDevices = () => this.#tell()));
    devices.addEventListener("lost", (this.onLost = ({ detail }) => this.notice(lostWords(detail), "trouble")));
    devices.addEventListener("found", (this.onFound = ({ detail }) => this.notice(foundWords(detail))));
    sharing.addEventListener("changed", () => this.#shared());
    sharing.addEventListener("trouble", ({ detail }) => this.notice(detail, "trouble"));
    this.onNetwork = healBy(this.pulse, this);
    navigator.connection?.addEventListener?.("change", this.onNetwork);
    addEventListener("online", this.onNetwork);
  }

  /** New peer connections; the first offer is made at once, and sent as soon as we have joined. */
  #build() {
    this.#renew("up");
    this.#renew("down");
  }

  /** A new connection in the place of an old one. */
  #renew(direction) {
    this.healers[direction]?.close();
    const connection = new { up: Up, down: Down }[direction]((message) => this.send(message));
    this[direction] = connection;
    this.pulse.renew(direction);
    if (this.iceServers) connection.configure(this.iceServers);
    this.healers[direction] = new Healer(connection, () => this.signaling.joined);
    connection.addEventListener("state", () => this.#assess());
    if (direction === "up") {
      connection
        .negotiate()
        .catch(({ message }) => this.notice(`The browser could not make an offer: ${message}`, "trouble"));
      this.#plug();
    } else {
      this.seats.clear();
      connection.addEventListener("described", () => this.seats.attach(connection.pc));
      connection.addEventListener("refused", ({ detail }) =>
        this.notice(`The browser could not read what the server offers: ${detail.message}`, "trouble"),
      );
    }
  }

  /** What goes up: whatever tracks there are now. */
  #plug() {
    const { up, devices, sharing } = this;
    const tracks = {
      microphone: devices.microphone.track,
      camera: devices.camera.track,
      screen: sharing.video,
      "screen-sound": sharing.sound,
    };
    for (const [source, track] of Object.entries(tracks)) up?.use(source, track).catch(() => {});
  }

  #receive(message) {
    const act = {
      joined: () => this.#joined(message),
      person: () => this.#person(message.person),
      "person-left": () => this.#personLeft(message),
      "up-answer": () =>
        this.up
          .answer(message)
          .catch((error) => this.notice(`The server's answer could not be used: ${error.message}`, "trouble")),
      layers: () => this.up.layers(message),
      "down-offer": () => this.#downOffer(message),
      seats: () => this.#seats(message),
      video: () => this.seats.explain(message.seats),
      speaker: () => this.view.hear(message),
      quality: () => this.view.rate(message),
      chat: () => this.chat.receive(message),
      caption: () => this.captions.receive(message),
      recording: () => this.recording.receive(message),
      audience: () => this.audience.receive(message),
      upload: () => this.recording.own.receive(message),
      error: () => this.#error(message),
    }[message.type];
    act?.(); // an unknown type is from a newer server, and not for us
  }

  #seats(message) {
    this.seats.assign(message.seats);
    this.view.seat(message);
  }

  /** An offer of a connection that the server made anew needs a new one here, too. */
  #downOffer(message) {
    const { connection } = this.down;
    if (connection !== null && connection !== message.connection) this.#renew("down");
    this.down.offer(message);
  }

  #joined({ participant, secret, people, resumed, ice_servers: iceServers = [], may_record: mayRecord, visit }) {
    const first = this.identity === null;
    const before = this.people;
    this.identity = { participant, secret };
    this.recording.joined(Boolean(mayRecord), resumed);
    if (visit) keepVisit(visit);
    this.people = new Map(people.map((person) => [person.id, person]));
    this.iceServers = iceServers;
    if (!resumed && !first) this.#build();
    else if (!resumed) for (const connection of [this.up, this.down]) connection.configure(iceServers);
    this.up.repeat();
    this.view.repeat();
    this.#tell();
    this.chat.repeat();
    for (const healer of Object.values(this.healers)) healer.hurry();
    if (resumed) for (const words of arrivals(before, this.people)) this.notice(words);
    this.#assess();
    this.#changed("people");
  }

  #person(person) {
    const before = this.people.get(person.id);
    this.people.set(person.id, person);
    for (const words of arrived(before, person, person.id === this.identity?.participant)) this.notice(words);
    if (!person.screen) this.view.forgetScreen(person.id);
    if (person.camera === "on" && before?.camera !== "on") this.seats.of(person.id).video?.rewind(this.seats.clock());
    this.#changed("people");
  }

  #personLeft({ id, reason }) {
    const person = this.people.get(id);
    this.people.delete(id);
    this.listener.forget(id);
    this.view.forget(id);
    if (person) this.notice(gone(person, reason));
    this.#changed("people");
  }

  #error({ code, message, about }) {
    const screen = ending(code);
    if (screen) this.#finish("failed", screen);
    else if (code === "wrong-state" && about === "up-offer") this.#renew("up");
    else if (about === "say") setTimeout(() => this.chat.repeat(), 1500);
    else if (code === "not-joined") this.signaling.reopen();
    else this.notice(message, "trouble");
    if (about === "record") this.recording.own.refused();
  }

  /** Tell the others what is sent, when that has changed. */
  #tell() {
    this.#plug();
    const { devices, sharing } = this;
    const now = { microphone: devices.state("microphone"), camera: devices.state("camera"), screen: sharing.active };
    const text = JSON.stringify(now);
    if (text !== this.told && this.send({ type: "devices", ...now })) this.told = text;
    if (this.me) this.people.set(this.me.id, { ...this.me, ...now });
    this.#changed("people");
  }

  #shared() {
    this.#tell();
    this.#changed("sharing");
  }

  /** What to call the connection now, and why. */
  #assess() {
    if (this.ending || this.connection === "left") return;
    const [connection, reason] = this.#judge();
    if (connection === this.connection && reason === this.reason) return;
    const restored = this.connection === "reconnecting" && connection === "connected";
    Object.assign(this, { connection, reason });
    if (restored) this.notice("You are connected again");
    this.#changed("connection");
  }

  #judge() {
    const { signaling, identity, up, down } = this;
    return connectionWords({
      joined: signaling.joined,
      failures: signaling.failures,
      known: identity !== null,
      paths: [up.state, down.state],
    });
  }

  #beat() {
    this.seats.tick();
    this.pulse.beat(this);
    this.listener.beat();
    this.chat.tick();
  }

  #finish(connection, screen, last = null) {
    if (this.connection === "left" || this.connection === "failed") return;
    Object.assign(this, { connection, ending: screen, reason: screen?.title ?? null });
    clearInterval(this.timer);
    this.signaling.close(last);
    for (const healer of Object.values(this.healers)) healer.close();
    this.listener.close();
    this.sharing.stop();
    const handlers = { changed: this.onDevices, lost: this.onLost, found: this.onFound };
    for (const [event, handler] of Object.entries(handlers)) this.devices.removeEventListener(event, handler);
    navigator.connection?.removeEventListener?.("change", this.onNetwork);
    removeEventListener("online", this.onNetwork);
    this.#changed("connection");
    this.#changed("over");
  }

  #changed(event) {
    this.dispatchEvent(new Event(event));
  }
}
