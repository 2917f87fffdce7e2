/**
 * What is said of recordings, and which chapter and words belong to a moment. Pure: nothing of the document.
 *
 * Read next: `film.js`, `shelflist.js`.
 */

/** A time in a recording: `4:07`, `1:04:07`. */
export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds || 0));
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (number) => String(number).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

/** The same for who listens: "1 hour 4 minutes 7 seconds". */
export function spokenTime(seconds) {
  const whole = Math.max(0, Math.floor(seconds || 0));
  const parts = [
    [Math.floor(whole / 3600), "hour"],
    [Math.floor(whole / 60) % 60, "minute"],
    [whole % 60, "second"],
  ];
  const said = parts.filter(([count]) => count).map(([count, unit]) => `${count} ${unit}${count === 1 ? "" : "s"}`);
  return said.join(" ") || "the beginning";
}

/** When something was, in the words of the person's own language; `seconds` since 1970. */
export function moment(seconds, language = undefined) {
  return new Date(seconds * 1000).toLocaleString(language, { dateStyle: "medium", timeStyle: "short" });
}

/** Octets in a form that people read. */
export function size(octets) {
  const units = ["bytes", "kB", "MB", "GB"];
  let [amount, unit] = [octets, 0];
  while (amount >= 999.5 && unit < units.length - 1) [amount, unit] = [amount / 1000, unit + 1];
  return `${unit && amount < 10 ? amount.toFixed(1) : Math.round(amount)} ${units[unit]}`;
}

/** How far a recording is, in a sentence. */
export function stateWords({ state, done, trouble }) {
  if (state === "composed") return "Ready";
  if (state === "failed") return `It could not be put together: ${trouble ?? "nobody knows why"}`;
  if (state === "composing" && trouble) return `It waits. ${trouble}`;
  if (state === "composing") return `It is being put together: ${Math.round(done * 100)} %`;
  return "It waits to be put together";
}

/** Does it still become something? */
export function isUnfinished({ state }) {
  return state === "waiting" || state === "composing";
}

/** Which of some things with a time (`at`) is the last that has begun; -1: none yet. */
export function lastBefore(things, at) {
  let [low, high] = [0, things.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (things[middle].at <= at + 0.05) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** Whether what was written has all of these words, in any order, whatever their case. */
export function hasWords(message, wanted) {
  const text = `${message.from ?? ""} ${message.text}`.toLowerCase();
  return wanted
    .toLowerCase()
    .split(/\s+/u)
    .every((word) => text.includes(word));
}

/** The name of a file on a person's disk: of the film what says the meeting and the day. */
export function fileName(recording, name) {
  const last = name.slice(name.lastIndexOf("/") + 1);
  const day = new Date(recording.began_at * 1000).toISOString().slice(0, 10);
  return `${recording.room}-${day}-${last}`;
}
