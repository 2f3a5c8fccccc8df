// What an operator has the node do. Each asks first, and names what will happen. What came of it is said, an
// error in the node's words.

import { command } from './api.js';
import { $, bdi, el, setText, who } from './dom.js';
import { nameOf, several, span } from './format.js';
import { refresh, say } from './page.js';

/**
 * @typedef {object} Question
 * @property {string} title
 * @property {(read: (id: string) => string) => (Node | string)[]} happens what will happen, in words
 * @property {HTMLElement[]} [fields] each with a label
 * @property {string} act the word on the button
 * @property {boolean} [harmless]
 * @property {(read: (id: string) => string) => Promise<string>} run returns what to say
 */

/** @param {Question} q */
function ask(q) {
  const dialog = /** @type {HTMLDialogElement} */ ($('dialog'));
  /** @param {string} id */
  const read = (id) => /** @type {HTMLInputElement} */ (form.querySelector(`#${id}`))?.value.trim() ?? '';
  const words = el('p', { id: 'dialog-words', role: 'status' });
  const wrong = el('p', { className: 'wrong', role: 'alert' });
  const yes = /** @type {HTMLButtonElement} */ (el('button', { type: 'submit', className: q.harmless ? 'primary' : 'danger' }, q.act));
  const no = el('button', { type: 'button', className: 'secondary', onclick: () => dialog.close() }, 'Cancel');
  const tell = () => words.replaceChildren(...q.happens(read));
  const form = el('form', { method: 'dialog', oninput: tell, onchange: tell, onsubmit: submit }, el('h2', { id: 'dialog-title' }, q.title),
    ...(q.fields ?? []), words, wrong, el('div', { className: 'buttons' }, no, yes));

  /** @param {Event} e */
  async function submit(e) {
    e.preventDefault();
    if (yes.disabled) return;
    yes.disabled = true;
    setText(wrong, '');
    try {
      const said = await q.run(read);
      dialog.close();
      say(said);
      refresh();
    } catch (e) {
      const f = /** @type {import('./api.js').CommandError} */ (e);
      setText(wrong, f.field ? `${f.field}: ${f.message}` : f.message);
      yes.disabled = false;
    }
  }
  dialog.replaceChildren(form);
  tell();
  dialog.showModal();
}

/**
 * @param {string} id
 * @param {string} label
 * @param {HTMLElement} input
 * @param {string} [hint]
 */
function field(id, label, input, hint) {
  input.id = id;
  if (hint) input.setAttribute('aria-describedby', `${id}-hint`);
  return el('div', { className: 'field' }, el('label', { for: id }, label), input, hint ? el('p', { id: `${id}-hint`, className: 'soft' }, hint) : null);
}

/** @param {string} id @param {string} label @param {[string, string][]} values @param {string} [now] */
const choice = (id, label, values, now) => field(id, label, el('select', {}, ...values.map(([v, t]) => el('option', { value: v, selected: v === now }, t))));

const reason = () => field('reason', 'Reason', el('input', { type: 'text', maxLength: 256, autocomplete: 'off' }), 'It is shown to the user. It may be left empty.');

const bans = /** @type {[string, string][]} */ ([['0', 'at once'], ['60', 'after a minute'], ['600', 'after 10 minutes'], ['3600', 'after an hour'], ['86400', 'after a day'], ['31536000', 'after a year']]);

/**
 * @param {import('./format.js').RoomRef} room
 * @param {{UserId: string, Name?: string}} user
 */
export function remove(room, user) {
  ask({
    title: 'Remove a user', act: 'Remove', fields: [choice('ban', 'May enter again', bans), reason()],
    happens: (read) => [who(user), ' is put out of the room ', bdi(nameOf(room)), ' now, and told so. The others see that the user was removed. ',
      read('ban') === '0' ? 'The user may enter again at once.' : `The user may not enter that room again for ${span(1000 * Number(read('ban')))}.`],
    run: async (read) => {
      const done = await command('RemoveUser', { ...room, UserIds: [user.UserId], BanSeconds: Number(read('ban')), Reason: read('reason') });
      const said = done.Users[0].Result === 'removed' ? 'was removed from' : 'is not in';
      return `${user.UserId} ${said} the room ${nameOf(room)}${read('ban') === '0' ? '' : ', and may not enter it for now'}.`;
    },
  });
}

