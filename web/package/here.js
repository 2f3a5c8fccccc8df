// Where the file for a script tag was loaded from: its workers stand beside it.

const script = /** @type {HTMLScriptElement | null | undefined} */ (globalThis.document?.currentScript);
export const scriptUrl = script?.src || globalThis.location?.href;
