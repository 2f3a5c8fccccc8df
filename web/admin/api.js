// Commands to the node that this page is of, which answers for its whole cluster. The token is kept for as long
// as the tab is open, and sent in a header alone.

const place = 'parlor-admin-token';

/** An answer that is no success, in the node's words. */
export class CommandError extends Error {
  /**
   * @param {string} message
   * @param {number} status of HTTP; 0: the node has not answered
   * @param {string} [code]
   * @param {string} [field]
   */
  constructor(message, status, code = '', field = '') {
    super(message);
    this.status = status;
    this.code = code;
    this.field = field;
  }
}

export const token = {
  get: () => sessionStorage.getItem(place) ?? '',
  /** @param {string} value */
  set: (value) => (value ? sessionStorage.setItem(place, value) : sessionStorage.removeItem(place)),
};

/** Takes the token out of the address, `#token=…`, where it would be seen. */
export function takeToken() {
  const found = new URLSearchParams(location.hash.slice(1)).get('token');
  if (found === null) return;
  token.set(found);
  history.replaceState(null, '', '#/nodes');
}

const patience = 15000;

/**
 * @param {string} action
 * @param {object} [request]
 * @param {AbortSignal} [signal]
 * @returns {Promise<any>}
 */
export async function command(action, request = {}, signal) {
  const headers = new Headers({ 'Content-Type': 'application/json' });
  if (token.get()) headers.set('Authorization', `Bearer ${token.get()}`);
  const late = AbortSignal.timeout(patience);
  let answer, body;
  try {
    answer = await fetch(new URL(`v1/${action}`, import.meta.url), {
      method: 'POST', headers, body: JSON.stringify(request), credentials: 'omit', cache: 'no-store', signal: signal ? AbortSignal.any([signal, late]) : late,
    });
    body = await answer.text();
  } catch (e) {
    if (signal?.aborted) throw e;
    throw new CommandError('The node does not answer.', 0);
  }
  const said = parse(body);
  if (answer.ok && said) return said;
  throw new CommandError(said?.detail || body.slice(0, 200) || answer.statusText, answer.status, said?.code, said?.field);
}

/** @param {string} body */
function parse(body) {
  try {
    return JSON.parse(body);
  } catch {
    return null;
  }
}
