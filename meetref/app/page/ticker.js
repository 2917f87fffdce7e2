/**
 * A clock that goes on in a hidden tab: a worker, for the timers of a page that nobody sees are slowed down.
 *
 * It is told an interval in milliseconds, and says something as often; 0 stops it.
 * Read next: `capture.js`.
 */

let timer = null;

addEventListener("message", ({ data: interval }) => {
  clearInterval(timer);
  if (interval) timer = setInterval(() => postMessage(null), interval);
});
