/**
 * Asks the server for recordings, and tells it where one was: the requests of docs/keeping.md.
 *
 * Who may see a recording is known by a cookie, which no script can read, or by the token of a link, which stands in the
 * fragment of the address and goes into a header: never into a request line.
 * Read next: `recordings.js`; `app/shelf.py` answers.
 */

/** The server said no. `message` is its sentence. */
export class Refused extends Error {
  constructor(status, sentence) {
    super(sentence);
    this.status = status;
  }
}

/** What the server answers, as JSON; null where it has nothing to say. Throws `Refused`. */
export async function ask(path, { method = "GET", token = "" } = {}) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  const answer = await fetch(path, { method, headers, cache: "no-store" }).catch(() => {
    throw new Refused(0, "The server cannot be reached. Is this device connected?");
  });
  if (!answer.ok) throw new Refused(answer.status, (await answer.text()).trim());
  return answer.status === 204 ? null : answer.json();
}

/** Where a recording is asked for. */
export function placeOf(name, more = "") {
  return `/api/recordings/${encodeURIComponent(name)}${more}`;
}

/** Have it kept, in a cookie, that one was in a room; `ticket` is what signaling gave. Tried a few times. */
export async function keepVisit(ticket, pause = 3000) {
  for (let left = 3; left > 0; left -= 1) {
    try {
      return await ask("/api/visits", { method: "POST", token: ticket });
    } catch (refused) {
      if (refused.status) return null;
    }
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
  return null;
}
