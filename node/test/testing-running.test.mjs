// The testing kit: effects that are kept running in a lab, and states that are observed in one.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  ClosedError,
  InvalidArgumentError,
  NotYetVisibleError,
  TimeoutError,
  UserCodeError,
  builtin,
  fish,
  folds,
} from 'millpond';
import { Lab } from 'millpond/testing';
import { STUCK_MS, alone } from './support.mjs';

const limit = { timeout: STUCK_MS };
const order = { tags: ['order'], payload: 1 };
/** Lets the event loop do what there is to do. */
const turns = () => new Promise((resolve) => setImmediate(resolve));

/** What a fish of orders has beside its step. */
const plain = { id: 'failing', version: 1, query: "FROM 'order'", initial: () => 0 };

/** A promise, and what resolves it. */
function gate() {
  let open;
  const opened = new Promise((resolve) => (open = resolve));
  return { open, opened };
}

const counted = fish({
  id: 'counted',
  version: 1,
  query: "FROM 'order'",
  initial: () => 0,
  step: (count) => count + 1,
});

test('an effect that is kept running sees each state that time brings', limit, async () => {
  const lab = new Lab({ nodes: 2 });
  const [node, other] = [lab.node(0), lab.node(1)];
  const seen = [];
  const confirm = async (count) => {
    await null;
    seen.push(count);
    return { tags: ['confirmed'], payload: count };
  };
  const ordered = async () => {
    await other.publish(order);
    lab.calm();
    await turns();
  };
  const done = node.keepRunning(counted, confirm, { cancelWhen: (count) => count >= 2 });
  await turns();
  assert.deepEqual(seen, [0], 'it runs now');
  await ordered();
  lab.advance(1000);
  await turns();
  assert.deepEqual(seen, [0, 1], 'once for each state');
  await ordered();
  await done;
  assert.deepEqual(seen, [0, 1]);
  const confirmed = await node.query("FROM 'confirmed'").toArray();
  assert.deepEqual(confirmed.map(({ payload }) => payload), [0, 1]);
  const ended = node.keepRunning(counted, confirm);
  await turns();
  lab.crash(0);
  await ended;
  lab.start(0);
  await ordered();
  assert.deepEqual(seen, [0, 1, 2], 'it ended with the process');
});

test('an effect that is kept running ends with what it throws, or an abort', limit, async () => {
  const lab = new Lab({ nodes: 1 });
  const failing = lab.node(0).keepRunning(counted, (count) => {
    if (count > 0) throw new RangeError('no such order');
  });
  const aborting = new AbortController();
  const { signal } = aborting;
  const aborted = lab.node(0).keepRunning(counted, () => undefined, { signal });
  await lab.node(0).publish(order);
  lab.advance(1000);
  await assert.rejects(failing, { reason: 'effect' });
  aborting.abort();
  await assert.rejects(aborted, { name: 'AbortError' });
  const [refused, no] = [lab.node(0), () => lab.node(0).keepRunning(counted, 5)];
  await assert.rejects(no(), InvalidArgumentError);
  await assert.rejects(refused.keepRunning(counted, () => undefined, { timeoutMs: 5 }), {
    name: 'InvalidArgumentError',
  });
});

test('an effect that is kept running sees what comes while it works', limit, async () => {
  const lab = new Lab({ nodes: 2 });
  const [seen, working] = [[], gate()];
  const slow = async (count) => {
    seen.push(count);
    await working.opened;
  };
  const done = lab.node(0).keepRunning(counted, slow, { cancelWhen: (count) => count === 1 });
  await turns();
  await lab.node(1).publish(order);
  lab.calm();
  await turns();
  working.open();
  await done;
  assert.deepEqual(seen, [0]);
});

