// Making and changing elements. What users have chosen is always set as text, never read as HTML. It stands
// in elements of its own direction, so that no script can turn around what is beside it.

/** @typedef {string | number | Node | null | undefined | false} Child */

/**
 * @param {string} tag
 * @param {Record<string, any>} [attributes] those with a hyphen, `role`, `for` and `scope` as attributes, others
 *   as properties; `on…` are listeners
 * @param {...Child} children
 * @returns {HTMLElement}
 */
export function el(tag, attributes = {}, ...children) {
  const e = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined) continue;
    if (name.startsWith('on')) e.addEventListener(name.slice(2), value);
    else if (name.includes('-') || ['role', 'for', 'scope'].includes(name)) e.setAttribute(name, value);
    else /** @type {any} */ (e)[name] = value;
  }
  e.append(...children.filter((c) => c !== null && c !== undefined && c !== false).map((c) => (c instanceof Node ? c : String(c))));
  return e;
}

/** @param {string} id */
export const $ = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

/**
 * Text that somebody else has chosen.
 * @param {string | undefined} text
 */
export const bdi = (text) => el('bdi', {}, text ?? '');

/**
 * @param {Element} e
 * @param {string | number} text
 */
export function setText(e, text) {
  if (e.textContent !== String(text)) e.textContent = String(text);
}

/**
 * A user's id, with its display name in front if it has one.
 * @param {{UserId: string, Name?: string}} user
 */
export function who(user) {
  return user.Name && user.Name !== user.UserId ? el('span', {}, bdi(user.Name), ' ', el('span', { className: 'id' }, bdi(user.UserId))) : bdi(user.UserId);
}

/**
 * Replaces the content of an element, if what it is made of has changed since the last time.
 * @param {HTMLElement} e
 * @param {string} made of what, as text
 * @param {() => Child[]} children
 */
export function refill(e, made, children) {
  if (e.dataset.made === made) return;
  e.dataset.made = made;
  e.replaceChildren(...children().filter((c) => c !== null && c !== undefined && c !== false).map((c) => (c instanceof Node ? c : String(c))));
}

/**
 * @typedef {object} Column
 * @property {string} title
 * @property {string} [className] `num`, and `wide` for what small screens leave out
 * @property {(row: any) => string | number} text what the cell says, or is made of
 * @property {(row: any) => Child[]} [children] what the cell has, if that is not its text
 * @property {string} [order] what `onorder` is called with, if the column can be ordered by
 */

/**
 * A table whose rows stay the same elements while it changes, so that focus and selection stay, too.
 * @param {string} caption
 * @param {Column[]} columns
 * @param {{empty: string, onorder?: (order: string) => void}} o
 */
export function table(caption, columns, o) {
  const heads = columns.map((c) => {
    const name = c.order === undefined ? c.title : el('button', { type: 'button', className: 'order', onclick: () => o.onorder?.(c.order ?? '') }, c.title);
    return el('th', { scope: 'col', className: c.className ?? '' }, name);
  });
  const body = el('tbody');
  const nothing = el('p', { className: 'soft empty', hidden: true }, o.empty);
  const root = el('div', { className: 'scroll', role: 'region', 'aria-label': caption, tabIndex: 0 },
    el('table', {}, el('caption', { className: 'sr' }, caption), el('thead', {}, el('tr', {}, ...heads)), body), nothing);
  /** @type {Map<string, HTMLElement>} */
  let rows = new Map();
  /**
   * @param {{key: string, value: any}[]} list keys differ
   * @param {string} [order] by which the rows are ordered
   */
  function update(list, order) {
    const next = new Map();
    list.forEach(({ key, value }, i) => {
      const tr = rows.get(key) ?? el('tr', {}, ...columns.map((c, n) => el(n === 0 ? 'th' : 'td', { className: c.className ?? '', scope: n === 0 ? 'row' : undefined })));
      columns.forEach((c, n) => {
        const cell = /** @type {HTMLElement} */ (tr.children[n]);
        if (c.children) refill(cell, String(c.text(value)), () => c.children?.(value) ?? []);
        else setText(cell, c.text(value));
      });
      if (body.children[i] !== tr) body.insertBefore(tr, body.children[i] ?? null);
      next.set(key, tr);
    });
    for (const [key, tr] of rows) if (!next.has(key)) tr.remove();
    rows = next;
    nothing.hidden = list.length > 0;
    columns.forEach((c, n) => {
      if (c.order === undefined) return;
      if (c.order === order) heads[n].setAttribute('aria-sort', order === '' ? 'ascending' : 'descending');
      else heads[n].removeAttribute('aria-sort');
    });
  }
  return { root, update };
}
