// A node by itself: opening, publishing, querying, closing, and what is refused.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  AbortError,
  CancelledError,
  ClosedError,
  ConflictError,
  InvalidArgumentError,
  LimitExceededError,
  MillpondError,
  Offsets,
  QueryInvalidError,
  TimeoutError,
  newSwarmSecret,
  open,
  parseTicket,
  version,
} from 'millpond';
import { alone, folder, numbered, onLoopback } from './support.mjs';

test('what is published is queried, in the order of keys', async (t) => {
  const node = await alone(t);
  const published = await node.publish([
    { tags: ['job:started', 'press:7'], payload: { job: 42, weight: 71.5, note: 'Mühle' } },
    { tags: ['job:ended'], payload: null },
  ]);
  assert.equal(published.stream, node.stream);
  assert.equal(published.count, 2);
  assert.equal(published.replayed, false);
  const [first, second] = published.receipts;
  assert.equal(first.offset + 1, second.offset);
  assert.equal(first.lamport + 1, second.lamport);
  assert.equal(first.key, `${first.lamport}/${node.stream}`);

  const events = await node.query("FROM 'press:7' | 'job:ended'").toArray();
  assert.deepEqual(events.map((event) => event.key), [first.key, second.key]);
  const [event] = events;
  assert.deepEqual(event.payload, { job: 42, weight: 71.5, note: 'Mühle' });
  assert.deepEqual(event.tags, ['job:started', 'press:7']);
  assert.equal(event.app, 'test');
  assert.equal(event.offset, first.offset);
  assert.equal(event.timeMicros, published.timeMicros);
  assert.ok(Math.abs(event.time.getTime() - Date.now()) < 60_000);
});

test('a node keeps its id and its events over a close', async (t) => {
  const options = { path: folder(t), swarm: newSwarmSecret() };
  const before = await alone(t, options);
  await before.publish(numbered(3));
  await before.close();
  const after = await alone(t, options);
  assert.equal(after.id, before.id);
  assert.equal(after.swarmId, before.swarmId);
  const payloads = (await after.query('FROM allEvents').toArray()).map((event) => event.payload);
  assert.deepEqual(payloads, [0, 1, 2]);
});

test('a query runs in each order and between offsets', async (t) => {
  const node = await alone(t);
  const { token } = await node.publish(numbered(3));
  await node.publish(numbered(2, 'late'));
  const all = 'FROM allEvents';
  const payloads = async (options) =>
    (await node.query(all, options).toArray()).map((event) => event.payload);
  assert.deepEqual(await payloads({ order: 'descending' }), [1, 0, 2, 1, 0]);
  assert.deepEqual(await payloads({ order: 'stream' }), [0, 1, 2, 0, 1]);
  assert.deepEqual(await payloads({ upper: token }), [0, 1, 2]);
  assert.deepEqual(await payloads({ lower: token.toString() }), [0, 1]);
});

test('a large answer comes in batches, and a loop sees each event once', async (t) => {
  const node = await alone(t);
  await node.publish(numbered(10_000));
  const query = node.query("FROM 'grain'");
  let next = 0;
  for await (const event of query) assert.equal(event.payload, next++);
  assert.equal(next, 10_000);
  assert.equal(query.upper.count(node.stream), node.offsets().count(node.stream));
  assert.deepEqual(await query.next(), { value: undefined, done: true });
  assert.equal(await query.nextBatch(), undefined);
});

test('batches have at most the events that were asked for, after what a loop left', async (t) => {
  const node = await alone(t);
  await node.publish(numbered(10));
  const query = node.query("FROM 'grain'");
  assert.equal((await query.nextBatch({ max: 3 })).events.length, 3);
  assert.equal((await query.next()).value.payload, 3);
  const rest = await query.nextBatch({ max: 100 });
  assert.deepEqual(rest.events.map((event) => event.payload), [4, 5, 6, 7, 8, 9]);
});

