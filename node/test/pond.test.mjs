// Fish: states from events, whose code runs here, and what becomes of its errors.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  AbortError,
  ConflictError,
  InvalidArgumentError,
  Offsets,
  QueryInvalidError,
  TimeoutError,
  UserCodeError,
  builtin,
  fish,
  folds,
  monotonicity,
  newSwarmSecret,
} from 'millpond';
import { GRAIN, seen } from './fish.mjs';
import { alone, folder, numbered, runClean } from './support.mjs';

/** States of `observer` until `holds` for one; that one. */
async function until(observer, holds) {
  for (;;) {
    const { value, done } = await observer.next();
    assert.ok(!done, 'it ended');
    if (holds(value.state)) return value;
  }
}

test('a fish shows the fold of what is there, then of what comes', async (t) => {
  const node = await alone(t);
  await node.publish(numbered(3));
  const observer = node.observe(seen('grain'));
  const first = await observer.next();
  assert.deepEqual(first.value.state, [0, 1, 2]);
  assert.ok(first.value.token.covers(node.offsets()));
  const { token, receipts } = await node.publish({ tags: ['grain'], payload: 'new' });
  const state = await until(observer, (payloads) => payloads.length === 4);
  assert.deepEqual(state.state, [0, 1, 2, 'new']);
  assert.ok(state.token.covers(token));
  assert.equal(state.last, receipts[0].key);
  assert.ok(state.number > first.value.number);
});

test('the first caught-up moment gives a state, also when nothing matches', async (t) => {
  const node = await alone(t);
  const { state, token, last } = await node.state(seen('nothing'));
  assert.deepEqual([state, last], [[], undefined]);
  assert.ok(token.equals(node.offsets()));
});

test('a late observer gets the last state at once, and each has a copy of its own', async (t) => {
  const node = await alone(t);
  await node.publish(numbered(2));
  const one = node.observe(seen('shared'));
  const first = (await one.next()).value.state;
  first.push('scribbled on');
  const two = node.observe(seen('shared'));
  assert.deepEqual((await two.next()).value.state, [0, 1]);
  await node.publish({ tags: ['grain'], payload: 2 });
  assert.deepEqual((await until(one, (all) => all.length === 3)).state, [0, 1, 2]);
});

test('a fold goes on when the observer that began it is closed', async (t) => {
  const node = await alone(t);
  const one = node.observe(seen('handed on'));
  await one.next();
  const two = node.observe(seen('handed on'));
  await two.next();
  await one.close();
  await node.publish(numbered(2));
  assert.deepEqual((await until(two, (all) => all.length === 2)).state, [0, 1]);
});

test('many batches are folded in order, once each', async (t) => {
  const node = await alone(t);
  for (let batch = 0; batch < 5; batch++) await node.publish(numbered(1000));
  let steps = 0;
  const counting = fish({
    id: 'counting',
    version: 1,
    query: GRAIN,
    initial: () => ({ count: 0, last: 0, falls: 0 }),
    step: ({ count, last, falls }, event) => {
      steps += 1;
      const { payload } = event;
      return { count: count + 1, last: payload, falls: falls + (payload < last ? 1 : 0) };
    },
  });
  const { state } = await node.state(counting);
  assert.deepEqual([state, steps], [{ count: 5000, last: 999, falls: 4 }, 5000]);
});

test('a reset makes what was before it irrelevant', async (t) => {
  const node = await alone(t);
  const reset = { tags: ['grain', 'reset'], payload: 'reset' };
  await node.publish([...numbered(3), reset, ...numbered(2)]);
  const isReset = (event) => event.tags.includes('reset');
  const { state } = await node.state(seen('reset', { isReset }));
  assert.deepEqual(state, ['reset', 0, 1]);
});

test('a codec of its own makes bytes of states and states of bytes', async (t) => {
  const node = await alone(t);
  await node.publish(numbered(3));
  const set = fish({
    id: 'set',
    version: 1,
    query: GRAIN,
    initial: () => new Set(),
    step: (all, event) => all.add(event.payload),
    codec: {
      name: 'sorted json',
      encode: (all) => Buffer.from(JSON.stringify([...all].sort())),
      decode: (bytes) => new Set(JSON.parse(Buffer.from(bytes).toString())),
    },
  });
  assert.deepEqual((await node.state(set)).state, new Set([0, 1, 2]));
});

