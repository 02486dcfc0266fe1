// What a query tells of itself, and what it leaves out.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { inspect } from 'node:util';
import {
  AbortError,
  Cbor,
  ClosedError,
  InvalidArgumentError,
  QueryInvalidError,
  TimeoutError,
} from 'millpond';
import { alone } from './support.mjs';

const many = Array.from({ length: 3000 }, (_, at) => ({ tags: ['grain', `n:${at}`], payload: at }));

test('a query is explained before it is read, meanwhile and after its end', async (t) => {
  const node = await alone(t);
  await node.publish(many);
  const query = node.query("FROM 'grain'", { order: 'descending' });
  const fresh = await query.explain();
  const { text, expected, monotoneReason, ...rest } = fresh;
  assert.match(monotoneReason, /each event is judged alone/);
  assert.deepEqual(rest, {
    query: "FROM 'grain'",
    order: 'descending',
    alternatives: ["FROM 'grain'"],
    isExact: true,
    actual: { segments: 0, blocks: 0, frames: 0, events: 0 },
    monotonicity: 'monotone',
    isMonotone: true,
  });
  assert.equal(expected.events, 3000);
  assert.match(text, /^FROM 'grain', Descending\n {2}look up FROM 'grain'\n/);
  await query.nextBatch({ max: 10 });
  assert.equal((await query.explain()).actual.events, 10);
  let seen = 10;
  for await (const event of query) seen += event.lamport > 0;
  const ended = await query.explain({ timeoutMs: 60_000 });
  assert.deepEqual([seen, ended.actual.events, ended.order], [3000, 3000, 'descending']);
  assert.match(ended.text, /actual: .* 3000 events/);
  await node.close();
  await assert.rejects(query.explain(), ClosedError);
});

/** Until everything that can begin without an answer has begun; no answer is taken meanwhile. */
async function begun() {
  for (let turn = 0; turn < 100; turn++) await null;
}

/** Waits until `node` is gone, without taking an answer of anything. */
function awaitGone(node) {
  for (;;) {
    try {
      node.offsets();
    } catch (error) {
      assert.ok(error instanceof ClosedError);
      return;
    }
  }
}

test('a query ends well as its node closes, and says how complete it was', async (t) => {
  const steps = {
    nextBatch: async (query) => assert.equal(await query.nextBatch(), undefined),
    next: async (query) => assert.deepEqual(await query.next(), { value: undefined, done: true }),
    toArray: async (query) => assert.deepEqual(await query.toArray(), []),
  };
  for (const [name, step] of Object.entries(steps)) {
    const node = await alone(t);
    await node.publish(many.slice(0, 10));
    const offsets = node.offsets();
    const query = node.query('FROM allEvents');
    assert.deepEqual([query.upper, query.completeness], [undefined, undefined], name);
    assert.equal((await query.nextBatch()).length, 10);
    const waiting = step(query);
    await begun();
    const closing = node.close();
    awaitGone(node);
    await waiting;
    await closing;
    assert.ok(query.completeness.offsets.equals(offsets), name);
    assert.ok(query.upper.equals(offsets), name);
  }
});

test('what a query said of itself stays when its node is closed in its midst', async (t) => {
  const node = await alone(t);
  await node.publish(many);
  const query = node.query('FROM allEvents');
  await query.nextBatch({ max: 10 });
  await node.close();
  assert.deepEqual([query.completeness.behind, query.completeness.unheard], [[], []]);
  assert.ok(query.upper.equals(query.completeness.offsets));
  await assert.rejects(query.toArray(), ClosedError);
});