test('calls of next that overlap are answered in their order', async (t) => {
  const node = await alone(t);
  await node.publish(numbered(5));
  const query = node.query("FROM 'grain'");
  const results = await Promise.all(Array.from({ length: 7 }, () => query.next()));
  const payloads = results.map(({ value }) => value?.payload);
  assert.deepEqual(payloads, [0, 1, 2, 3, 4, undefined, undefined]);
});

test('leaving a loop closes the query', async (t) => {
  const node = await alone(t);
  await node.publish(numbered(1000));
  const query = node.query("FROM 'grain'");
  for await (const event of query) if (event.payload === 3) break;
  assert.deepEqual(await query.next(), { value: undefined, done: true });
});

test('a retry with the same idempotency key has the first receipts', async (t) => {
  const node = await alone(t);
  const first = await node.publish(numbered(2), { idempotencyKey: 'order-7' });
  const again = await node.publish(numbered(2), { idempotencyKey: Buffer.from('order-7') });
  assert.equal(again.replayed, true);
  assert.deepEqual(again.receipts, first.receipts);
  assert.equal((await node.query('FROM allEvents').toArray()).length, 2);
});

test('a publish that expects another count is a conflict', async (t) => {
  const node = await alone(t);
  const count = node.offsets().count(node.stream);
  await node.publish(numbered(1), { expected: count });
  await assert.rejects(node.publish(numbered(1), { expected: count }), ConflictError);
});

test('process durability is taken, another word is refused', async (t) => {
  const node = await alone(t);
  await node.publish(numbered(1), { durability: 'process' });
  await assert.rejects(node.publish(numbered(1), { durability: 'maybe' }), InvalidArgumentError);
});

test('an error has its code, number, class, position and cause', async (t) => {
  const node = await alone(t);
  const text = "FROM 'Mühle' & & 'b'";
  await assert.rejects(node.query(text).toArray(), (error) => {
    assert.ok(error instanceof QueryInvalidError && error instanceof MillpondError);
    assert.equal(error.name, 'QueryInvalidError');
    assert.equal(error.code, 'query_invalid');
    assert.equal(error.number, 3);
    assert.equal(error.retryable, false);
    assert.equal(text[error.position], '&', `it points into the string: ${error.position}`);
    assert.equal(error.position, text.lastIndexOf('&'));
    return true;
  });
  assert.throws(() => Offsets.parse('nonsense'), InvalidArgumentError);
});

