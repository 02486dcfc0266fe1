// What a read must have seen: tokens, sessions, and events in the one order with ways back.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  ClosedError,
  InvalidArgumentError,
  NotYetVisibleError,
  Offsets,
  builtin,
  fish,
  folds,
  newSwarmSecret,
} from 'millpond';
import { STUCK_MS, alone, numbered, onLoopback } from './support.mjs';

const limit = { timeout: STUCK_MS };
const GRAIN = "FROM 'grain'";
const count = builtin(GRAIN, folds.count());

/** Two nodes of one swarm that are not connected. */
async function apart(t) {
  const swarm = newSwarmSecret();
  return [await onLoopback(t, { swarm }), await onLoopback(t, { swarm })];
}

/** Connects them. */
async function heal(one, other) {
  await one.connect(await other.ticket());
}

/** It is not visible here: `token` names so many events of one stream that are not. */
function lacks(stream, count) {
  return (error) => {
    assert.ok(error instanceof NotYetVisibleError);
    assert.deepEqual(error.missing, { [stream]: count });
    return true;
  };
}

test('a read after a token that is not covered in time names what is missing', limit, async (t) => {
  const [left, right] = await apart(t);
  const { token } = await left.publish(numbered(3));
  const not = lacks(left.stream, 3);
  for (const timeoutMs of [0, 20]) {
    const after = { after: token, timeoutMs };
    await assert.rejects(right.waitFor(token, { timeoutMs }), not);
    await assert.rejects(right.query(GRAIN, after).toArray(), not);
    await assert.rejects(right.query(GRAIN, after).explain(), not);
    await assert.rejects(right.subscribe(GRAIN, after).next(), not);
    await assert.rejects(right.state(count, after), not);
    await assert.rejects(right.observe(count, after).next(), not);
    await assert.rejects(right.run(count, () => null, after), not);
  }
});

test('a read after a token waits until it is covered', limit, async (t) => {
  const [left, right] = await apart(t);
  const { token } = await left.publish(numbered(3));
  const after = token.token;
  const reads = [
    right.waitFor(token).then(() => 3),
    right.query(GRAIN, { after }).toArray().then((events) => events.length),
    right.subscribe(GRAIN, { after }).nextBatch().then((batch) => batch.length),
    right.state(count, { after }).then(({ state }) => state.value),
    right.observe(count, { after }).next().then(({ value }) => value.state.value),
  ];
  await heal(right, left);
  assert.deepEqual(await Promise.all(reads), [3, 3, 3, 3, 3]);
});

test('a token covers at once what is here already', async (t) => {
  const node = await alone(t);
  const { token } = await node.publish(numbered(3));
  await node.waitFor(token, { timeoutMs: 0, query: GRAIN });
  const query = node.query(GRAIN, { after: token, timeoutMs: 60_000 });
  assert.equal((await query.toArray()).length, 3);
  await assert.rejects(node.waitFor('m1nonsense'), InvalidArgumentError);
});

test('a wait that is aborted ends at once', limit, async (t) => {
  const [left, right] = await apart(t);
  const { token } = await left.publish(numbered(1));
  const controller = new AbortController();
  const waits = [
    right.waitFor(token, { signal: controller.signal }),
    right.query(GRAIN, { after: token, signal: controller.signal }).toArray(),
    right.state(count, { after: token, signal: controller.signal }),
  ].map((wait) => assert.rejects(wait, { name: 'AbortError' }));
  controller.abort();
  await Promise.all(waits);
});

test('tokens become one that covers all of them', async (t) => {
  const [left, right] = [await alone(t), await alone(t)];
  const one = (await left.publish(numbered(2))).token;
  const other = (await right.publish(numbered(3))).token;
  const both = Offsets.merge([one, other.token]);
  assert.ok(both.covers(one) && both.covers(other) && both.total() === 5);
  assert.equal(Offsets.merge([]).total(), 0);
  assert.throws(() => Offsets.merge(['no token']), InvalidArgumentError);
});

test('a session reads its own writes, at another node, too', limit, async (t) => {
  const [left, right] = await apart(t);
  const session = left.session();
  await left.publish(numbered(2), { session });
  assert.ok(session.token.covers(left.offsets()));
  assert.equal((await left.query(GRAIN, { session }).toArray()).length, 2);
  const late = { session, timeoutMs: 0 };
  await assert.rejects(right.state(count, late), lacks(left.stream, 2));
  await assert.rejects(right.publish({ payload: 1 }, late), lacks(left.stream, 2));
  const reading = right.state(count, { session });
  await heal(right, left);
  assert.equal((await reading).state.value, 2);
});

