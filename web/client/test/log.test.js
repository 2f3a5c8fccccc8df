// What is written to the console, and what never is.

import assert from 'node:assert/strict';
import test from 'node:test';
import { log, logEvent, setLevel } from '../log.js';

function written(level, fn) {
  const lines = [];
  const before = {};
  for (const l of ['debug', 'info', 'warn', 'error']) [before[l], console[l]] = [console[l], (...a) => lines.push([l, ...a])];
  try {
    setLevel(level);
    fn();
  } finally {
    setLevel('none');
    Object.assign(console, before);
  }
  return lines;
}

const all = () => {
  for (const l of ['debug', 'info', 'warn', 'error']) log(l, l);
};

test('nothing below the level is written, and nothing at all at first', () => {
  assert.deepEqual(written('none', all), []);
  assert.deepEqual(written('warn', all).map(([l]) => l), ['warn', 'error']);
  assert.deepEqual(written('debug', all).map(([l]) => l), ['debug', 'info', 'warn', 'error']);
});

test('events have the level of what they tell', () => {
  const lines = written('debug', () => {
    for (const name of ['error', 'connection-lost', 'remote-video-available', 'statistics']) logEvent(name, { of: name });
  });
  assert.deepEqual(lines.map(([l]) => l), ['error', 'warn', 'info', 'debug']);
  assert.deepEqual(lines[1], ['warn', 'parlor: connection-lost', { of: 'connection-lost' }]);
});

test('what people say and what they are called is not written', () => {
  const lines = written('debug', () => {
    for (const name of ['message', 'user-updated', 'remote-user-enter']) logEvent(name, { userId: 'ann', data: 'a secret', name: 'a secret', metadata: 'a secret' });
  });
  assert.deepEqual(lines.map((l) => l.slice(2)), [['ann'], ['ann'], ['ann']]);
});