test('a state goes on from its snapshot when the node is opened again', async (t) => {
  const store = { path: folder(t), swarm: newSwarmSecret() };
  const node = await alone(t, store);
  for (let batch = 0; batch < 6; batch++) await node.publish(numbered(1000));
  let steps = 0;
  const counting = fish({
    id: 'kept',
    version: 1,
    query: GRAIN,
    initial: () => 0,
    step: (count) => {
      steps += 1;
      return count + 1;
    },
  });
  const observer = node.observe(counting);
  assert.equal((await observer.next()).value.state, 6000);
  assert.equal(steps, 6000);
  const kept = () => node.stats().tables.find(({ name }) => name === 'snapshots').rows;
  while (kept() === 0) await new Promise(setImmediate);
  await node.close();
  const again = await alone(t, store);
  assert.equal((await again.state(counting)).state, 6000);
  assert.ok(steps <= 6000 + 2048, `it stepped over ${steps - 6000} events again`);
});

test('one id with another definition is refused while it is observed', async (t) => {
  const node = await alone(t);
  const observer = node.observe(seen('one'));
  await observer.next();
  await assert.rejects(node.state(seen('one', { version: 2 })), (error) => {
    assert.ok(error instanceof ConflictError);
    assert.equal(error.reason, 'other_definition');
    return true;
  });
});

test('an error in step reaches observers after the last good state, with its cause', async (t) => {
  const node = await alone(t);
  const mistake = new RangeError('no such grain');
  const failing = fish({
    id: 'failing',
    version: 1,
    query: GRAIN,
    initial: () => 0,
    step: (count, event) => {
      if (event.payload === 'bad') throw mistake;
      return count + 1;
    },
  });
  await node.publish(numbered(2));
  const observer = node.observe(failing);
  const late = node.observe(failing);
  assert.equal((await observer.next()).value.state, 2);
  await late.next();
  const other = node.observe(seen('other'));
  await other.next();
  const { receipts } = await node.publish({ tags: ['grain'], payload: 'bad' });
  for (const one of [observer, late]) {
    await assert.rejects(one.next(), (error) => {
      assert.ok(error instanceof UserCodeError);
      assert.equal(error.reason, 'step');
      assert.equal(error.cause, mistake);
      assert.match(error.message, /RangeError: no such grain/);
      assert.ok(error.message.includes(receipts[0].key), error.message);
      return true;
    });
    assert.deepEqual(await one.next(), { value: undefined, done: true });
  }
  assert.equal((await until(other, (all) => all.length === 3)).state[2], 'bad');
  await node.publish(numbered(1));
});

test('code that is asynchronous is refused, however it hides that', async (t) => {
  const node = await alone(t);
  assert.throws(() => seen('async', { step: async (all) => all }), InvalidArgumentError);
  await node.publish(numbered(2));
  const hidden = seen('hidden', { step: (all) => Promise.reject(all) });
  await assert.rejects(node.state(hidden), (error) => {
    assert.ok(error instanceof UserCodeError);
    assert.match(error.message, /it cannot be asynchronous/);
    return true;
  });
});

test('a step that returns nothing is an error that says so', async (t) => {
  const node = await alone(t);
  await node.publish(numbered(1));
  const forgetful = seen('forgetful', { step: () => {} });
  await assert.rejects(node.state(forgetful), /what it returns is the state/);
});

test('a step that publishes fails at once, and nothing is published', async (t) => {
  const node = await alone(t);
  await node.publish(numbered(1));
  const publishing = seen('publishing', {
    step: (all) => {
      void node.publish({ payload: 1 });
      return all;
    },
  });
  await assert.rejects(node.state(publishing), (error) => {
    assert.ok(error instanceof UserCodeError);
    assert.ok(error.cause instanceof InvalidArgumentError);
    assert.match(error.message, /publish was called by code of the fish "publishing"/);
    return true;
  });
  assert.equal(node.offsets().total(), 1);
});

