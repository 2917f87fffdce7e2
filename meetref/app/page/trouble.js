/**
 * What went wrong, in words, and what a person can do about it.
 *
 * Browsers say it as the name of a DOMException, the server as one of the fixed codes of `error`. Each becomes a
 * title, a sentence, and where it helps the next step.
 * Leaves out: showing it (`lobby.js`, `screens.js`, `notices.js`).
 */

/** What is said of one device, or of both; `it` is how the sentence goes on. */
const DEVICES = {
  microphone: { one: "microphone", is: "is", it: "it", does: "does", uses: "is used" },
  camera: { one: "camera", is: "is", it: "it", does: "does", uses: "is used" },
  both: { one: "microphone and the camera", is: "are", it: "them", does: "do", uses: "are used" },
};

function deviceWords(kind, name) {
  const { one, is, it, does, uses } = DEVICES[kind];
  const words = {
    NotAllowedError: `The ${one} ${is} blocked by the browser. Allow ${it} by the icon beside the address, then try again.`,
    NotFoundError: `No ${one.replace(" and the ", " and no ")} was found. Connect one and it will appear here.`,
    NotReadableError: `The ${one} ${uses} by another program, or ${does} not answer. Close that program, then try again.`,
    AbortError: `The ${one} stopped while starting. Try again, or choose another one.`,
    OverconstrainedError: `The chosen ${one} ${is} gone. Choose another one.`,
    SecurityError: `The browser forbids the ${one} on this page. Open it over https or on localhost.`,
    TypeError: `The browser gives no ${one.replace(" and the ", " and no ")} to a page that is not secure. Open it over https.`,
  }[name];
  return words ?? `The ${one} could not be opened (${name}). Try again, or choose another one.`;
}

/** Why a microphone or camera could not be opened: `{name, words}`. */
export function deviceTrouble(kind, { name }) {
  return { name, words: deviceWords(kind, name) };
}

/** The sentences about both devices' troubles: two, one, none, or one for both where they have the same. */
export function sayTroubles(microphone, camera) {
  if (microphone && microphone.name === camera?.name) return [deviceWords("both", camera.name)];
  return [microphone, camera].filter(Boolean).map(({ words }) => words);
}

/** Why a screen could not be shared, or null when the person simply changed their mind. */
export function screenTrouble(error) {
  if (error.name === "NotAllowedError" || error.name === "AbortError") return null;
  if (error.name === "NotFoundError") return "There is no screen or window that could be shared.";
  if (error.name === "NotReadableError")
    return "The system did not let the browser see the screen. Allow screen recording in its settings.";
  return `The screen could not be shared (${error.name}).`;
}

/** The server's codes that end a meeting: what the page says, and whether trying again may help. */
const ENDINGS = {
  "not-allowed": {
    title: "You need an invitation",
    words: "This link has no valid invitation, or it has expired. Ask whoever invited you for a new link.",
    again: true,
  },
  "room-full": {
    title: "This meeting is full",
    words: "No more people fit into this room at the moment. Try again when somebody has left.",
    again: true,
  },
  "server-full": {
    title: "The server is full",
    words: "It holds as many meetings as it can. Try again in a little while.",
    again: true,
  },
  "server-slow": {
    title: "The server is too slow",
    words: "It took too long to let you in: it is busy, or its disk is. Try again in a little while.",
    again: true,
  },
  replaced: {
    title: "You continue somewhere else",
    words: "The meeting was taken over by another window of yours, so this one has stopped.",
    again: true,
  },
  closing: {
    title: "The server is closing",
    words: "The meeting has ended here. If the server is only being restarted, you can rejoin in a moment.",
    again: true,
  },
};

/** The screen for a code that ends the meeting; null for codes after which it goes on. */
export function ending(code) {
  return ENDINGS[code] ?? null;
}

/** Why this browser cannot hold a meeting at all, or null: `{title, words}`. */
export function environmentTrouble(scope = globalThis) {
  if (scope.isSecureContext === false) {
    return {
      title: "This page is not secure",
      words:
        "Browsers give cameras and microphones only to pages that come over https, or from localhost. Open it over https.",
    };
  }
  if (!scope.RTCPeerConnection || !scope.WebSocket) {
    return {
      title: "This browser cannot hold a meeting",
      words: "It has no WebRTC, or WebRTC is turned off. A current Chromium, Chrome, Edge, Firefox or Safari has it.",
    };
  }
  return null;
}

/** That a device was unplugged, and what is used now. */
export function lostWords({ kind, label, replaced }) {
  const what = label ? `"${label}"` : `The ${kind}`;
  if (replaced) return `${what} was unplugged. Now using "${replaced}".`;
  return `${what} was unplugged. Connect a ${kind} and turn it on.`;
}

/** That a device is there again. */
export function foundWords({ kind }) {
  return `A ${kind} was connected. Turn it on when you like.`;
}

/**
 * What to call the connection, and why: `[connection, reason]`.
 *
 * `joined` and `failures` are those of signaling, `known` says whether we were in the room before, and `paths` are the
 * states of both peer connections.
 */
export function connectionWords({ joined, failures, known, paths }) {
  if (!joined) {
    const silent = failures < 3 ? null : "The server does not answer. Still trying.";
    return known ? ["reconnecting", silent ?? "The connection to the server broke."] : ["connecting", silent];
  }
  if (paths.includes("failed")) {
    const why = "The network may block the server's UDP port.";
    return ["reconnecting", `Sound and picture cannot get through. ${why}`];
  }
  return paths.includes("disconnected") ? ["reconnecting", "Sound and picture are interrupted."] : ["connected", null];
}
