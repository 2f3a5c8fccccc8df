// The page around the tiles. It knows which view is shown, and what is said in passing, above the call and
// when it is over. It also knows how buttons look, and the name that is remembered. Knows elements only.

/** @param {string} id */
export const $ = (id) => /** @type {HTMLElement} */ (document.getElementById(id));
/** @param {string} id */
export const input = (id) => /** @type {HTMLInputElement} */ ($(id));

/** @param {'join' | 'call' | 'notice'} name */
export function show(name) {
  for (const view of ['join', 'call', 'notice']) $(view).hidden = view !== name;
  document.body.dataset.view = name;
  if (name === 'call') return;
  banner('', '');
  $('toasts').replaceChildren(); // they are about the call
}

/**
 * Says something in passing. Notes are shown where they cover neither a control nor a picture, the last one
 * alone. Failures are shown in a row of their own, or in the dialog that is open: nothing else can be in
 * front of it.
 * @param {string} text
 * @param {'' | 'bad' | 'server'} [tone]
 */
export function toast(text, tone = '') {
  const failures = /** @type {HTMLDialogElement} */ ($('dialog')).open ? 'dialog-errors' : 'errors';
  const list = $(tone === 'bad' ? failures : 'toasts');
  if ([...list.children].some((t) => t.textContent === text)) return; // one reason for two streams
  const el = document.createElement('p');
  el.className = 'toast';
  el.dataset.tone = tone;
  el.textContent = text;
  list.append(el);
  while (list.childElementCount > 3) list.firstElementChild?.remove();
  setTimeout(() => el.remove(), tone === 'bad' ? 8000 : 4000);
}

/**
 * @param {string} text
 * @param {'' | 'good' | 'bad'} tone
 */
export function banner(text, tone) {
  $('banner').textContent = text;
  $('banner').dataset.tone = tone;
}

/**
 * Says above the call that one's own network is poor: an audience has no tile of its own.
 * @param {string} text  '': it is not
 * @param {string} [why]
 */
export function ownNetwork(text, why = '') {
  const el = $('own-net');
  const word = /** @type {HTMLElement} */ (el.querySelector('.word'));
  el.dataset.poor = String(text !== '');
  el.title = [text, why].filter(Boolean).join('; ');
  if (word.textContent !== text) word.textContent = text;
}

/**
 * @param {string} id
 * @param {boolean | null} state
 * @param {string} label
 * @param {string} icon
 */
export function button(id, state, label, icon) {
  const el = $(id);
  if (state !== null) el.dataset.on = String(state);
  el.querySelector('use')?.setAttribute('href', `#${icon}`);
  const text = /** @type {HTMLElement} */ (el.querySelector('.label, .sr'));
  text.textContent = label;
  el.title = label;
}

/**
 * Shows why the call is over. The next step that helps is the main button.
 * @param {{title: string, text: string, again: boolean}} words
 * @param {string} said by a person; '' by nobody
 */
export function notice(words, said) {
  $('notice-title').textContent = words.title;
  $('notice-text').textContent = words.text;
  $('notice-quote').textContent = said;
  $('notice-quote').hidden = said === '';
  const [first, second] = words.again ? ['again', 'home'] : ['home', 'again'];
  $(first).className = 'primary';
  $(second).className = 'secondary';
  $(second).before($(first));
  show('notice');
  $('notice-title').focus();
}

/** @param {string} name */
export function remember(name) {
  try {
    localStorage.setItem('parlor.name', name);
  } catch { /* private windows may forbid it */ }
}

export function remembered() {
  try {
    return localStorage.getItem('parlor.name') ?? '';
  } catch {
    return '';
  }
}