test('what initial, isReset and the codec raise is told apart', async (t) => {
  const node = await alone(t);
  await node.publish(numbered(1));
  const raise = () => {
    throw new Error('mine');
  };
  const codec = { name: 'bad', encode: (all) => Buffer.from(JSON.stringify(all)), decode: raise };
  const cases = {
    initial: { initial: raise },
    is_reset: { isReset: raise },
    encode: { codec: { ...codec, encode: raise } },
    decode: { codec },
  };
  for (const [reason, rest] of Object.entries(cases)) {
    await assert.rejects(node.state(seen(`bad ${reason}`, rest)), (error) => {
      assert.deepEqual([error.code, error.reason], ['user_code', reason]);
      assert.equal(error.cause.message, 'mine');
      return true;
    });
  }
  const rest = { initial: () => new Map(), step: (map) => map };
  await assert.rejects(node.state(seen('a class', rest)), {
    reason: 'encode',
    message: /state is an instance of Map/,
  });
});

test('the event loop has its turn while much is folded', async (t) => {
  const node = await alone(t);
  for (let batch = 0; batch < 10; batch++) await node.publish(numbered(1000));
  let steps = 0;
  const turns = new Set();
  const timer = setInterval(() => turns.add(steps), 1);
  t.after(() => clearInterval(timer));
  const slow = seen('slow', {
    initial: () => 0,
    step: (count) => {
      steps += 1;
      const end = performance.now() + 0.05;
      while (performance.now() < end);
      return count + 1;
    },
  });
  assert.equal((await node.state(slow)).state, 10_000);
  // 0.5 s of code, let go of about every 10 ms: more often than after each of 10 batches.
  assert.ok(turns.size >= 20, `${turns.size} turns`);
});

test('a mistake in the options of one step ends nothing', async (t) => {
  const node = await alone(t);
  const observer = node.observe(seen('mistaken'));
  for (const timeoutMs of [-1, NaN, 'soon']) {
    await assert.rejects(observer.next({ timeoutMs }), InvalidArgumentError);
  }
  assert.deepEqual((await observer.next()).value.state, []);
});

test('a call whose signal is aborted already does not wait for others', async (t) => {
  const node = await alone(t);
  const signal = AbortSignal.abort('enough');
  const observer = node.observe(seen('waited for'));
  await observer.next();
  const waiting = observer.next();
  await assert.rejects(observer.next({ signal }), AbortError);
  const after = Offsets.from([[`${'ab'.repeat(32)}-0`, 1]]);
  const unseen = node.observe(seen('unseen'), { after });
  await assert.rejects(unseen.next({ signal }), AbortError);
  await assert.rejects(unseen.opened({ signal }), AbortError);
  const subscription = node.subscribe(GRAIN);
  const event = subscription.next();
  await assert.rejects(subscription.nextBatch({ signal }), AbortError);
  await node.publish(numbered(1));
  assert.deepEqual((await waiting).value.state, [0]);
  assert.equal((await event).value.payload, 0);
  await unseen.close();
});

test('a fold that is no JSON is refused where it is made', () => {
  const cyclic = { fold: 'count' };
  cyclic.of = cyclic;
  assert.throws(() => builtin(GRAIN, cyclic), InvalidArgumentError);
  assert.throws(() => builtin(GRAIN, { fold: 'sum', of: 1n }), InvalidArgumentError);
});

test('built-in folds need no code', async (t) => {
  const node = await alone(t);
  const weighed = [
    { machine: 'M-1', kg: 3, at: { x: 1 } },
    { machine: 'M-2', kg: 4 },
    { machine: 'M-1', kg: 2n ** 60n },
    { machine: 'M-1', kg: 'heavy' },
  ];
  await node.publish(weighed.map((payload) => ({ tags: ['grain'], payload })));
  const show = async (fold) => (await node.state(builtin(GRAIN, fold))).state;
  assert.deepEqual(await show(folds.count()), { value: 4, skipped: 0 });
  assert.deepEqual(await show(folds.count('/at')), { value: 1, skipped: 3 });
  assert.deepEqual(await show(folds.sum('/kg')), { value: 2n ** 60n + 7n, skipped: 1 });
  assert.deepEqual(await show(folds.min('/kg')), { value: 3, skipped: 1 });
  assert.deepEqual(await show(folds.max('/machine', { type: 'text' })), {
    value: 'M-2',
    skipped: 0,
  });
  assert.deepEqual(await show(folds.latest('/kg')), { value: 'heavy', skipped: 0 });
  assert.deepEqual((await show(folds.earliest())).value, weighed[0]);
  const both = folds.all({ events: folds.count(), first: folds.earliest('/kg') });
  assert.deepEqual(await show(folds.group('/machine', both)), {
    value: { 'M-1': { events: 3, first: 3 }, 'M-2': { events: 1, first: 4 } },
    skipped: 0,
  });
  await assert.rejects(show({ fold: 'guess' }), InvalidArgumentError);
  const one = builtin(GRAIN, folds.count());
  assert.equal(one.id, builtin(GRAIN, folds.count()).id);
  assert.equal(monotonicity(one).isMonotone, false);
});

