/**
 * What is said when people come and go: sentences, and nothing else.
 *
 * Read next: `session.js`, `notices.js`.
 */

/** What is new about a person; `before` is undefined for a newcomer, `me` says that it is oneself. */
export function arrived(before, person, me) {
  const news = before ? [] : [`${person.name} joined`];
  if (person.screen && !before?.screen && !me) news.push(`${person.name} shares a screen`);
  return news;
}

/** That somebody is gone, and how. */
export function gone({ name }, reason) {
  return { left: `${name} left`, lost: `${name} lost the connection`, removed: `${name} was removed` }[reason];
}

/** Who came and who went while we were away: both are maps by id. */
export function arrivals(before, after) {
  const came = [...after.values()].filter(({ id }) => !before.has(id)).map(({ name }) => `${name} joined`);
  const went = [...before.values()].filter(({ id }) => !after.has(id)).map(({ name }) => `${name} left`);
  return [...came, ...went];
}
