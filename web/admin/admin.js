// The operator's page. Its parts:
//
//	admin.js     which view the address names, and showing a token
//	page.js      showing a view, and keeping it up to date
//	overview.js  nodes and graphs
//	rooms.js     the list of rooms
//	room.js      a room
//	user.js      a user, and finding one
//	refused.js   who was refused
//	actions.js   what an operator has the node do
//	api.js       commands to the node
//	charts.js    graphs
//	series.js    what is drawn: pure
//	format.js    numbers and names as people read them: pure
//	dom.js       elements and tables
//	vendor/      uPlot, as its package has it

import { command, takeToken, token } from './api.js';
import { $, el, setText } from './dom.js';
import { forget, overview } from './overview.js';
import { onRefused, say, show } from './page.js';
import { refused } from './refused.js';
import { room } from './room.js';
import { rooms } from './rooms.js';
import { find, user } from './user.js';

/** The view that the address names. */
function named() {
  const [name, ...rest] = location.hash.replace(/^#\/?/, '').split('/');
  let parts;
  try {
    parts = rest.map(decodeURIComponent);
  } catch {
    return null;
  }
  const key = /^(s:.|n:[1-9]\d*$)/s;
  if (name === 'rooms') return rooms();
  if (name === 'refused') return refused();
  if (name === 'room' && key.test(parts[0] ?? '')) return room(parts[0]);
  if (name === 'user' && key.test(parts[0] ?? '') && parts[1]) return user(parts[0], parts[1]);
  if (name === 'find' && parts[0]) return find(parts[0]);
  return name === 'nodes' ? overview() : null;
}

function go() {
  const view = named();
  if (!view) {
    history.replaceState(null, '', '#/nodes');
    show(overview());
  } else {
    show(view);
  }
  $('header').hidden = false;
  $('sign-out').hidden = !token.get();
  const at = location.hash.split('/')[1];
  const of = /** @type {Record<string, string>} */ ({ room: 'rooms', user: 'rooms' })[at] ?? at;
  for (const a of document.querySelectorAll('nav a')) {
    if (a.getAttribute('href') === `#/${of}`) a.setAttribute('aria-current', 'page');
    else a.removeAttribute('aria-current');
  }
}

/**
 * Asks for a token.
 * @param {string} why
 */
function signIn(why) {
  show(null);
  say('');
  $('header').hidden = true;
  document.title = 'Parlor: operator';
  /** @type {HTMLDialogElement} */ ($('dialog')).close();
  const input = /** @type {HTMLInputElement} */ (el('input', { id: 'token', type: 'password', required: true, autocomplete: 'off', spellcheck: false }));
  const wrong = el('p', { className: 'wrong', role: 'alert' }, why);
  $('main').replaceChildren(el('form', { className: 'sign-in', onsubmit: enter }, el('h1', {}, 'Parlor: operator'),
    el('p', { className: 'soft' }, 'This node asks for a token with the right admin. sfu token create --rights admin makes one.'),
    el('div', { className: 'field' }, el('label', { for: 'token' }, 'Token'), input), wrong, el('button', { type: 'submit', className: 'primary' }, 'Open')));
  input.focus();

  /** @param {Event} e */
  function enter(e) {
    e.preventDefault();
    token.set(input.value.trim());
    go();
  }
}

onRefused((e) => {
  const shown = token.get() !== '';
  token.set('');
  signIn(shown ? e.message : '');
});

$('find').addEventListener('submit', (e) => {
  e.preventDefault();
  const input = /** @type {HTMLInputElement} */ ($('find-user'));
  if (input.value.trim()) location.hash = `#/find/${encodeURIComponent(input.value.trim())}`;
});
$('sign-out').addEventListener('click', () => {
  token.set('');
  forget();
  history.replaceState(null, '', '#/nodes');
  signIn('');
});
document.querySelector('.skip')?.addEventListener('click', (e) => {
  e.preventDefault();
  $('main').focus();
});
addEventListener('hashchange', () => {
  takeToken();
  say('');
  go();
  $('main').focus();
  scrollTo(0, 0);
});

takeToken();
// Before anything is shown of the page, the node says whether the token will do.
command('DescribeNode').then(go, (e) => {
  if (e.status === 401 || e.status === 403) {
    const shown = token.get() !== '';
    token.set('');
    signIn(shown ? e.message : '');
    return;
  }
  setText($('trouble'), e.message);
  go();
});