test('batches come one after the other, and leaving their loop closes the query', async (t) => {
  const node = await alone(t);
  await node.publish(many);
  const counts = [];
  for await (const { events } of node.query('FROM allEvents').batches()) counts.push(events.length);
  assert.deepEqual(counts, [1024, 1024, 952]);
  const query = node.query('FROM allEvents');
  const first = await query.next();
  for await (const { events } of query.batches({ max: 10 })) {
    assert.deepEqual([first.value.offset, events[0].offset, events.length], [0, 1, 1023]);
    break;
  }
  assert.deepEqual(await query.next(), { value: undefined, done: true });
  const odd = node.query('FROM allEvents').batches({ most: 10 });
  await assert.rejects(odd.next(), InvalidArgumentError);
});

test('what was read ahead is answered without a turn of the event loop', async (t) => {
  const node = await alone(t);
  await node.publish(many);
  const query = node.query('FROM allEvents');
  let answered = 0;
  for (let left = 300; left > 0; left--) {
    await setImmediate();
    let isHere = false;
    const batch = query.nextBatch({ max: 10 });
    batch.then(() => (isHere = true));
    await begun();
    answered += isHere;
    assert.equal((await batch).length, 10);
  }
  assert.ok(answered > 0, 'each batch took a turn of the event loop');
});

test('a loop over batches that are there lets the event loop have its turns', async (t) => {
  const node = await alone(t);
  await node.publish(many);
  let turns = 0;
  let isOver = false;
  const turning = (async () => {
    while (!isOver) {
      await setImmediate();
      turns++;
    }
  })();
  let batches = 0;
  for await (const batch of node.query('FROM allEvents').batches({ max: 10 })) {
    batches += batch.length / 10;
  }
  isOver = true;
  await turning;
  assert.equal(batches, 300);
  assert.ok(turns > 30, `the event loop had ${turns} turns in 300 batches`);
});