test('effects on one fish see each state once at most', limit, async () => {
  const lab = new Lab({ nodes: 1 });
  const node = lab.node(0);
  const [seen, working] = [[], gate()];
  const ordered = async () => {
    await node.publish(order);
    lab.advance(1000);
    await turns();
  };
  const slow = node.keepRunning(counted, (count) => (count === 1 ? working.opened : undefined));
  const quick = node.keepRunning(counted, (count) => void seen.push(count));
  await turns();
  await ordered();
  await ordered();
  assert.deepEqual(seen, [0], 'it is not its turn');
  working.open();
  await turns();
  lab.advance(1000);
  await turns();
  assert.deepEqual(seen, [0, 2]);
  lab.crash(0);
  await Promise.all([slow, quick]);
});

test('an effect that is kept running ends when its node dies of a deed', limit, async () => {
  for (const deed of [
    (node) => node.publish(order),
    (node) => node.run(counted, () => order),
    (node) => node.account('steel').create({ amount: 1, floor: 0 }),
    (node) => node.doOptimistically('order 7'),
  ]) {
    const node = new Lab({ nodes: 1, faults: 1 }).node(0);
    const kept = node.keepRunning(counted, () => undefined);
    const other = node.keepRunning(builtin("FROM 'order'", folds.count()), () => undefined);
    await turns();
    await assert.rejects(deed(node), ClosedError);
    await Promise.all([kept, other]);
  }
  const lab = new Lab({ nodes: 1, faults: 1 });
  const waiting = lab.node(0).keepRunning(counted, () => undefined);
  await turns();
  await lab.node(0).keepRunning(builtin("FROM 'order'", folds.count()), () => order);
  await waiting;
});

test('an effect that is kept running waits for what its session has seen', limit, async () => {
  const lab = new Lab({ nodes: 2 });
  const [node, other, seen] = [lab.node(0), lab.node(1), []];
  const session = node.session();
  const kept = node.keepRunning(counted, (count) => void seen.push(count), { session });
  await turns();
  lab.cut([0], [1]);
  await other.publish(order, { session });
  await node.publish(order);
  lab.advance(1000);
  await turns();
  assert.deepEqual(seen, [0]);
  lab.heal();
  lab.settle();
  await turns();
  assert.deepEqual(seen, [0, 2]);
  lab.crash(0);
  await kept;
  // Nor does it begin without that.
  await other.publish(order, { session });
  lab.start(0);
  await assert.rejects(node.keepRunning(counted, () => undefined, { session }), NotYetVisibleError);
});

test('time that passes is told to all, also where a fish fails', limit, async () => {
  const step = () => {
    throw new RangeError('no steel');
  };
  const failing = fish({ ...plain, step });
  let failures = 0;
  for (let seed = 1; seed <= 20; seed++) {
    const lab = new Lab({ nodes: 1, seed });
    const [node, seen] = [lab.node(0), []];
    await node.state(failing);
    const kept = node.keepRunning(counted, (count) => void seen.push(count));
    await turns();
    await node.publish(order);
    try {
      lab.advance(60_000);
    } catch (error) {
      assert.ok(error instanceof UserCodeError, String(error));
      failures += 1;
    }
    await turns();
    assert.deepEqual(seen, [0, 1]);
    lab.crash(0);
    await kept;
  }
  assert.ok(failures > 0);
});

/** What an application does: it knows nothing of labs. Resolves with the states it has seen. */
async function watch(node, last, seen = []) {
  for await (const { state } of node.observe(counted)) {
    seen.push(state);
    if (state >= last) break;
  }
  return seen;
}

test('what observes a fish runs on a node and in a lab', limit, async (t) => {
  const lab = new Lab({ nodes: 1 });
  for (const node of [await alone(t), lab.node(0)]) {
    const seen = [];
    const watching = watch(node, 1, seen);
    while (seen.length === 0) await turns();
    await node.publish(order);
    lab.advance(1000);
    assert.deepEqual(await watching, [0, 1]);
  }
});

