// What one is called oneself, as the node has told it last.

/** @typedef {import('./types.js').Profile} Profile */

/** @param {Partial<Profile>} given @returns {Profile} */
export const profileOf = ({ name = '', metadata = '' }) => ({ name, metadata });

export class Own {
  profile = profileOf({});
  #keep;
  #tell;

  /**
   * @param {(profile: Profile) => void} keep  to enter anew with it
   * @param {(profile: Profile) => void} tell  the application
   */
  constructor(keep, tell) {
    this.#keep = keep;
    this.#tell = tell;
  }

  /**
   * @param {Partial<Profile>} given  what the node says
   * @param {boolean} first           the application learns it by its call
   */
  heard(given, first) {
    const before = this.profile;
    this.profile = profileOf(given);
    this.#keep(this.profile);
    if (!first && (before.name !== this.profile.name || before.metadata !== this.profile.metadata)) this.#tell(this.profile);
  }

  /** The stay is over. */
  reset() {
    this.profile = profileOf({});
  }
}
