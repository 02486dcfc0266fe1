// Payloads: which JavaScript value is which bytes, and what is refused.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { InvalidArgumentError, LimitExceededError } from 'millpond';
import { alone } from './support.mjs';

const require = createRequire(import.meta.url);
const { Writer } = require('../dist/encode.js');
const { decodeValue } = require('../dist/decode.js');

const vectors = JSON.parse(
  readFileSync(new URL('../../tests/vectors/payloads.json', import.meta.url), 'utf8'),
);
const SAFE = 2n ** 53n - 1n;

/** The JavaScript value that a vector stands for. */
function valueOf(vector) {
  if (Array.isArray(vector)) return vector.map(valueOf);
  if (typeof vector !== 'object' || vector === null) return vector;
  if ('integer' in vector) {
    const integer = BigInt(vector.integer);
    return integer >= -SAFE && integer <= SAFE ? Number(integer) : integer;
  }
  if ('float' in vector) return Number(vector.float);
  if ('bytes' in vector) return new Uint8Array(Buffer.from(vector.bytes, 'hex'));
  return Object.fromEntries(vector.map.map(([key, value]) => [key, valueOf(value)]));
}

/** A float that JavaScript cannot tell from an integer. */
const isWholeFloat = ({ value }) =>
  Number.isSafeInteger(Number(value?.float)) && !Object.is(Number(value.float), -0);

function decode(bytes) {
  return decodeValue(Buffer.from(bytes));
}

function encode(value) {
  const writer = new Writer();
  writer.payload(value, 0);
  return new Uint8Array(writer.written());
}

const hex = (bytes) => Buffer.from(bytes).toString('hex');

test('every vector reads as its natural value', () => {
  assert.ok(vectors.length >= 30);
  for (const vector of vectors) {
    const value = decode(Buffer.from(vector.bytes, 'hex'));
    assert.deepStrictEqual(value, valueOf(vector.value), vector.bytes);
  }
});

test('every vector is written as its bytes, but a whole float, which is an integer here', () => {
  for (const vector of vectors.filter((vector) => !isWholeFloat(vector))) {
    assert.equal(hex(encode(valueOf(vector.value))), vector.bytes);
  }
  assert.equal(hex(encode(1.0)), '01');
});

test('every vector is published with its bytes and comes back', async (t) => {
  const node = await alone(t);
  const published = vectors.filter((vector) => !isWholeFloat(vector));
  await node.publish(published.map(({ value }) => ({ tags: ['v'], payload: valueOf(value) })));
  const events = await node.query("FROM 'v'").toArray();
  assert.deepEqual(events.map((event) => hex(event.payloadBytes)), published.map((v) => v.bytes));
  events.forEach((event, at) =>
    assert.deepStrictEqual(event.payload, valueOf(published[at].value)),
  );
});

test('integers are numbers up to 2^53 - 1 and bigints beyond, in both directions', () => {
  for (const [integer, type] of [
    [SAFE, 'number'],
    [SAFE + 1n, 'bigint'],
    [SAFE + 2n, 'bigint'],
    [-SAFE, 'number'],
    [-SAFE - 1n, 'bigint'],
    [-SAFE - 2n, 'bigint'],
  ]) {
    const value = decode(encode(integer));
    assert.equal(typeof value, type, `${integer}`);
    assert.equal(BigInt(value), integer);
    assert.equal(hex(encode(value)), hex(encode(integer)), 'what was read is written the same');
  }
  assert.equal(hex(encode(Number(SAFE))), hex(encode(SAFE)));
});

test('a number beyond 2^53 - 1 is a float, and so is minus zero', () => {
  assert.equal(hex(encode(2 ** 53)), 'fa5a000000');
  assert.equal(decode(encode(2 ** 53)), 2 ** 53);
  assert.equal(hex(encode(-0)), 'f98000');
  assert.ok(Object.is(decode(encode(-0)), -0));
});

test('a float has its shortest form at every edge of the shorter ones', () => {
  for (const [value, bytes] of [
    [65504, '19ffe0'],
    [0.5, 'f93800'],
    [2 ** -14, 'f90400'],
    [2 ** -24, 'f90001'],
    [1023 * 2 ** -24, 'f903ff'],
    [2 ** -25, 'fa33000000'],
    [1.5 * 2 ** -24, 'fa33c00000'],
    [1 + 2 ** -10, 'f93c01'],
    [1 + 2 ** -11, 'fa3f801000'],
    [2 ** -149, 'fa00000001'],
    [2 ** -150, 'fb3690000000000000'],
    [3.4028234663852886e38, 'fa7f7fffff'],
    [5e-324, 'fb0000000000000001'],
  ]) {
    assert.equal(hex(encode(value)), bytes, `${value}`);
    assert.equal(decode(Buffer.from(bytes, 'hex')), value);
  }
});

test('keys are sorted by their encodings, whatever their alphabet', async (t) => {
  const node = await alone(t);
  const payload = { 'ß': 1, zz: 2, b: 3, '\u{1f33e}': 4, '\uffee\u0041': 5, '': 6, aaaa: 7 };
  await node.publish({ tags: ['keys'], payload });
  const [event] = await node.query("FROM 'keys'").toArray();
  assert.deepEqual(event.payload, payload);
  const sorted = ['', 'b', 'zz', 'ß', 'aaaa', '\uffee\u0041', '\u{1f33e}'];
  assert.deepEqual(Object.keys(event.payload), sorted);
});

test('texts of every length and alphabet come back', () => {
  for (const letter of ['a', 'ü', '蟹', '🌾']) {
    for (const length of [0, 1, 22, 23, 24, 25, 40, 41, 255, 256, 70_000]) {
      const text = letter.repeat(length);
      assert.equal(decode(encode(text)), text);
    }
  }
});

