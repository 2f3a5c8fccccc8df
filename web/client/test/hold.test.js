// For how long sound is held if it comes too late.

import assert from 'node:assert/strict';
import test from 'node:test';
import { Hold } from '../hold.js';

const RATE = 48000;

/** Somebody's sound as a browser counts it, looked at every 300 ms; `held` is how long it is held. */
function sound(userId = 'bob') {
  const s = {
    now: 0, hold: new Hold(), held: 0, userId, trackId: 'a', totalSamplesReceived: 0, concealedSamples: 0,
    silentConcealedSamples: 0, packetsReceived: 0, packetsDiscarded: 0, jitterBufferDelay: 0,
    jitterBufferEmittedCount: 0,
  };
  /** Takes so many looks. Before each, frames are made up and packets come late; the buffer follows. */
  s.look = (times, { made = 0, late = 0, silent = 0, more = 0, ms = s.held, span = 300 } = {}) => {
    for (; times > 0; times--) {
      s.now += span;
      s.totalSamplesReceived += span / 1000 * RATE;
      s.concealedSamples += (made + silent) * 0.02 * RATE;
      s.silentConcealedSamples += silent * 0.02 * RATE;
      s.packetsReceived += span / 20;
      s.packetsDiscarded += late + more;
      s.jitterBufferEmittedCount += span / 1000 * RATE;
      s.jitterBufferDelay += span / 1000 * RATE * ms / 1000;
      s.hold.take([s], s.now);
      s.held = s.hold.of('a');
    }
    return s.held;
  };
  s.look(5);
  return s;
}

test('sound that comes too late is held for longer, step by step and within bounds', () => {
  const s = sound();
  assert.equal(s.held, 0, 'nothing is missed');
  const looks = [1, 2, 3, 4, 5, 6, 7].map(() => s.look(1, { made: 2, late: 2 }));
  assert.deepEqual(looks, [100, 200, 300, 400, 500, 500, 500]);
  assert.equal(s.look(20), 500);
});

test('one frame in two seconds may be missed, and not more', () => {
  const s = sound();
  for (let i = 0; i < 20; i++) {
    assert.equal(s.look(1, { made: 0.9, late: 1 }), 0);
    s.look(6);
  }
  s.look(1, { made: 0.9, late: 1 });
  assert.equal(s.look(1, { made: 0.9, late: 1 }), 100);
});

test('what does not come at all is not waited for', () => {
  const s = sound();
  assert.equal(s.look(20, { made: 3 }), 0);
  assert.equal(s.look(20, { made: 5, late: 1 }), 0, 'one of five has come after all');
  assert.equal(s.look(7), 0);
  assert.equal(s.look(1, { made: 3, late: 1 }), 100, 'one of three');
});

test('what comes late and is not missed costs no delay, nor does silence', () => {
  const s = sound();
  assert.equal(s.look(20, { late: 2 }), 0);
  assert.equal(s.look(20, { silent: 3, late: 2 }), 0);
});

test('where there is redundancy nobody can tell what is late: it is let go of soon', () => {
  const s = sound();
  assert.equal(s.look(20, { made: 2, late: 2, more: 15 }), 0);
  assert.equal(s.look(5), 0, 'what came before it ended is none');
  assert.equal(s.look(1, { made: 2, late: 2 }), 100);
  assert.deepEqual([1, 2, 3].map(() => s.look(1, { made: 2, late: 2, more: 15 })), [50, 0, 0]);
});

test('a buffer that is still growing is not asked for more', () => {
  const s = sound();
  const lost = { made: 2, late: 2 };
  assert.deepEqual([20, 20, 60, 99].map((ms) => s.look(1, { ...lost, ms })), [100, 200, 200, 200]);
  assert.equal(s.look(1, { ...lost, ms: 110 }), 300);
});

test('it is let go of slowly, and not as long as there is a reason', () => {
  const s = sound();
  s.look(2, { made: 2, late: 2 });
  assert.equal(s.look(33), 200);
  assert.equal(s.look(1), 150, 'after ten seconds');
  assert.equal(s.look(33), 150);
  assert.equal(s.look(1, { made: 2, late: 2 }), 250, 'a reason');
  assert.equal(s.look(33), 250);
  assert.equal(s.look(1), 200);
  assert.equal(s.look(200), 0);
});

test('looks that are rare see it all the same', () => {
  const s = sound();
  assert.equal(s.look(1, { made: 3, late: 3, span: 3000 }), 100);
  assert.equal(s.look(1, { made: 3, late: 3, span: 3000 }), 200);
});

test('each sound for itself: another publisher on the track begins anew, and so do counts', () => {
  const s = sound();
  const cat = sound('cat');
  cat.trackId = 'c';
  s.look(2, { made: 2, late: 2 });
  s.hold.take([s, cat], s.now);
  assert.deepEqual([s.hold.of('a'), s.hold.of('c'), s.hold.of('other')], [200, 0, 0]);
  s.userId = 'dan';
  assert.equal(s.look(1), 0);
  assert.equal(s.look(1, { made: 2, late: 2 }), 100);
  Object.assign(s, { totalSamplesReceived: 0, concealedSamples: 0, packetsDiscarded: 0 });
  assert.equal(s.look(1), 0, 'another connection');
  s.look(1, { made: 2, late: 2 });
  s.hold.reset();
  assert.equal(s.hold.of('a'), 0);
});

test('a browser that does not count is left alone', () => {
  const s = sound();
  for (const missing of ['packetsDiscarded', 'concealedSamples', 'totalSamplesReceived']) {
    const hold = new Hold();
    for (let i = 0; i < 20; i++) {
      s.look(1, { made: 2, late: 2 });
      hold.take([{ ...s, [missing]: undefined }], s.now);
    }
    assert.equal(hold.of('a'), 0, missing);
  }
});