test('what is wrong with a fish is said by the first step, once', async (t) => {
  const node = await alone(t);
  const observer = node.observe(seen('wrong', { query: "FROM 'a' &" }));
  await assert.rejects(observer.next(), QueryInvalidError);
  assert.deepEqual(await observer.next(), { value: undefined, done: true });
  assert.throws(() => node.observe({ id: 'a' }), InvalidArgumentError);
  assert.throws(() => fish({ id: 'a', version: 1, query: GRAIN }), InvalidArgumentError);
});

test('a step that times out or is aborted loses no state', async (t) => {
  const node = await alone(t);
  const observer = node.observe(seen('patient'));
  await observer.next();
  await assert.rejects(observer.next({ timeoutMs: 5 }), TimeoutError);
  const controller = new AbortController();
  const waiting = observer.next({ signal: controller.signal });
  controller.abort(new Error('enough'));
  await assert.rejects(waiting, AbortError);
  await node.publish(numbered(1));
  assert.deepEqual((await until(observer, (all) => all.length === 1)).state, [0]);
});

test('closing the observer or the node ends a loop without an error', async (t) => {
  const node = await alone(t);
  for await (const { state } of node.observe(seen('left'))) {
    assert.deepEqual(state, []);
    break;
  }
  const observer = node.observe(seen('closed'));
  await observer.next();
  const waiting = [observer.next(), observer.next()];
  await observer.close();
  for (const step of waiting) assert.equal((await step).done, true);
  const last = node.observe(seen('last'));
  await last.next();
  const end = last.next();
  await node.close();
  assert.equal((await end).done, true);
});

test('an aborted observer ends with the reason, once', async (t) => {
  const node = await alone(t);
  const controller = new AbortController();
  const observer = node.observe(seen('aborted'), { signal: controller.signal });
  await observer.next();
  const waiting = observer.next();
  controller.abort('enough');
  await assert.rejects(waiting, (error) => error instanceof AbortError && error.cause === 'enough');
  assert.deepEqual(await observer.next(), { value: undefined, done: true });
});

test('an observer that nobody asks keeps no process alive', async (t) => {
  const printed = await runClean(
    `const { open, fish, newSwarmSecret } = require(process.env.MILLPOND_ENTRY);
     (async () => {
       const swarm = newSwarmSecret();
       const node = await open({ path: process.argv[1], app: 'test', swarm, network: false });
       const counting = fish({ id: 'n', version: 1, query: 'FROM allEvents', initial: () => 0,
         step: (count) => count + 1 });
       globalThis.kept = node.observe(counting);
       await kept.next();
       await node.publish({ payload: 1 });
       while ((await kept.next()).value.state < 1);
       console.log('seen');
     })();`,
    { args: [folder(t)] },
  );
  assert.equal(printed, 'seen\n');
});

test('a thousand states in a row all come from one fold', async (t) => {
  const node = await alone(t);
  const observer = node.observe(seen('busy', { initial: () => 0, step: (count) => count + 1 }));
  await observer.next();
  const publishing = (async () => {
    for (let index = 0; index < 1000; index++) {
      await node.publish({ tags: ['grain'], payload: index }, { durability: 'process' });
    }
  })();
  let last = 0;
  while (last < 1000) {
    const { value } = await observer.next();
    assert.ok(value.state > last, 'states only grow, and none comes twice');
    last = value.state;
  }
  await publishing;
});