test('buffers, views and objects without a prototype are taken', () => {
  const view = new Uint8Array(new ArrayBuffer(8), 2, 3).fill(7);
  assert.deepStrictEqual(decode(encode(view)), new Uint8Array([7, 7, 7]));
  assert.deepStrictEqual(decode(encode(Buffer.from('ab'))), new Uint8Array([0x61, 0x62]));
  const bare = Object.assign(Object.create(null), { a: 1 });
  assert.deepStrictEqual(decode(encode(bare)), { a: 1 });
});

test('a key named __proto__ is a key like any other', () => {
  const value = decode(encode(JSON.parse('{"__proto__": {"grain": 1}}')));
  assert.equal(Object.getPrototypeOf(value), Object.prototype);
  assert.deepEqual(Object.entries(value), [['__proto__', { grain: 1 }]]);
});

test('an undefined property is left out, and undefined anywhere else is refused', () => {
  assert.equal(hex(encode({ a: undefined, b: 1 })), 'a1616201');
  assert.throws(() => encode([1, undefined]), /payload\[1\] is undefined/);
  assert.throws(() => encode(undefined), /payload is undefined/);
});

test('what has no place in a payload is refused with its path', async (t) => {
  const node = await alone(t);
  class Mill {}
  for (const [inner, what] of [
    [new Date(0), 'an instance of Date'],
    [new Map(), 'an instance of Map'],
    [new Set(), 'an instance of Set'],
    [new Mill(), 'an instance of Mill'],
    [new Float64Array(1), 'an instance of Float64Array'],
    [new ArrayBuffer(1), 'an instance of ArrayBuffer'],
    [() => 1, 'a function'],
    [Symbol('s'), 'a symbol'],
    [NaN, 'NaN'],
    [Infinity, 'Infinity'],
    ['\ud800', 'half of a surrogate pair'],
    [{ '\udc00': 1 }, 'half of a surrogate pair'],
  ]) {
    const events = [{ payload: 1 }, { tags: ['t'], payload: { 'a b': [0, { c: inner }] } }];
    await assert.rejects(node.publish(events), (error) => {
      assert.ok(error instanceof InvalidArgumentError);
      assert.ok(error.message.startsWith('event 1: payload["a b"][1].c'), error.message);
      assert.ok(error.message.includes(what), error.message);
      return true;
    });
  }
  assert.equal(node.offsets().count(node.stream), 0, 'nothing was stored');
});

test('a bigint beyond 64 bits, deep nesting and a cycle are over a limit', () => {
  for (const value of [2n ** 64n, -(2n ** 63n) - 1n]) {
    assert.throws(() => encode({ a: value }), LimitExceededError);
  }
  const nested = (depth) => (depth === 0 ? 1 : [nested(depth - 1)]);
  assert.deepEqual(decode(encode(nested(32))), nested(32));
  assert.throws(() => encode(nested(33)), LimitExceededError);
  const cycle = {};
  cycle.self = cycle;
  assert.throws(() => encode(cycle), LimitExceededError);
});

test('a getter that publishes does not disturb the publish that called it', async (t) => {
  const node = await alone(t);
  let inner;
  const payload = {
    before: 'x'.repeat(100),
    get during() {
      inner = node.publish({ tags: ['inner'], payload: 'inner' });
      return 1;
    },
    zafter: 2,
  };
  await node.publish({ tags: ['outer'], payload });
  await inner;
  const [outer] = await node.query("FROM 'outer'").toArray();
  assert.deepEqual(outer.payload, { before: 'x'.repeat(100), during: 1, zafter: 2 });
  assert.equal((await node.query("FROM 'inner'").toArray())[0].payload, 'inner');
});

test('tags of every length and alphabet come back', async (t) => {
  const node = await alone(t);
  const tags = ['a', 'grüße', 't'.repeat(127), 't'.repeat(128), 'x'.repeat(255), '磨粉机'];
  await node.publish([{ tags, payload: 1 }, { payload: 2 }, { tags: ['a'], payload: 3 }]);
  const events = await node.query('FROM allEvents').toArray();
  const sorted = [...tags].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  assert.deepEqual(events.map((event) => event.tags), [sorted, [], ['a']]);
  assert.equal(events[0].tags, events[0].tags);
});

test('a payload is decoded once, and its bytes are a copy', async (t) => {
  const node = await alone(t);
  await node.publish({ tags: ['t'], payload: { a: [1], b: new Uint8Array([1, 2]) } });
  const [event] = await node.query("FROM 't'").toArray();
  assert.equal(event.payload, event.payload);
  event.payloadBytes.fill(0);
  event.payloadBytes.fill(0);
  event.payload.b.buffer.transfer?.();
  assert.deepEqual(decode(event.payloadBytes), { a: [1], b: new Uint8Array([1, 2]) });
});

test('what getters do to the lists that were given changes nothing of the batch', async (t) => {
  const node = await alone(t);
  const events = [{ tags: ['a'], payload: 1 }];
  const list = [1];
  events[0] = {
    get tags() {
      events.push({ payload: 'late' });
      return ['a'];
    },
    get payload() {
      list.length = 1;
      return list;
    },
  };
  Object.defineProperty(list, 0, {
    get() {
      list.push('late');
      return 'first';
    },
  });
  assert.equal((await node.publish(events)).count, 1);
  const published = await node.query('FROM allEvents').toArray();
  assert.deepEqual(published.map(({ payload }) => payload), [['first']]);
});