test('a session never goes back to before what it has read', limit, async (t) => {
  const [left, right] = await apart(t);
  await left.publish(numbered(2));
  const session = right.session();
  await left.query(GRAIN, { session }).toArray();
  await assert.rejects(right.query(GRAIN, { session, timeoutMs: 0 }).toArray(), NotYetVisibleError);
  const told = right.session();
  told.sees(session.token);
  told.sees(session.token.token);
  assert.ok(told.token.equals(session.token));
  told.close();
  told.close();
  assert.throws(() => told.token, ClosedError);
  assert.throws(() => right.query(GRAIN, { session: 'mine' }), InvalidArgumentError);
});

test('an effect kept running goes on when what its session saw is here', limit, async (t) => {
  const [left, right] = await apart(t);
  const session = right.session();
  const runs = [];
  let hasRun;
  const running = new Promise((resolve) => (hasRun = resolve));
  const effect = ({ value }) => {
    runs.push(value);
    hasRun();
    return value === 0 ? null : numbered(1);
  };
  const cancelWhen = ({ value }) => value === 3;
  const kept = right.keepRunning(count, effect, { session, cancelWhen });
  await running;
  session.sees((await left.publish(numbered(1))).token);
  await right.publish(numbered(1));
  assert.equal((await right.state(count)).state.value, 1);
  await heal(right, left);
  await kept;
  assert.deepEqual(runs, [0, 2], 'on no state without what the session had seen');
  session.close();
});

test('in the order of keys a late event brings a way back', limit, async (t) => {
  const [left, right] = await apart(t);
  await left.publish(numbered(2));
  await left.publish(numbered(2));
  await right.publish([{ tags: ['grain'], payload: 'late' }]);
  const subscription = left.subscribe(GRAIN, { order: 'key' });
  const delivered = [];
  let rewinds = 0;
  const read = async (done) => {
    while (!done()) {
      const batch = await subscription.nextBatch();
      if (batch.isRewind) {
        rewinds += 1;
        assert.deepEqual(batch.events, []);
        const stay = delivered.findIndex(({ key }) => key === batch.rewindTo) + 1;
        delivered.splice(stay);
      }
      delivered.push(...batch.events);
    }
  };
  await read(() => subscription.caughtUp);
  assert.deepEqual(delivered.map(({ payload }) => payload), [0, 1, 0, 1]);
  await heal(left, right);
  await read(() => delivered.length === 5);
  assert.ok(rewinds > 0);
  const sorted = await left.query(GRAIN).toArray();
  assert.deepEqual(delivered.map(({ key }) => key), sorted.map(({ key }) => key));
});

test('a subscription in the order of keys goes on where another one stood', async (t) => {
  const node = await alone(t);
  await node.publish(numbered(5));
  const first = node.subscribe(GRAIN, { order: 'key' });
  assert.equal(first.positionText, undefined);
  assert.equal((await first.nextBatch({ max: 2 })).length, 2);
  const from = first.positionText;
  const second = node.subscribe(GRAIN, { order: 'key', from });
  assert.deepEqual((await second.nextBatch()).events.map(({ payload }) => payload), [2, 3, 4]);
  const arrival = node.subscribe(GRAIN, { from });
  await assert.rejects(arrival.nextBatch(), { reason: 'key_position' });
  const { token } = node.offsets();
  const keys = node.subscribe(GRAIN, { order: 'key', from: token });
  await assert.rejects(keys.nextBatch(), { reason: 'key_position' });
  await assert.rejects(first.next(), InvalidArgumentError);
});

test('a state goes back for a late event, and shows the one order', limit, async (t) => {
  const [left, right] = await apart(t);
  const log = fish({
    id: 'log',
    version: 1,
    query: GRAIN,
    initial: () => [],
    step: (keys, event) => [...keys, event.key],
  });
  await left.publish(numbered(2));
  await left.publish(numbered(2));
  await right.publish(numbered(1));
  const observer = left.observe(log);
  assert.equal((await observer.next()).value.state.length, 4);
  await heal(left, right);
  let state;
  do ({ state } = (await observer.next()).value);
  while (state.length < 5);
  const sorted = await left.query(GRAIN).toArray();
  assert.deepEqual(state, sorted.map(({ key }) => key));
});

test('an explanation says whether the answer can be taken back', async (t) => {
  const node = await alone(t);
  const { monotonicity, isMonotone, monotoneReason } = await node.query(GRAIN).explain();
  assert.equal(monotonicity, 'monotone');
  assert.equal(isMonotone, true);
  assert.notEqual(monotoneReason, '');
});