test('every wrong argument is refused by its name, and nothing is stored', async (t) => {
  const node = await alone(t);
  const path = folder(t);
  const swarm = newSwarmSecret();
  const one = { payload: 1 };
  const refused = [
    [() => open(), /options/],
    [() => open('path'), /options/],
    [() => open({ app: 'a', swarm }), /path/],
    [() => open({ path: 7, app: 'a', swarm }), /path must be a string, not 7/],
    [() => open({ path, app: 'a b', swarm }), /app/],
    [() => open({ path, app: 'a', swarm: 'short' }), /swarm/],
    [() => open({ path, app: 'a' }), /swarm/],
    [() => open({ path, app: 'a', ticket: 'nonsense' }), /ticket/],
    [() => open({ path, app: 'a', swarm, bind: '127.0.0.1:0' }), /bind must be an array/],
    [() => open({ path, app: 'a', swarm, bind: ['nowhere'] }), /nowhere/],
    [() => open({ path, app: 'a', swarm, network: 'no' }), /network must be a boolean/],
    [() => open({ path, app: 'a', swarm, tailBytesMax: 1.5 }), /tailBytesMax must be a whole/],
    [() => open({ path, app: 'a', swarm, tailBytesMax: -1 }), /tailBytesMax/],
    [() => open({ path, app: 'a', swarm, swarn: 'x' }), /no option 'swarn'/],
    [() => open({ path: '\ud800', app: 'a', swarm }), /surrogate/],
    [() => node.publish(), /event 0/],
    [() => node.publish('event'), /event 0/],
    [() => node.publish([one, null]), /event 1/],
    [() => node.publish({ tags: 'press', payload: 1 }), /tags must be an array/],
    [() => node.publish({ tags: [7], payload: 1 }), /tags\[0\]/],
    [() => node.publish({ tags: ['\ud800'], payload: 1 }), /tags\[0\]/],
    [() => node.publish({ tags: [''], payload: 1 }), /event 0/],
    [() => node.publish({ tag: ['a'], payload: 1 }), /no option 'tag'/],
    [() => node.publish([]), /event/],
    [() => node.publish(one, 7), /options must be an object/],
    [() => node.publish(one, { durable: true }), /no option 'durable'/],
    [() => node.publish(one, { idempotencyKey: 7 }), /idempotencyKey/],
    [() => node.publish(one, { expected: -1 }), /expected/],
    [() => node.publish(one, { expected: '1' }), /expected must be a whole number/],
    [() => node.publish(one, { timeoutMs: '1' }), /timeoutMs must be a number/],
    [() => node.publish(one, { timeoutMs: NaN }), /./],
    [() => node.publish(one, { timeoutMs: -1 }), /./],
    [() => node.publish(one, { signal: {} }), /signal must be an AbortSignal/],
    [() => node.query(), /query must be a string/],
    [() => node.query('FROM allEvents', { order: 'sideways' }).toArray(), /sideways/],
    [() => node.query('FROM allEvents', { lower: 7 }), /lower must be Offsets/],
    [() => node.query('FROM allEvents', { upper: 'nonsense' }).toArray(), /./],
    [() => node.query('FROM allEvents').nextBatch({ max: 0 }), /./],
    [() => node.query('FROM allEvents').nextBatch({ max: 'all' }), /max must be a whole/],
    [() => node.query('FROM allEvents').nextBatch({ count: 1 }), /no option 'count'/],
    [() => node.subscribe('FROM allEvents', { from: 7 }), /from must be Offsets/],
    [() => node.subscribe('FROM allEvents', { from: 'yesterday' }), /./],
    [() => node.connect(7), /target must be a string/],
    [() => node.connect('nowhere'), /./],
    [() => node.disconnect(7), /nodeId must be a string/],
    [() => node.setNetwork('off'), /enabled must be a boolean/],
    [() => node.setSecrets(7), /current must be a string/],
    [() => node.setSecrets(newSwarmSecret(), 'x'), /former must be an array/],
    [() => node.setSecrets('nonsense'), /64 hex digits/],
    [() => node.setSecrets(newSwarmSecret()), /another|is of swarm/],
    [() => node.close({ deadline: 1 }), /no option 'deadline'/],
    [() => Offsets.parse(7), /token must be a string/],
    [() => Offsets.from([['x', 1]]), /./],
    [() => Offsets.from([[node.stream, -1]]), /./],
    [() => node.offsets().covers(7), /other must be Offsets/],
    [() => parseTicket('nonsense'), /./],
  ];
  for (const [call, message] of refused) {
    await assert.rejects(async () => call(), (error) => {
      assert.ok(error instanceof InvalidArgumentError, `${call}: ${error.stack}`);
      assert.match(error.message, message, `${call}`);
      return true;
    });
  }
  assert.deepEqual(await node.query('FROM allEvents').toArray(), []);
});

test('what is over a limit is refused, and nothing is stored', async (t) => {
  const node = await alone(t);
  for (const event of [
    { payload: 'x'.repeat(1 << 20) },
    { tags: Array.from({ length: 65 }, (_, index) => `${index}`), payload: 1 },
    { tags: ['x'.repeat(256)], payload: 1 },
  ]) {
    await assert.rejects(node.publish([{ payload: 0 }, event]), LimitExceededError);
  }
  await assert.rejects(node.publish(numbered(65_537)), LimitExceededError);
  assert.deepEqual(await node.query('FROM allEvents').toArray(), []);
});

