/**
 * The page begins here: which of its views is shown, and what leads from one to the next.
 *
 * `/` is the start page; `/ROOM` the lobby of a room, or with `?join=now` the meeting itself (docs/page.md). One view
 * is in the document at a time. `window.meetref` is for tests and for the curious.
 * Read next: `session.js` for what happens, `meeting.js` for what is seen.
 */

import { Devices } from "./devices.js";
import { element } from "./elements.js";
import { Lobby } from "./lobby.js";
import { Meeting } from "./meeting.js";
import { recall } from "./memory.js";
import { errorScreen, leftScreen } from "./screens.js";
import { Session } from "./session.js";
import { signalingURL } from "./signaling.js";
import { roomName, Start } from "./start.js";
import { describe, VERSION } from "./state.js";
import { environmentTrouble, sayTroubles } from "./trouble.js";

const app = document.getElementById("app");
const query = new URLSearchParams(location.search);
// Behind the `#` no server is sent it, and no log has it.
const invitation = new URLSearchParams(location.hash.slice(1)).get("token") ?? query.get("token");
const current = { view: null, session: null, devices: null };

function show(view) {
  current.view?.close();
  current.view = view;
  app.replaceChildren(view.root);
  view.focus();
  return view;
}

/** Show what the address says. */
function route() {
  leaveSilently();
  const path = decoded(location.pathname.slice(1));
  document.title = path ? `${path} · meetref` : "meetref";
  const trouble = environmentTrouble();
  if (trouble) return show(errorScreen(trouble));
  if (!path) return show(new Start({ enter: go }));
  const room = roomName(path);
  if (path.startsWith("watch/")) return show(noAudience(roomName(path.slice(6))));
  if (room !== path) return show(wrongName(path, room));
  const devices = takeDevices();
  const name = (query.get("name") ?? "").trim().slice(0, 64);
  if (query.get("join") === "now") return enterNow(room, name || recall("name") || "Guest", devices);
  return show(new Lobby({ room, name, devices, join: (chosen) => enter(room, chosen, devices) }));
}

/** Without the lobby: signaling, devices and the first offer start at the same time. */
async function enterNow(room, name, devices) {
  const session = enter(room, name, devices);
  await devices.open();
  if (session !== current.session) return;
  for (const words of sayTroubles(devices.microphone.trouble, devices.camera.trouble)) session.notice(words, "trouble");
}

/** Into the meeting, with the devices as they are; those that are still opening follow. */
function enter(room, name, devices) {
  const session = new Session({ url: signalingURL(location), room, name, token: invitation, devices });
  current.session = session;
  session.addEventListener("over", () => over(session, { room, name }));
  show(new Meeting(session));
  session.start();
  return session;
}

function over(session, { room, name }) {
  if (session !== current.session) return;
  const wishes = { microphone: session.devices.microphone.wanted, camera: session.devices.camera.wanted };
  current.devices?.close();
  const again = () => {
    const devices = takeDevices();
    for (const [kind, wanted] of Object.entries(wishes)) devices[kind].wanted = wanted;
    enterNow(room, name, devices);
  };
  const home = () => go("");
  show(session.ending ? errorScreen({ ...session.ending, again, home }) : leftScreen({ rejoin: again, home }));
}

/** A path as people read it; one that is wrongly encoded stays as it is. */
function decoded(path) {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

function wrongName(path, room) {
  const shown = path.length > 64 ? `${path.slice(0, 40)}…` : path;
  const words = room
    ? `Rooms have names of small letters, digits and hyphens, at most 63. Did you mean "${room}"?`
    : "Rooms have names of small letters, digits and hyphens, at most 63.";
  return errorScreen({
    title: `"${shown}" is not the name of a room`,
    words,
    again: room ? () => go(room) : null,
    againWords: `Go to "${room}"`,
    home: () => go(""),
  });
}

/** The server gives this page where an audience would look on, and there is none. */
function noAudience(room) {
  return errorScreen({
    title: "This meeting has no audience",
    words: "It cannot be watched from outside. Whoever runs the server can change that; you may take part in it, too.",
    again: room ? () => go(room) : null,
    againWords: `Go to "${room}"`,
    home: () => go(""),
  });
}

function go(room) {
  history.pushState(null, "", `/${room}`);
  query.delete("join");
  route();
}

function takeDevices() {
  current.devices?.close();
  current.devices = new Devices();
  return current.devices;
}

/** Whatever is going on ends, without a screen of its own. */
function leaveSilently() {
  const { session } = current;
  current.session = null;
  session?.leave();
  current.devices?.close();
  current.devices = null;
}

addEventListener("popstate", route);
addEventListener("pagehide", () => current.session?.leave());

window.meetref = {
  version: VERSION,
  state: () => {
    const { session, view } = current;
    return view instanceof Meeting ? describe(session, view.sound, view.badge.announced) : describe(session, "playing");
  },
};

try {
  route();
} catch (error) {
  app.replaceChildren(
    element(
      "p",
      { class: "noscript" },
      `The page could not start: ${error.message}. Load it again, or use another browser.`,
    ),
  );
  throw error;
}