test('a batch has the bytes of its payloads, of what a loop left, too', async (t) => {
  const node = await alone(t);
  await node.publish(many.slice(0, 20));
  const query = node.query('FROM allEvents');
  const read = [await query.next(), await query.next()].map(({ value }) => value.payload);
  const rest = await query.nextBatch();
  assert.deepEqual([read, rest.length, rest.events.length], [[0, 1], 18, 18]);
  assert.deepEqual(rest.payloadBytes, rest.events.map((event) => event.payloadBytes));
  assert.equal(rest.payloadBytes, rest.payloadBytes);
  assert.equal(rest.events, rest.events);
  assert.match(inspect(rest), /events: \[/);
  for await (const batch of node.query('FROM allEvents', { columns: ['payload'] }).batches()) {
    assert.deepEqual([...batch.payloadBytes.at(-1)], [19]);
  }
  const keys = await node.query('FROM allEvents', { columns: [] }).nextBatch();
  assert.throws(() => keys.payloadBytes, /columns leaves payload out/);
});

test('who writes into the bytes of a batch damages what is read of it, and no more', async (t) => {
  const node = await alone(t);
  await node.publish([{ payload: 'grain' }, { payload: 'flour' }]);
  const batch = await node.query('FROM allEvents').nextBatch();
  const [first, second] = batch.payloadBytes;
  const [copy] = batch.events.map((event) => event.payloadBytes);
  const { port1 } = new MessageChannel();
  try {
    port1.postMessage(first, [first.buffer]);
  } catch {
    // Refused, or sent as a copy: that depends on the version of Node.
  }
  port1.close();
  assert.equal(first.length, 6);
  first.fill(0x9b);
  assert.throws(() => batch.events[0].payload, { code: 'internal' });
  assert.equal(batch.events[1].payload, 'flour');
  assert.equal(String.fromCharCode(...second.subarray(1)), 'flour');
  copy.fill(0);
  const [again] = await node.query('FROM allEvents').toArray();
  assert.equal(again.payload, 'grain');
});

test('a timeout of batches loses no event', async (t) => {
  const node = await alone(t);
  const batches = node.subscribe('FROM allEvents').batches({ timeoutMs: 20 });
  assert.deepEqual((await batches.next()).value.events, []);
  await assert.rejects(batches.next(), TimeoutError);
  await node.publish(many.slice(0, 3));
  let seen = 0;
  while (seen < 3) {
    const step = await batches.next().catch(() => undefined);
    if (step !== undefined) seen += step.value.events.length;
  }
  assert.deepEqual(await batches.return(), { value: undefined, done: true });
  assert.deepEqual(await batches.next(), { value: undefined, done: true });
});

test('a loop that was left tells what it took', async (t) => {
  const node = await alone(t);
  await node.publish(many);
  const query = node.query('FROM allEvents');
  for await (const event of query) if (event.offset === 3) break;
  const { actual, expected } = await query.explain();
  assert.deepEqual([actual.events, expected.events], [1024, 3000]);
  const empty = node.query("FROM 'absent'");
  assert.deepEqual(await empty.toArray(), []);
  assert.equal((await empty.explain()).actual.events, 0);
});

test('what is wrong with a query is wrong with its explanation', async (t) => {
  const node = await alone(t);
  await assert.rejects(node.query('FROM').explain(), QueryInvalidError);
  const signal = AbortSignal.abort();
  await assert.rejects(node.query('FROM allEvents').explain({ signal }), AbortError);
  const odd = node.query('FROM allEvents').explain({ verbose: true });
  await assert.rejects(odd, InvalidArgumentError);
});

test('a column that was left out throws when it is read', async (t) => {
  const node = await alone(t);
  await node.publish([...many.slice(0, 2), { payload: null }]);
  const read = (columns) => node.query('FROM allEvents', { columns }).toArray();
  for (const columns of [['tags'], ['payload'], ['tags', 'payload'], [], undefined]) {
    const events = await read(columns);
    assert.deepEqual(events.map(({ offset }) => offset), [0, 1, 2]);
    const [first, , last] = events;
    const refusal = { name: 'InvalidArgumentError', message: /columns leaves (tags|payload) out/ };
    if (columns?.includes('tags') ?? true) {
      assert.deepEqual([first.tags, last.tags], [['grain', 'n:0'], []]);
    } else {
      assert.throws(() => first.tags, refusal);
      assert.throws(() => last.tags, refusal);
    }
    if (columns?.includes('payload') ?? true) {
      assert.deepEqual([first.payload, last.payload, [...first.payloadBytes]], [0, null, [0]]);
    } else {
      assert.throws(() => first.payload, refusal);
      assert.throws(() => last.payloadBytes, refusal);
    }
    assert.ok(inspect(first).includes('key'));
  }
});

test('there are two columns, and they are named in an array', async (t) => {
  const node = await alone(t);
  const odd = node.query('FROM allEvents', { columns: ['tags', 'colour'] }).toArray();
  await assert.rejects(odd, { code: 'invalid_argument', message: /"colour".*tags, payload/ });
  assert.throws(() => node.query('FROM allEvents', { columns: 'tags' }), InvalidArgumentError);
});

test('what is encoded already is published as it is, and checked', async (t) => {
  const node = await alone(t);
  const data = Uint8Array.of(0xa1, 0x61, 0x61, 0x01);
  await node.publish([{ payload: new Cbor(data) }, { tags: ['b'], payload: { a: 1 } }]);
  const [one, other] = await node.query('FROM allEvents').toArray();
  assert.deepEqual(one.payload, { a: 1 });
  assert.deepEqual(one.payloadBytes, data);
  assert.deepEqual(one.payloadBytes, other.payloadBytes);
  assert.equal(new Cbor(data).data, data);
  for (const wrong of [Uint8Array.of(), Uint8Array.of(0x18, 0x01), Uint8Array.of(1, 1)]) {
    const refused = node.publish({ payload: new Cbor(wrong) });
    await assert.rejects(refused, { code: 'invalid_argument', message: /event 0/ });
  }
  await assert.rejects(node.publish({ payload: [new Cbor(data)] }), InvalidArgumentError);
  assert.throws(() => new Cbor([1]), InvalidArgumentError);
  assert.throws(() => new Cbor(undefined), InvalidArgumentError);
});