test('who observes a fish of a lab sees each state that time brings', limit, async () => {
  const lab = new Lab({ nodes: 2 });
  const [node, other, seen] = [lab.node(0), lab.node(1), []];
  const watching = watch(node, 9, seen);
  await turns();
  assert.deepEqual(seen, [0], 'at once');
  await other.publish(order);
  await turns();
  assert.deepEqual(seen, [0]);
  lab.settle();
  await turns();
  lab.advance(1000);
  await turns();
  assert.deepEqual(seen, [0, 1], 'each once');
  for (let turn = 0; turn < 2; turn++) {
    void other.publish(order);
    lab.settle();
  }
  await turns();
  assert.deepEqual(seen, [0, 1, 3], 'who is slow skips some');
  lab.cutPower(0);
  assert.deepEqual(await watching, [0, 1, 3], 'it ends with the process');
  await assert.rejects(node.observe(counted).next(), ClosedError);
  lab.start(0);
  const again = node.observe(counted);
  const { value } = await again.next();
  assert.deepEqual([value.state, value.token.total()], [3, 3]);
  const waiting = again.next();
  await turns();
  await again.close();
  assert.deepEqual(await waiting, { value: undefined, done: true });
});

test('an observer of a lab ends by the death of its node in a publish', limit, async () => {
  const node = new Lab({ nodes: 1, faults: 1 }).node(0);
  const watching = watch(node, 1);
  await turns();
  await assert.rejects(node.publish(order), ClosedError);
  assert.deepEqual(await watching, [0]);
});

test('an observer of a lab has the options of one of a node', limit, async () => {
  const lab = new Lab({ nodes: 2 });
  const [node, other] = [lab.node(0), lab.node(1)];
  const session = other.session();
  const { token } = await other.publish(order, { session });
  for (const options of [{ after: token }, { session }]) {
    const early = node.observe(counted, options);
    await assert.rejects(early.next(), NotYetVisibleError);
    assert.ok((await early.next()).done);
  }
  lab.settle();
  const aborting = new AbortController();
  const observer = node.observe(counted, { session, signal: aborting.signal });
  assert.equal((await observer.next()).value.state, 1);
  await assert.rejects(observer.next({ timeoutMs: 0 }), TimeoutError);
  let isLate = false;
  const late = observer.next({ timeoutMs: 10_000 }).finally(() => (isLate = true));
  const rejected = assert.rejects(late, TimeoutError);
  await turns();
  lab.advance(9_000);
  await turns();
  assert.ok(!isLate);
  lab.advance(1_000);
  await rejected;
  await node.publish(order);
  assert.equal((await observer.next()).value.state, 2);
  assert.ok(session.token.covers(node.offsets()));
  // What the session has seen elsewhere since holds nothing up, and nor does its end.
  lab.settle();
  await other.publish(order, { session });
  await node.publish(order);
  assert.equal((await observer.next()).value.state, 3);
  session.close();
  await node.publish(order);
  assert.equal((await observer.next()).value.state, 4);
  const waiting = observer.next();
  aborting.abort();
  await assert.rejects(waiting, { name: 'AbortError' });
  assert.throws(() => node.observe(counted, { durability: 'power' }), InvalidArgumentError);
  assert.throws(() => node.observe(counted, { session: 7 }), InvalidArgumentError);
  assert.throws(() => node.observe({ id: 'looks like one' }), InvalidArgumentError);
});

test('an observer of a lab ends where code of the fish fails', limit, async () => {
  const lab = new Lab({ nodes: 1 });
  const node = lab.node(0);
  const mistake = new RangeError('no steel');
  const step = () => {
    throw mistake;
  };
  const failing = fish({ ...plain, step });
  const observer = node.observe(failing);
  assert.equal((await observer.next()).value.state, 0);
  const waiting = observer.next();
  await node.publish(order);
  try {
    lab.advance(1000);
  } catch (error) {
    assert.equal(error.cause, mistake);
  }
  await assert.rejects(waiting, (error) => {
    assert.ok(error instanceof UserCodeError && error.reason === 'step', String(error));
    return error.cause === mistake;
  });
  assert.ok((await observer.next()).done);
  const nested = fish({ ...plain, id: 'nested', step: () => node.observe(counted) });
  await assert.rejects(node.state(nested), ({ cause }) => cause instanceof InvalidArgumentError);
});
