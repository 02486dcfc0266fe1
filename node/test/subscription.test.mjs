// Subscriptions: the seam, catching up, positions, and every way to end.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AbortError, Offsets, QueryInvalidError, TimeoutError } from 'millpond';
import { alone, numbered, take } from './support.mjs';

test('it delivers what was there, then what comes, without gap or duplicate', async (t) => {
  const node = await alone(t);
  await node.publish(numbered(100));
  const subscription = node.subscribe("FROM 'grain'");
  const publishing = (async () => {
    for (let index = 100; index < 200; index++) {
      await node.publish({ tags: ['grain'], payload: index }, { durability: 'process' });
    }
  })();
  const events = await take(subscription, 200);
  await publishing;
  assert.deepEqual(events.map((event) => event.payload), Array.from({ length: 200 }, (_, i) => i));
});

test('it says when it has caught up, also when there is nothing', async (t) => {
  const node = await alone(t);
  const empty = node.subscribe("FROM 'grain'");
  assert.equal(empty.caughtUp, false);
  const batch = await empty.nextBatch();
  assert.deepEqual([batch.events, batch.caughtUp, batch.lag], [[], true, 0]);
  assert.equal(empty.caughtUp, true);

  await node.publish(numbered(3));
  const subscription = node.subscribe("FROM 'grain'");
  await take(subscription, 2);
  assert.equal(subscription.caughtUp, false, 'one event is not delivered yet');
  await take(subscription, 1);
  assert.equal(subscription.caughtUp, true);
});

test('from now on delivers only what comes after the call', async (t) => {
  const node = await alone(t);
  await node.publish(numbered(3));
  const subscription = node.subscribe("FROM 'grain'", { from: 'now' });
  await node.publish({ tags: ['grain'], payload: 'new' });
  const [event] = await take(subscription, 1);
  assert.equal(event.payload, 'new');
});

test('live delivery shows what no disk has yet, and says so', async (t) => {
  const node = await alone(t);
  const live = node.subscribe("FROM 'grain'", { delivery: 'live' });
  await live.nextBatch();
  let early = 0;
  for (let index = 0; index < 20; index++) {
    await node.publish({ tags: ['grain'], payload: index }, { durability: 'process' });
    const batch = await live.nextBatch();
    assert.deepEqual(batch.events.map((event) => event.payload), [index]);
    if (batch.isDurable) continue;
    early += 1;
    assert.ok(live.position.equals(batch.position), 'it counts only what is durable');
  }
  assert.ok(early > 0);
  const wrong = node.subscribe("FROM 'grain'", { delivery: 'soon' });
  await assert.rejects(wrong.nextBatch(), { code: 'invalid_argument' });
});

test('a position goes on after the event that was delivered last', async (t) => {
  const node = await alone(t);
  await node.publish(numbered(10));
  const first = node.subscribe("FROM 'grain'");
  assert.ok(first.position.equals(Offsets.from([])));
  await take(first, 4);
  const second = node.subscribe("FROM 'grain'", { from: first.position });
  assert.ok(second.position.equals(first.position), 'known before anything arrives');
  assert.deepEqual((await take(second, 6)).map((event) => event.payload), [4, 5, 6, 7, 8, 9]);
  assert.ok(second.position.equals(node.offsets()));
  const third = node.subscribe("FROM 'grain'", { from: second.position.token });
  assert.deepEqual((await third.nextBatch()).events, []);
});

test('lag counts what is left and falls to nothing', async (t) => {
  const node = await alone(t);
  await node.publish(numbered(10));
  const subscription = node.subscribe("FROM 'grain'");
  await take(subscription, 4);
  assert.equal(subscription.lag, 6);
  await take(subscription, 6);
  assert.equal(subscription.lag, 0);
  await node.publish(numbered(5));
  assert.equal(subscription.lag, 5, 'of the log as it is now');
});

test('a query that does not parse rejects the first step and ends', async (t) => {
  const node = await alone(t);
  const subscription = node.subscribe("FROM 'a' &");
  await assert.rejects(subscription.next(), QueryInvalidError);
  assert.deepEqual(await subscription.next(), { value: undefined, done: true });
});

test('a subscription that failed to open and is never read troubles nobody', async (t) => {
  const node = await alone(t);
  node.subscribe("FROM 'a' &");
  await node.publish(numbered(1));
});

test('closing it ends a call that waits', async (t) => {
  const node = await alone(t);
  const subscription = node.subscribe("FROM 'grain'");
  await subscription.nextBatch();
  const waiting = subscription.next();
  const queued = subscription.next();
  await subscription.close();
  const end = { value: undefined, done: true };
  assert.deepEqual(await Promise.all([waiting, queued, subscription.next()]), [end, end, end]);
});

test('closing it before it has opened ends it', async (t) => {
  const node = await alone(t);
  await node.publish(numbered(1));
  const subscription = node.subscribe("FROM 'grain'");
  const waiting = subscription.next();
  await subscription.close();
  assert.equal((await waiting).done, true);
});