test('a signal that is aborted already rejects with its reason, and nothing happens', async (t) => {
  const node = await alone(t);
  const reason = new Error('the shift is over');
  const signal = AbortSignal.abort(reason);
  for (const call of [
    () => node.publish({ payload: 1 }, { signal }),
    () => node.query('FROM allEvents', { signal }).toArray(),
    () => node.query('FROM allEvents').toArray({ signal }),
    () => node.connect(`${node.id}@127.0.0.1:1`, { signal }),
    () => node.close({ signal }),
    () => open({ path: folder(t), app: 'a', swarm: newSwarmSecret(), signal }),
  ]) {
    await assert.rejects(call, (error) => {
      assert.ok(error instanceof AbortError && error instanceof CancelledError, error.stack);
      assert.equal(error.name, 'AbortError');
      assert.equal(error.code, 'cancelled');
      assert.equal(error.cause, reason);
      return true;
    });
  }
  assert.equal(node.isOpen, true);
  assert.deepEqual(await node.query('FROM allEvents').toArray(), []);
});

test('a timeout of AbortSignal is kept as the cause', async (t) => {
  const node = await onLoopback(t, { swarm: newSwarmSecret() });
  const other = await onLoopback(t, { swarm: newSwarmSecret() });
  const unreachable = `${other.id}@127.0.0.1:9`;
  await assert.rejects(
    node.connect(unreachable, { signal: AbortSignal.timeout(5) }),
    (error) => error instanceof AbortError && error.cause.name === 'TimeoutError',
  );
});

test('a call that takes longer than its timeout rejects', async (t) => {
  const node = await onLoopback(t, { swarm: newSwarmSecret() });
  const other = await onLoopback(t, { swarm: newSwarmSecret() });
  const unreachable = `${other.id}@127.0.0.1:9`;
  await assert.rejects(node.connect(unreachable, { timeoutMs: 5 }), (error) => {
    assert.ok(error instanceof TimeoutError);
    assert.equal(error.retryable, true);
    return true;
  });
});

test('close is idempotent, and a closed node says so', async (t) => {
  const node = await alone(t);
  await Promise.all([node.close(), node.close({ timeoutMs: 10_000 })]);
  await node.close();
  assert.equal(node.isOpen, false);
  assert.equal(typeof node.id, 'string');
  await assert.rejects(node.publish({ payload: 1 }), ClosedError);
  await assert.rejects(node.query('FROM allEvents').toArray(), ClosedError);
  await assert.rejects(node.subscribe('FROM allEvents').next(), ClosedError);
  assert.throws(() => node.offsets(), ClosedError);
  await assert.rejects(node.status(), ClosedError);
});

test('disposing closes', async (t) => {
  const node = await alone(t);
  await node.publish(numbered(1));
  const query = node.query('FROM allEvents');
  await query[Symbol.asyncDispose]();
  assert.deepEqual(await query.next(), { value: undefined, done: true });
  await node[Symbol.asyncDispose]();
  assert.equal(node.isOpen, false);
});

test('two nodes over one path in one process share the store', async (t) => {
  const options = { path: folder(t), swarm: newSwarmSecret() };
  const [first, second] = [await alone(t, options), await alone(t, options)];
  assert.equal(first.id, second.id);
  await first.publish(numbered(1));
  assert.equal((await second.query("FROM 'grain'").toArray()).length, 1);
  await first.close();
  await second.publish(numbered(1));
  assert.equal(second.isOpen, true);
});

test('offsets say what they hold, as text and as numbers', async (t) => {
  const node = await alone(t);
  const { token } = await node.publish(numbered(3));
  const now = node.offsets();
  assert.ok(now.covers(token) && now.equals(Offsets.parse(`${now}`)));
  assert.deepEqual(now.entries(), [[node.stream, now.count(node.stream)]]);
  assert.equal(now.total(), now.count(node.stream));
  assert.equal(JSON.parse(JSON.stringify({ now })).now, now.token);
  const none = Offsets.from([]);
  assert.equal(none.total(), 0);
  assert.ok(!none.covers(now) && now.covers(none) && none.join(now).equals(now));
  assert.ok(Offsets.from(now.entries()).equals(now));
});