const blocks = /** @type {[string, string][]} */ ([['none', 'nothing'], ['audio', 'sound'], ['video', 'pictures'], ['both', 'sound and pictures']]);

/**
 * @param {import('./format.js').RoomRef} room
 * @param {{UserId: string, Name?: string, Block: string}} user
 */
export function block(room, user) {
  ask({
    title: 'Block a user’s streams', act: 'Set', harmless: true, fields: [choice('block', 'Block', blocks, user.Block)],
    happens: (read) => [read('block') === 'none' ? 'All that ' : `${{ audio: 'Sound', video: 'Pictures', both: 'Sound and pictures' }[read('block')]} of `, who(user),
      read('block') === 'none' ? ' sends is forwarded. ' : ' reach nobody in the room ', ...(read('block') === 'none' ? [] : [bdi(nameOf(room)), ', until that is changed. ']), 'The user and the others are told.'],
    run: async (read) => {
      const done = await command('SetUserBlocked', { ...room, UserId: user.UserId, Block: read('block') });
      return `Blocked of ${done.UserId}: ${Object.fromEntries(blocks)[done.Block]}.`;
    },
  });
}

/**
 * @param {import('./format.js').RoomRef} room
 * @param {{UserId: string, Name?: string} | null} user null: everybody
 */
export function message(room, user) {
  ask({
    title: 'Send a message', act: 'Send', harmless: true,
    fields: [field('cmd', 'Number (1–10)', el('input', { type: 'number', min: '1', max: '10', value: '1', required: true }), 'By which the application tells kinds of messages apart.'),
      field('text', 'Text', el('textarea', { rows: 3, maxLength: 1000, required: true }))],
    happens: () => [...(user ? [who(user), ' gets'] : ['Everybody in the room ', bdi(nameOf(room)), ' gets']), ' the text as a custom message. What is shown of it, the application decides.'],
    run: async (read) => {
      const done = await command('SendMessage', { ...room, ...(user ? { UserIds: [user.UserId] } : {}), CmdId: Number(read('cmd')), Text: read('text') });
      return `Delivered to ${several(done.Delivered, 'user')}${done.Missed ? `; ${several(done.Missed, 'user')} could not be reached` : ''}.`;
    },
  });
}

/**
 * @param {import('./format.js').RoomRef} room
 * @param {number} users
 */
export function dismiss(room, users) {
  ask({
    title: 'Dismiss a room', act: 'Dismiss', fields: [reason()],
    happens: () => ['The room ', bdi(nameOf(room)), ` ends now. All that are in it (${several(users, 'user')} a moment ago) are put out, and told so.`],
    run: async (read) => {
      const done = await command('DismissRoom', { ...room, Reason: read('reason') });
      return `The room ${nameOf(room)} has ended, with ${several(done.Users, 'user')} put out.`;
    },
  });
}

/** @param {{Node: string, Rooms: number, Participants: number, Draining: boolean}} node */
export function drain(node) {
  ask({
    title: 'Drain a node', act: 'Drain',
    fields: [field('deadline', 'Ends at the latest after (minutes)', el('input', { type: 'number', min: '0', max: '10080', value: node.Draining ? '0' : '10', required: true }), '0: ten minutes, or as it is if the node drains already.')],
    happens: () => ['The node ', bdi(node.Node), ` takes no new rooms from now on. Its process ends with the last of its rooms, or when the time is over. It has ${several(node.Rooms, 'room')} with ${several(node.Participants, 'user')}. This cannot be taken back.`],
    run: async (read) => {
      const done = await command('DrainNode', { NodeId: node.Node, DeadlineSeconds: Math.round(60 * Number(read('deadline'))) });
      return `${done.Node} drains, and ends in ${span(done.DrainEndsMs - Date.now())} at the latest. ${several(done.Rooms, 'room')} left.`;
    },
  });
}
