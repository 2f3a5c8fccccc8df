// Doubles for the client's tests: a clock that is moved by hand, and a node at the other end of a
// socket. They stand at the client's edges; everything between is the real thing.

export class FakeClock {
  time = 0;
  #timers = new Map();
  #last = 0;

  now = () => this.time;

  setTimeout = (fn, ms) => {
    this.#timers.set(++this.#last, { at: this.time + ms, fn });
    return this.#last;
  };

  clearTimeout = (id) => {
    this.#timers.delete(id);
  };

  get waiting() {
    return this.#timers.size;
  }

  /** Time passes and no timer fires: the page sleeps. Timers that fell due fire when it wakes. */
  skip(ms) {
    this.time += ms;
  }

  /** Moves the clock, firing what falls due in its order and letting promises settle in between. */
  async advance(ms) {
    const end = this.time + ms;
    await settle();
    for (;;) {
      const [id, next] = [...this.#timers].sort((a, b) => a[1].at - b[1].at || a[0] - b[0])[0] ?? [];
      if (!next || next.at > end) break;
      this.#timers.delete(id);
      this.time = Math.max(this.time, next.at);
      next.fn();
      await settle();
    }
    this.time = end;
  }
}

export async function settle() {
  for (let i = 0; i < 10; i++) await Promise.resolve();
}

/** A node with one session. Sockets reach it while `up`; it answers while not `deaf`. */
export class FakeNode {
  up = true;
  deaf = false;
  known = true; // whether it knows the session on resume
  sockets = [];
  received = [];
  /** type → answer, for types that are not answered as usual */
  answers = {};
  sent = [];
  users = [];
  entered = {}; // further fields of `entered`

  WebSocket = (() => {
    const node = this;
    return class {
      readyState = 0;

      constructor(url, protocol) {
        Object.assign(this, { url, protocol });
        node.sockets.push(this);
        queueMicrotask(() => node.#accept(this));
      }

      send(text) {
        if (this.readyState === 1 && node.up) node.#receive(this, JSON.parse(text));
      }

      close() {
        this.readyState = 3;
      }
    };
  })();

  get socket() {
    return this.sockets.at(-1);
  }

  types() {
    return this.received.filter((m) => m.type !== 'ping').map((m) => m.type);
  }

  of(type) {
    return this.received.filter((m) => m.type === type);
  }

  /** An event, numbered, to whoever is connected; kept for a resume. */
  event(e, seq = this.sent.length + 1) {
    const event = { ...e, seq };
    this.sent.push(event);
    this.say(event);
    return event;
  }

  say(message) {
    if (this.up && !this.deaf && this.socket?.readyState === 1) this.socket.onmessage?.({ data: JSON.stringify(message) });
  }

  /** Closes the socket as a network does that notices. */
  drop() {
    const ws = this.socket;
    ws.readyState = 3;
    ws.onclose?.({});
  }

  #accept(ws) {
    if (ws.readyState === 3) return;
    if (!this.up) {
      ws.readyState = 3;
      ws.onclose?.({});
      return;
    }
    ws.readyState = 1;
    ws.onopen?.();
  }

  #receive(ws, m) {
    this.received.push(m);
    if (this.deaf) return;
    const answer = this.answers[m.type];
    if (answer === null) return; // no answer
    queueMicrotask(() => this.#answer(ws, m, answer));
  }

  #answer(ws, m, special) {
    const say = (a) => ws.readyState === 1 && !this.deaf && ws.onmessage?.({ data: JSON.stringify({ re: m.id, ...a }) });
    const entered = {
      session: 'S1', key: 'K1', user: 'ann', room: 'lobby', role: 'anchor', scene: 'call', users: this.users, node: 'n1',
      timers: { lostMs: 8000, reconnectMs: 3000, timeoutMs: 90000, pingMs: 2000 }, ...this.entered,
    };
    if (special) say(special);
    else if (m.type === 'enter') say({ type: 'entered', ...entered });
    else if (m.type === 'resume' && !this.known) say({ type: 'error', code: 'user_not_found', message: 'no such session' });
    else if (m.type === 'resume') {
      say({ type: 'resumed', ...entered });
      for (const e of this.sent) if (e.seq > m.lastSeq) ws.onmessage?.({ data: JSON.stringify(e) });
    } else if (m.type === 'ping') say({ type: 'pong' });
    else if (m.type === 'exit') {
      this.event({ type: 'exited', reason: 0 });
      say({ type: 'ok' });
    } else say({ type: 'ok' });
  }
}
