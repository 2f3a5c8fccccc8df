// What people are called: the user id of somebody who types a name, and the initials and colours that stand
// for a face. Pure.

const MAX_ID = 64;
const ID = /^[A-Za-z0-9_.@-]{1,64}$/;
const SIGNS = 'abcdefghijkmnpqrstuvwxyz23456789';

/** Whether a name can be the user id as it is. @param {string} name */
export const isId = (name) => ID.test(name);

/** Six signs that nobody else has, but for one in a billion. */
export function mark() {
  return [...crypto.getRandomValues(new Uint8Array(6))].map((n) => SIGNS[n % SIGNS.length]).join('');
}

/**
 * The user id for a name: its letters, as far as an id has them, and a mark. It is for commands; people see
 * the name.
 * @param {string} name
 * @param {string} own  the mark
 */
export function idOf(name, own) {
  const letters = name.normalize('NFD').replace(/\p{M}/gu, '').replace(/ß/g, 'ss').replace(/æ/g, 'ae').replace(/ø/g, 'o')
    .replace(/[^A-Za-z0-9_.@-]+/g, '-').replace(/^-+|-+$/g, '').slice(0, MAX_ID - own.length - 1);
  return `${letters || 'user'}-${own}`;
}

/**
 * What a token says of its user. It is not checked here; the node does that.
 * @param {string} token
 * @returns {{user?: string, name?: string}}
 */
export function claims(token) {
  try {
    const bytes = Uint8Array.from(atob(token.split('.')[1].replace(/-/g, '+').replace(/_/g, '/')), (c) => c.charCodeAt(0));
    const { user, name } = JSON.parse(new TextDecoder().decode(bytes));
    return { ...(typeof user === 'string' && user && { user }), ...(typeof name === 'string' && { name }) };
  } catch {
    return {};
  }
}

/**
 * Two letters of a name, or one of a writing or a picture that is as wide as two.
 * @param {string} name
 */
export function initials(name) {
  const words = name.split(/[\s_.@-]+/).filter(Boolean);
  if (words.length === 0) return name.slice(0, 2);
  const [first, last] = [signs(words[0]), signs(words[words.length - 1])];
  if (!/[\p{Script=Latin}\p{Script=Greek}\p{Script=Cyrillic}\d]/u.test(first[0])) return first[0];
  return (first[0] + ((words.length > 1 ? last[0] : first[1]) ?? '')).toUpperCase();
}

/**
 * The signs of a text that are read as one each: a family of four is one.
 * @param {string} text
 */
function signs(text) {
  if (!Intl.Segmenter) return [...text];
  return [...new Intl.Segmenter(undefined, { granularity: 'grapheme' }).segment(text)].map((s) => s.segment);
}

/**
 * The hue of somebody's colour, in degrees.
 * @param {string} userId
 */
export function hue(userId) {
  let h = 0;
  for (const c of userId) h = (h * 31 + (c.codePointAt(0) ?? 0)) % 360;
  return h;
}
