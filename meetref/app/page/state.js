/**
 * `window.meetref.state()`: the meeting as plain JSON, for tests and for the curious.
 *
 * The shape is an interface (docs/page.md): what is here stays. It is synchronous; figures are those of the last
 * reading, at most half a second old.
 * Read next: `listener.js`, `seats.js`.
 */

import { OFF, running } from "./recording.js";
import { transport } from "./stats.js";

/** The version of the page, which is that of the project. */
export const VERSION = "0.1.0";

const EMPTY = {
  connection: "left",
  reason: null,
  room: null,
  sound: "playing",
  recording: null,
  upload: null,
  view: null,
  people: [],
  chat: [],
  captions: { shown: true, writing: false, lines: [] },
  transports: [],
};

/**
 * The whole state of a session; `sound`, and how far the announcement of a recording came, are told by the page, which
 * knows what the browser lets it play.
 */
export function describe(session, sound, announced = null) {
  if (!session) return { ...EMPTY };
  return {
    connection: session.connection,
    reason: session.reason,
    room: session.room,
    sound,
    recording: describeRecording(session.recording.now, announced),
    upload: session.recording.own.describe(),
    view: describeView(session.view, session.seats),
    people: [...session.people.values()].map((person) => describePerson(session, person)),
    chat: session.chat.messages.map(({ sequence, name, person, text, sent_at }) => ({
      sequence,
      from: name,
      person,
      text,
      sent_at,
    })),
    captions: describeCaptions(session.captions),
    transports: ["up", "down"].map((direction) =>
      transport(direction, session[direction].pc, session.listener.reports[direction]),
    ),
  };
}

/** `by` and `since` are of the server's recording, null where only others record. */
function describeRecording(now, announced) {
  if (!running(now).length) return null;
  const { by, name, since, trouble } = now.on ? now : OFF;
  const others = now.others.filter(({ over }) => !over).map((one) => ({ ...one }));
  return { by, name, since, trouble, announced, others };
}

function describeCaptions({ shown, writing, lines }) {
  return { shown, writing, lines: lines.map(({ by, person, name, text }) => ({ by, person, name, text })) };
}

function describeView({ layout, pinned, seated, speaker, recent }, seats) {
  const { person = null, source = null } = seats.all.get(seated.large)?.occupant ?? {};
  return {
    layout,
    page: seated.page,
    pages: seated.pages,
    pinned: pinned.map((each) => ({ ...each })),
    large: person === null ? null : { person, source },
    speaker,
    recent: [...recent],
  };
}

function describePerson(session, person) {
  const me = person.id === session.identity?.participant;
  return {
    id: person.id,
    name: person.name,
    me,
    bot: person.bot ?? false,
    speaking: session.listener.speaking(person.id),
    bars: session.view.bars.get(person.id) ?? null,
    audio: {
      muted: person.microphone !== "on",
      level: session.listener.level(person.id),
      total_energy: me ? session.listener.own.energy : (session.seats.of(person.id).audio?.figures().energy ?? 0),
    },
    video: me ? ownVideo(session.devices.camera.track) : video(session, person.id, "camera", person.camera === "on"),
    screen: person.screen ? (me ? ownVideo(session.sharing.video) : video(session, person.id, "screen", true)) : null,
  };
}

function video(session, id, source, on) {
  const seat = session.seats.of(id, source).video;
  const { width, height, frames } = seat ? seat.figures() : { width: 0, height: 0, frames: 0 };
  const playing = Boolean(seat?.flows(session.seats.clock())) && seat.paused === null;
  return {
    state: !on ? "off" : playing ? "playing" : "paused",
    reason: !on || playing ? null : pauseReason(session, seat),
    width,
    height,
    frames_decoded: frames,
    layer: seat?.layer ?? "single",
  };
}

/** Why no picture of somebody is shown although there should be one. */
export function pauseReason(session, seat) {
  if (!seat) return session.view.seated.pages > 1 ? "on another page" : "no seat";
  if (session.connection !== "connected") return "reconnecting";
  if (seat.paused !== null) return seat.paused;
  return seat.begun ? "no frames" : "waiting for the first frame";
}

function ownVideo(track) {
  const { width = 0, height = 0 } = track?.getSettings() ?? {};
  return { state: track ? "playing" : "off", reason: null, width, height, frames_decoded: 0, layer: "single" };
}
