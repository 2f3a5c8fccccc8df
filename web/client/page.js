// The page around a stay: it goes away, comes back out of the browser's back-forward cache, finds a network.

export class Page {
  #listeners;

  /** @param {{online: () => void, away: () => void, back: () => void}} on */
  constructor({ online, away, back }) {
    this.#listeners = /** @type {[string, (e: any) => void][]} */ ([
      ['online', online], ['pagehide', away], ['pageshow', (e) => e.persisted && back()],
    ]);
  }

  /** @param {boolean} on */
  listen(on) {
    for (const [name, f] of this.#listeners) (on ? addEventListener : removeEventListener)(name, f);
  }
}