test('a status subscription gives one at once and ends with its node', async (t) => {
  const node = await alone(t);
  const statuses = node.subscribeStatus();
  const first = await statuses.next();
  assert.equal(first.nodeId, node.id);
  await assert.rejects(statuses.next({ timeoutMs: 10 }), TimeoutError);
  const rest = (async () => {
    const seen = [];
    for await (const status of statuses) seen.push(status);
    return seen;
  })();
  await node.close();
  assert.deepEqual(await rest, []);
});

test('a status subscription listens to its own signal and to that of a call', async (t) => {
  const node = await alone(t);
  const [all, one] = [new AbortController(), new AbortController()];
  const statuses = node.subscribeStatus({ signal: all.signal });
  await statuses.next({ signal: undefined, timeoutMs: undefined });
  const step = statuses.next({ signal: one.signal });
  one.abort('enough');
  await assert.rejects(step, (error) => error instanceof AbortError && error.cause === 'enough');
  const other = statuses.next({ signal: new AbortController().signal });
  all.abort('the shift is over');
  await assert.rejects(
    other,
    (error) => error instanceof AbortError && error.cause === 'the shift is over',
  );
  await assert.rejects(statuses.next({ signal: undefined }), AbortError);
  await assert.rejects(statuses.next({ signal: new AbortController().signal }), AbortError);
});

test('a status subscription keeps to its timeout and checks its options at once', async (t) => {
  const node = await alone(t);
  const statuses = node.subscribeStatus({ timeoutMs: 10 });
  await statuses.next();
  await assert.rejects(statuses.next({ timeoutMs: undefined }), TimeoutError);
  assert.throws(() => node.subscribeStatus({ timeoutMs: '10' }), InvalidArgumentError);
  assert.throws(() => node.subscribeStatus({ signal: {} }), InvalidArgumentError);
  await assert.rejects(statuses.next({ timeoutMs: '10' }), InvalidArgumentError);
});

test('an answer says what it is complete as of, also after its end', async (t) => {
  const node = await alone(t);
  await node.publish(numbered(1));
  const query = node.query('FROM allEvents');
  assert.equal((await query.toArray()).length, 1);
  const { offsets, behind, unheard } = query.completeness;
  assert.ok(offsets.equals(node.offsets()));
  assert.deepEqual([behind, unheard], [[], []]);
});

test('metrics are text for Prometheus', async (t) => {
  const node = await alone(t);
  await node.publish(numbered(1));
  const lines = (await node.metrics()).split('\n');
  assert.ok(lines.includes('# TYPE millpond_events_published_total counter'));
  assert.ok(lines.includes('millpond_events_published_total 1'));
});

test('a status says who and how much, in camel case', async (t) => {
  const node = await alone(t);
  await node.publish(numbered(3));
  const status = await node.status();
  assert.equal(status.nodeId, node.id);
  assert.equal(status.swarmId, node.swarmId);
  assert.equal(status.stream, node.stream);
  assert.equal(status.offsets[node.stream], node.offsets().count(node.stream));
  assert.deepEqual(status.peers, []);
  assert.deepEqual([status.lag, status.network], [0, false]);
  assert.deepEqual([status.store.trouble, status.store.damages], [null, []]);
  assert.equal(typeof status.store.tailBytes, 'number');
  assert.deepEqual([status.store.full, typeof status.store.freeBytes], [false, 'number']);
  const { held, known, lag, ahead } = status.streams[0];
  assert.deepEqual([known, lag, ahead, status.unheard], [held, 0, [], []]);
});

test('a swarm secret is 64 hex digits and never the same', () => {
  assert.match(newSwarmSecret(), /^[0-9a-f]{64}$/);
  assert.notEqual(newSwarmSecret(), newSwarmSecret());
  assert.match(version, /^\d+\.\d+\.\d+/);
});
