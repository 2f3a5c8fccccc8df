// The histories of nodes as columns of a graph, and rates of counters. Pure functions.

/** @typedef {{Node: string, EveryMs: number, Points: any[]}} History */

/**
 * Adds later points to what is known. Nodes that tell nothing any more keep what they have told, until it is
 * older than the time shown.
 * @param {Map<string, History>} known
 * @param {History[]} more
 */
export function extend(known, more) {
  for (const h of more) {
    const old = known.get(h.Node)?.Points ?? [];
    const last = old.at(-1)?.TimeMs ?? 0;
    const points = [...old, ...h.Points.filter((p) => p.TimeMs > last)].slice(-kept);
    known.set(h.Node, { ...h, Points: points });
  }
  const newest = Math.max(...[...known.values()].map((h) => h.Points.at(-1)?.TimeMs ?? 0));
  for (const [node, h] of known) {
    const points = h.Points.filter((p) => p.TimeMs > newest - kept * h.EveryMs);
    if (points.length === 0 && h.Points.length > 0) known.delete(node);
    else known.set(node, { ...h, Points: points });
  }
}

/** How many points a node keeps. */
const kept = 180;

/**
 * The time after which every node is to be asked for more.
 * @param {Map<string, History>} known
 */
export function latest(known) {
  const last = [...known.values()].map((h) => h.Points.at(-1)?.TimeMs ?? 0);
  return last.length > 0 ? Math.min(...last) : 0;
}

/**
 * The points of some nodes, brought to common moments: one for each step of time, with the point of every node
 * in it. A node whose point of a step is missing is there with its point before.
 * @param {History[]} nodes
 * @returns {{timeMs: number, points: any[]}[]}
 */
export function moments(nodes) {
  const having = nodes.filter((h) => h.Points.length > 0);
  if (having.length === 0) return [];
  const every = having[0].EveryMs || 5000;
  const steps = having.map((h) => new Map(h.Points.map((p) => [Math.floor(p.TimeMs / every), p])));
  const first = Math.min(...steps.map((s) => Math.min(...s.keys())));
  const ends = steps.map((s) => Math.max(...s.keys()));
  // The step that has only begun has some nodes alone. One that has told nothing for three steps is not waited for.
  const newest = Math.max(...ends);
  const last = Math.min(...ends.filter((e) => e > newest - 3));
  const held = /** @type {any[]} */ (steps.map(() => null));
  const all = [];
  for (let step = first; step <= last; step++) {
    steps.forEach((s, i) => {
      const p = s.get(step);
      if (p) held[i] = { ...p, at: step };
      else if (held[i] && (held[i].at < step - 2 || step > ends[i])) held[i] = null;
    });
    all.push({ timeMs: step * every, points: held.filter(Boolean) });
  }
  return all;
}

/**
 * A column for each of the values that `of` finds, as a graph wants it: times in seconds, then the sums over
 * nodes.
 * @param {{timeMs: number, points: any[]}[]} all
 * @param {((points: any[]) => number | null)[]} of
 */
export const columns = (all, of) => [all.map((m) => m.timeMs / 1000), ...of.map((f) => all.map((m) => (m.points.length ? f(m.points) : null)))];

/** @param {string} field */
export const sum = (field) => /** @param {any[]} points */ (points) => points.reduce((n, p) => n + (p[field] ?? 0), 0);

/**
 * The share of lost packets in a direction, in percent; null if too few were expected to say.
 * @param {'Up' | 'Down'} way
 */
export const loss = (way) => /** @param {any[]} points */ (points) => {
  const expected = sum(`Expected${way}`)(points);
  return expected < 10 ? null : (100 * sum(`Lost${way}`)(points)) / expected;
};

/**
 * Users of the qualities from one level to another.
 * @param {number} from
 * @param {number} to
 */
export const users = (from, to) => /** @param {any[]} points */ (points) =>
  points.reduce((n, p) => n + p.Qualities.slice(from, to + 1).reduce((/** @type {number} */ a, /** @type {number} */ b) => a + b, 0), 0);

/**
 * A count by reason.
 * @param {string[]} fields such as Joins
 * @param {string} reason
 */
export const counted = (fields, reason) => /** @param {any[]} points */ (points) =>
  points.reduce((n, p) => n + fields.reduce((k, f) => k + (p[f]?.[reason] ?? 0), 0), 0);

/**
 * The reasons that are there, those that count most first.
 * @param {{points: any[]}[]} all
 * @param {string[]} fields
 * @param {number} most
 */
export function reasons(all, fields, most) {
  /** @type {Map<string, number>} */
  const n = new Map();
  for (const m of all) for (const p of m.points) for (const f of fields) for (const [r, k] of Object.entries(p[f] ?? {})) n.set(r, (n.get(r) ?? 0) + k);
  return [...n].sort((a, b) => b[1] - a[1]).slice(0, most).map(([r]) => r).sort();
}

/** Rates of counters that are read again and again. */
export class Rates {
  /** @type {Map<string, {n: number, t: number, rate: number | null}>} */
  #last = new Map();

  /**
   * How much a counter grows in a second; null until it was read twice, or if it has begun anew.
   * @param {string} key
   * @param {number} n
   * @param {number} t time at which it was read, in ms
   */
  of(key, n, t) {
    const before = this.#last.get(key);
    if (before && t <= before.t) return before.rate;
    const rate = before && n >= before.n ? ((n - before.n) * 1000) / (t - before.t) : null;
    this.#last.set(key, { n, t, rate });
    return rate;
  }

  /**
   * Forgets what was not read since.
   * @param {number} t
   */
  forget(t) {
    for (const [key, x] of this.#last) if (x.t < t) this.#last.delete(key);
  }
}
