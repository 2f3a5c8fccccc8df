// What views have in common: the shape of a view, and who asks the node for it, and when.

import { $, el, setText } from './dom.js';
import { CommandError } from './api.js';

/**
 * @typedef {object} View
 * @property {string} title
 * @property {HTMLElement} root
 * @property {(signal: AbortSignal) => Promise<void>} refresh asks the node and shows what it says
 * @property {() => void} [end]
 */

/** How often a view asks, in ms. */
const every = 2000;

/** @type {View | null} */
let view = null;
let timer = 0;
let failures = 0;
let stop = new AbortController();
/** @type {(e: CommandError) => void} */
let refused = () => {};

/** @param {(e: CommandError) => void} f is told that the node asks for a token, or another one */
export function onRefused(f) {
  refused = f;
}

/**
 * Shows a view, and keeps it up to date until another one is shown.
 * @param {View | null} next
 */
export function show(next) {
  leave();
  view = next;
  if (!next) return;
  document.title = `${next.title} · Parlor`;
  $('main').replaceChildren(next.root);
  refresh();
}

function leave() {
  stop.abort();
  clearTimeout(timer);
  view?.end?.();
  view = null;
  failures = 0;
  setText($('trouble'), '');
}

/**
 * Asks anew, such as after a command.
 * @param {number} [wait] in ms; another call meanwhile takes its place
 */
export function refresh(wait = 0) {
  clearTimeout(timer);
  stop.abort();
  stop = new AbortController();
  const { signal } = stop;
  timer = setTimeout(() => void round(signal), wait);
}

/** @param {AbortSignal} signal */
async function round(signal) {
  const now = view;
  if (!now || document.hidden) return;
  try {
    await now.refresh(signal);
    if (signal.aborted) return;
    failures = 0;
    setText($('trouble'), '');
  } catch (e) {
    if (signal.aborted) return;
    if (!failed(e)) return;
  }
  timer = setTimeout(() => void round(signal), every * Math.min(2 ** failures, 8));
}

/**
 * Says what went wrong; false: it is of no use to go on.
 * @param {unknown} e
 */
function failed(e) {
  if (!(e instanceof CommandError)) {
    console.error(e);
    setText($('trouble'), 'This page has a fault. Loading it anew may help.');
    return false;
  }
  if (e.status === 401 || e.status === 403) {
    leave();
    refused(e);
    return false;
  }
  failures++;
  setText($('trouble'), `${e.message} What is shown may be out of date.`);
  return true;
}

document.addEventListener('visibilitychange', () => {
  if (!document.hidden && view) refresh();
});

/**
 * Says what came of something. It stays until the next is said, or somebody takes it away.
 * @param {string} text
 */
export function say(text) {
  $('said').replaceChildren(...(text ? [el('p', {}, text), el('button', { type: 'button', className: 'quiet', onclick: () => say('') }, 'Close')] : []));
}

/** @param {string[] | undefined} nodes that have not answered */
export const missing = (nodes) => (nodes?.length ? `Not in this list: what ${nodes.join(', ')} would have said. ${nodes.length > 1 ? 'These nodes have' : 'That node has'} not answered.` : '');