test('closing the node ends a loop without an error', async (t) => {
  const node = await alone(t);
  await node.publish(numbered(2));
  const seen = [];
  for await (const event of node.subscribe("FROM 'grain'")) {
    seen.push(event.payload);
    if (seen.length === 2) void node.close();
  }
  assert.deepEqual(seen, [0, 1]);
});

test('an abort ends it with the reason, once, then with the plain end', async (t) => {
  const node = await alone(t);
  const controller = new AbortController();
  const subscription = node.subscribe("FROM 'grain'", { signal: controller.signal });
  await subscription.nextBatch();
  const waiting = subscription.next();
  const reason = new Error('enough');
  controller.abort(reason);
  await assert.rejects(waiting, (error) => {
    assert.ok(error instanceof AbortError);
    assert.equal(error.cause, reason);
    return true;
  });
  assert.deepEqual(await subscription.next(), { value: undefined, done: true });
});

test('an abort between two steps is seen by the next one', async (t) => {
  const node = await alone(t);
  await node.publish(numbered(3));
  const controller = new AbortController();
  const seen = [];
  await assert.rejects(async () => {
    for await (const event of node.subscribe("FROM 'grain'", { signal: controller.signal })) {
      seen.push(event.payload);
      controller.abort();
    }
  }, AbortError);
  assert.deepEqual(seen, [0]);
});

test('a step that times out or is aborted loses no event', async (t) => {
  const node = await alone(t);
  const subscription = node.subscribe("FROM 'grain'");
  await subscription.nextBatch();
  await assert.rejects(subscription.nextBatch({ timeoutMs: 5 }), TimeoutError);
  const controller = new AbortController();
  const waiting = subscription.nextBatch({ signal: controller.signal });
  controller.abort();
  await assert.rejects(waiting, AbortError);
  await node.publish(numbered(2));
  assert.deepEqual((await take(subscription, 2)).map((event) => event.payload), [0, 1]);
});

test('a timeout and an abort end a call that stands behind another', async (t) => {
  const node = await alone(t);
  const subscription = node.subscribe("FROM 'grain'");
  await subscription.nextBatch();
  const first = subscription.nextBatch();
  await assert.rejects(subscription.nextBatch({ timeoutMs: 5 }), TimeoutError);
  const controller = new AbortController();
  const aborted = subscription.nextBatch({ signal: controller.signal });
  const last = subscription.nextBatch();
  controller.abort();
  await assert.rejects(aborted, AbortError);
  for (const [payload, waiting] of [first, last].entries()) {
    await node.publish({ tags: ['grain'], payload });
    assert.deepEqual((await waiting).events.map((event) => event.payload), [payload]);
  }
});

test('a timeout bounds the whole of a call, however many waits it has', async (t) => {
  const node = await alone(t);
  await node.publish(numbered(1024 * 5));
  const query = node.query("FROM 'grain'");
  await query.nextBatch();
  // Each batch comes in time, all together do not.
  query.arrived = () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100);
  await assert.rejects(query.toArray({ timeoutMs: 200 }), TimeoutError);
});

test('a thousand aborts in a row leave nothing behind and lose nothing', async (t) => {
  const node = await alone(t);
  const subscription = node.subscribe("FROM 'grain'");
  await subscription.nextBatch();
  const seen = [];
  for (let index = 0; index < 1000; index++) {
    const controller = new AbortController();
    const step = subscription.nextBatch({ signal: controller.signal });
    if (index % 10 === 0) {
      await node.publish({ tags: ['grain'], payload: index }, { durability: 'process' });
    }
    controller.abort();
    try {
      seen.push(...(await step).events.map((event) => event.payload));
    } catch (error) {
      assert.ok(error instanceof AbortError);
    }
  }
  while (seen.length < 100) seen.push(...(await take(subscription, 1)).map((e) => e.payload));
  assert.deepEqual(seen, Array.from({ length: 100 }, (_, index) => index * 10));
});

test('many subscriptions to one node each see everything', async (t) => {
  const node = await alone(t);
  const readings = Array.from({ length: 20 }, () => node.subscribe("FROM 'grain'"));
  const all = Promise.all(readings.map((reading) => take(reading, 50)));
  for (let at = 0; at < 5; at++) await node.publish(numbered(10));
  for (const events of await all) assert.equal(events.length, 50);
});

test('one signal ends as many subscriptions and calls as share it', async (t) => {
  const node = await alone(t);
  const warned = [];
  const warn = (warning) => warned.push(warning);
  process.on('warning', warn);
  t.after(() => process.off('warning', warn));
  const controller = new AbortController();
  const { signal } = controller;
  const readings = Array.from({ length: 20 }, () => node.subscribe("FROM 'grain'", { signal }));
  await Promise.all(readings.map((reading) => reading.nextBatch()));
  const waiting = readings.map((reading) => assert.rejects(reading.next(), AbortError));
  await Promise.all(Array.from({ length: 20 }, () => node.publish({ payload: 1 }, { signal })));
  controller.abort();
  await Promise.all(waiting);
  await new Promise(setImmediate);
  assert.deepEqual(warned, []);
});
