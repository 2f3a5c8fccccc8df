// What people are called: the ids that stand for the names that they type, and the initials and colours that
// stand for a face. Pure.

const MAX_ID = 64;
/** A name of which an id could hold nothing, by its code points: `u-674e` is 李. */
const SPELT = /^u(?:-[0-9a-f]{2,6})+$/;
/** The parts of such a name. It has no signs that are not seen or turn the direction of writing. */
const PART = /^[\p{L}\p{M}\p{N}\p{Extended_Pictographic}\p{Emoji_Modifier}\u{1f1e6}-\u{1f1ff}\u200d\ufe0f]$/u;
const VISIBLE = /[\p{L}\p{N}\p{Extended_Pictographic}\u{1f1e6}-\u{1f1ff}]/u;

/**
 * The user id for a name. People type names; ids have only letters, digits and _ . @ -. Empty: there is none.
 * @param {string} name
 */
export function idOf(name) {
  const id = name.normalize('NFD').replace(/\p{M}/gu, '').replace(/ß/g, 'ss').replace(/æ/g, 'ae').replace(/ø/g, 'o')
    .trim().replace(/[^A-Za-z0-9_.@-]+/g, '-').replace(/^-+|-+$/g, '').slice(0, MAX_ID);
  return id || spelt(name);
}

/** @param {string} name */
function spelt(name) {
  let id = 'u';
  const parts = [...name.normalize('NFC')].filter((c) => PART.test(c) && c > '\x7f');
  if (!VISIBLE.test(parts.join(''))) return '';
  for (const c of parts) {
    const next = `-${c.codePointAt(0)?.toString(16)}`;
    if (id.length + next.length > MAX_ID) break;
    id += next;
  }
  return id;
}

/**
 * The name that an id stands for; most are their own name. An id that idOf() does not make is its own name
 * too, so nobody passes for somebody else by it.
 * @param {string} id
 */
export function nameOf(id) {
  if (!SPELT.test(id)) return id;
  const points = id.split('-').slice(1).map((hex) => parseInt(hex, 16));
  if (points.some((p) => p > 0x10ffff)) return id;
  const name = String.fromCodePoint(...points);
  return idOf(name) === id ? name : id;
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
 * The hue of a name's colour, in degrees.
 * @param {string} name
 */
export function hue(name) {
  let h = 0;
  for (const c of name) h = (h * 31 + (c.codePointAt(0) ?? 0)) % 360;
  return h;
}
