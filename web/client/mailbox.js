// The receiving end of the node's mailbox. Events carry a sequence number that rises by one per event in a
// session. After a reconnect the node sends again whatever was not acknowledged.

export class Mailbox {
  /** The last number taken; what `ping` acknowledges and `resume` starts after. */
  lastSeq = 0;
  #gapAt = 0;

  /**
   * Whether an event is to be handled (`take`), has been handled before (`repeat`), or shows that events
   * before it are missing (`gap`). After a gap the caller resumes, which brings them. A gap that is still
   * there after that is real, and the event is taken: a lost past must not stop the present.
   * @param {number} seq
   * @returns {'take' | 'repeat' | 'gap'}
   */
  accept(seq) {
    if (seq <= this.lastSeq) return 'repeat';
    if (seq > this.lastSeq + 1 && this.#gapAt !== seq) {
      this.#gapAt = seq;
      return 'gap';
    }
    this.lastSeq = seq;
    return 'take';
  }

  /** A new session counts from the start. */
  reset() {
    this.lastSeq = 0;
    this.#gapAt = 0;
  }
}
