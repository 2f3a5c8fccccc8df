// What people read.

import assert from 'node:assert/strict';
import test from 'node:test';

import { bits, bytes, count, event, keyOf, nameOf, percent, quality, rate, roomOf, several, span } from '../format.js';

test('numbers', () => {
  assert.deepEqual([bits(0), bits(999), bits(1500), bits(24_300_000), bits(null), bits(NaN)], ['0 bit/s', '999 bit/s', '1.5 kbit/s', '24.3 Mbit/s', '–', '–']);
  assert.deepEqual([bytes(123_456_789), count(12345), rate(1234.5), rate(0.25), percent(0.0123), percent(undefined)], ['123 MB', '12,345', '1,235/s', '0.25/s', '1.23 %', '–']);
  assert.deepEqual([span(-5), span(59_000), span(61_000), span(3_700_000), span(90_000_000)], ['0 s', '59 s', '1 min 1 s', '1 h 1 min', '1 d 1 h']);
  assert.deepEqual([several(1, 'user'), several(0, 'user'), several(2, 'entry', 'entries')], ['1 user', '0 users', '2 entries']);
});

test('a number and a name are two rooms', () => {
  for (const room of [{ RoomId: 123 }, { StrRoomId: '123' }, { StrRoomId: 'n:7/<b>' }]) assert.deepEqual(roomOf(keyOf(room)), room);
  assert.deepEqual([nameOf({ RoomId: 7 }), nameOf({ StrRoomId: '7' })], ['#7', '7']);
});

test('events and qualities', () => {
  assert.equal(event({ Type: 103, Reason: 1, Role: 'audience' }), 'entered as audience');
  assert.equal(event({ Type: 104, Reason: 3 }), 'left: removed by a command');
  assert.equal(event({ Type: 104, Reason: 1 }), 'left');
  assert.equal(event({ Type: 999 }), 'event 999');
  assert.deepEqual([quality(0), quality(6), quality(7)], ['unknown', 'down', 'unknown']);
});
