// Effects: what is published in answer to a state; and several fish at once.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { AbortError, UserCodeError, builtin, fish, folds, newSwarmSecret } from 'millpond';
import { alone, entry, numbered, onLoopback } from './support.mjs';

const counter = fish({
  id: 'counter',
  version: 1,
  query: "FROM 'count'",
  initial: () => 0,
  step: (count) => count + 1,
});

const next = (count) => ({ tags: ['count'], payload: count });

test('effects on a fish run one at a time, each after what those before published', async (t) => {
  const node = await alone(t);
  const effects = Array.from({ length: 20 }, () => node.run(counter, (count) => next(count)));
  const published = await Promise.all(effects);
  assert.ok(published.every((one) => one.count === 1));
  const events = await node.query("FROM 'count'").toArray();
  assert.deepEqual(events.map((event) => event.payload), [...Array(20).keys()]);
});

test('an effect may be asynchronous, and wants nothing when it gives nothing', async (t) => {
  const node = await alone(t);
  const effect = async (count, token) => {
    await new Promise(setImmediate);
    assert.ok(token.equals(node.offsets()));
    return count === 0 ? [next('a'), next('b')] : null;
  };
  assert.equal((await node.run(counter, effect)).count, 2);
  assert.equal(await node.run(counter, effect), undefined);
  assert.equal(await node.run(counter, () => []), undefined);
});

test('an effect that fails publishes nothing, and its caller gets the cause', async (t) => {
  const node = await alone(t);
  const mistake = new Error('no steel');
  const failing = () => {
    throw mistake;
  };
  for (const effect of [failing, async () => failing()]) {
    await assert.rejects(node.run(counter, effect), (error) => {
      assert.ok(error instanceof UserCodeError);
      assert.equal(error.reason, 'effect');
      assert.equal(error.cause, mistake);
      return true;
    });
  }
  await assert.rejects(node.run(counter, () => ({ tags: [7], payload: 1 })), {
    code: 'invalid_argument',
  });
  assert.equal((await node.run(counter, next)).count, 1, 'the turn was given to the next');
});

test('an effect inside of an effect is refused; what it leaves behind is not', async (t) => {
  const node = await alone(t);
  const nested = node.run(counter, () => node.run(counter, next));
  await assert.rejects(nested, (error) => {
    assert.equal(error.cause.reason, 'nested_effect');
    return true;
  });
  let later;
  await node.run(counter, (count) => {
    later = new Promise(setImmediate).then(() => node.run(counter, next));
    return next(count);
  });
  assert.equal((await later).count, 1);
});

test('an effect that is kept running sees each new state until it is told to stop', async (t) => {
  const node = await alone(t);
  const runs = [];
  await node.keepRunning(
    counter,
    (count) => {
      runs.push(count);
      return next(count);
    },
    { cancelWhen: (count) => count === 5 },
  );
  assert.deepEqual(runs, [0, 1, 2, 3, 4]);
  assert.equal(node.offsets().total(), 5);
});

test('an effect that has begun publishes, however short its timeout is', async (t) => {
  const node = await alone(t);
  const effect = async (count) => {
    const end = performance.now() + 600;
    while (performance.now() < end) await new Promise(setImmediate);
    return next(count);
  };
  assert.equal((await node.run(counter, effect, { timeoutMs: 500 })).count, 1);
  let release;
  const held = node.run(counter, () => new Promise((resolve) => (release = resolve)));
  while (release === undefined) await new Promise(setImmediate);
  const late = node.run(counter, () => assert.fail('it ran'), { timeoutMs: 20 });
  await assert.rejects(late, { code: 'timeout' });
  release(null);
  assert.equal(await held, undefined);
});

test('cancelWhen must say yes or no, at once', async (t) => {
  const node = await alone(t);
  const promise = () => Promise.reject(new Error('nobody hears this'));
  for (const cancelWhen of [() => 1, () => 'yes', () => {}, promise]) {
    const running = node.keepRunning(counter, next, { cancelWhen });
    await assert.rejects(running, { code: 'user_code', message: /cancelWhen/ });
  }
  assert.equal(node.offsets().total(), 0, 'nothing was published');
});

test('an effect that is kept running says that its session is closed', async (t) => {
  const node = await alone(t);
  const session = node.session();
  const effect = (count) => {
    session.close();
    return next(count);
  };
  await assert.rejects(node.keepRunning(counter, effect, { session }), { code: 'closed' });
});

test('an effect that is kept running ends with its signal, its node and its error', async (t) => {
  const node = await alone(t);
  const controller = new AbortController();
  const aborted = node.keepRunning(counter, () => null, { signal: controller.signal });
  const failing = node.keepRunning(counter, (count) => {
    if (count === 1) throw new Error('mine');
  });
  const expected = assert.rejects(failing, (error) => error.cause.message === 'mine');
  await node.publish(next(0));
  await expected;
  controller.abort();
  await assert.rejects(aborted, AbortError);
  const closed = node.keepRunning(counter, () => null);
  await node.run(counter, () => null);
  await node.close();
  await closed;
});

/** The fish of a job. */
function jobFish(event) {
  const { job } = event.payload;
  if (job === 'none') return null;
  return fish({
    id: `job ${job}`,
    version: 1,
    query: `FROM 'job:${job}'`,
    initial: () => 0,
    step: (count) => count + 1,
  });
}

const seed = (job) => ({ tags: ['seed'], payload: { job } });

test('all fish of some seeds are shown together, and one that comes later, too', async (t) => {
  const node = await alone(t);
  await node.publish([seed('a'), seed('none'), seed('b'), seed('a')]);
  await node.publish(numbered(3, 'job:a'));
  const observer = node.observeAll("FROM 'seed'", jobFish);
  const shown = async () => {
    const { value } = await observer.next();
    return Object.fromEntries([...value.states].map(([id, { state }]) => [id, state]));
  };
  const until = async (expected) => {
    for (;;) {
      const states = await shown();
      if (JSON.stringify(states) === JSON.stringify(expected)) return;
    }
  };
  assert.deepEqual(await shown(), { 'job a': 3, 'job b': 0 });
  await node.publish(numbered(2, 'job:b'));
  await until({ 'job a': 3, 'job b': 2 });
  await node.publish([seed('c'), ...numbered(1, 'job:c')]);
  await until({ 'job a': 3, 'job b': 2, 'job c': 1 });
  const waiting = observer.next();
  await observer.close();
  assert.equal((await waiting).done, true);
});

test('built-ins can be the fish of seeds', async (t) => {
  const node = await alone(t);
  await node.publish([seed('a'), ...numbered(4, 'job:a')]);
  const make = (event) => builtin(`FROM 'job:${event.payload.job}'`, folds.count());
  const { value } = await node.observeAll("FROM 'seed'", make).next();
  assert.deepEqual([...value.states.values()].map(({ state }) => state.value), [4]);
});

test('the fish of the oldest seed is the one that is shown', async (t) => {
  const node = await alone(t);
  const observer = node.observeOne("FROM 'seed'", jobFish);
  const waiting = observer.next();
  await node.publish([seed('a'), seed('b'), ...numbered(2, 'job:a'), ...numbered(1, 'job:b')]);
  let { value } = await waiting;
  while (value.state !== 2) ({ value } = await observer.next());
  assert.equal(value.state, 2);
});

test('while the oldest seed makes no fish, an older one is waited for', async (t) => {
  const swarm = newSwarmSecret();
  const [early, late] = [await onLoopback(t, { swarm }), await onLoopback(t, { swarm })];
  await early.publish([seed('a'), ...numbered(2, 'job:a')]);
  await late.publish(numbered(5, 'other'));
  await late.publish(seed('none'));
  const observer = late.observeOne("FROM 'seed'", jobFish);
  await assert.rejects(observer.next({ timeoutMs: 300 }), { code: 'timeout' });
  const waiting = observer.next();
  await late.connect(await early.ticket());
  let { value, done } = await waiting;
  while (!done && value.state !== 2) ({ value, done } = await observer.next());
  assert.equal(value.state, 2);
});

test('making a fish cannot be asynchronous, whatever becomes of it', async (t) => {
  const node = await alone(t);
  await node.publish(seed('a'));
  const make = () => Promise.reject(new Error('nobody hears this'));
  await assert.rejects(node.observeAll("FROM 'seed'", make).next(), {
    reason: 'make_fish',
    message: /it cannot be asynchronous/,
  });
});

test('of several fish the cause is that of the one that failed', async (t) => {
  const node = await alone(t);
  const failing = fish({
    id: 'job caf\u0065\u0301',
    version: 1,
    query: "FROM 'job:x'",
    initial: () => 0,
    step: () => {
      throw new Error('mine');
    },
  });
  const own = node.observe(failing);
  await own.next();
  await node.publish(seed('x'));
  const observer = node.observeAll("FROM 'seed'", () => failing);
  await observer.next();
  await node.publish({ tags: ['job:x'], payload: 1 });
  await assert.rejects(observer.next(), (error) => error.cause?.message === 'mine');
  await assert.rejects(own.next(), (error) => error.cause?.message === 'mine');
});

test('an error has the cause of the fish that it names, and no other', async (t) => {
  const node = await alone(t);
  const id = 'job "x"\u007f';
  const thrown = new Error('mine');
  const step = () => {
    throw thrown;
  };
  const failing = fish({ id, version: 1, query: "FROM 'job:x'", initial: () => 0, step });
  await node.publish(numbered(1, 'job:x'));
  const told = await node.state(failing).catch((error) => error);
  assert.deepEqual([told.reason, told.details, told.cause], ['step', { fish: id }, thrown]);
  // That of another environment: its error names a fish that none of ours is.
  const { explained } = createRequire(import.meta.url)(entry.replace('index', 'work'));
  const foreign = new UserCodeError('elsewhere', { reason: 'step', details: { fish: 'other' } });
  const own = { fish: 'own', failed: { thrown } };
  assert.equal(explained(foreign, own).cause, undefined);
  assert.equal(explained(foreign, own, { ...own, fish: 'other' }).cause, thrown);
});

test('what making a fish raises ends all of them, with its cause', async (t) => {
  const node = await alone(t);
  await node.publish([seed('a'), seed('b')]);
  const make = (event) => {
    if (event.payload.job === 'b') throw new Error('no such job');
    return jobFish(event);
  };
  const observer = node.observeAll("FROM 'seed'", make);
  await assert.rejects(observer.next(), (error) => {
    assert.deepEqual([error.code, error.reason], ['user_code', 'make_fish']);
    assert.equal(error.cause.message, 'no such job');
    return true;
  });
  assert.equal((await observer.next()).done, true);
  await assert.rejects(node.observeAll("FROM 'seed'", () => 7).next(), UserCodeError);
});

test('states of fish that are saved at once do not mix', async (t) => {
  const node = await alone(t);
  const jobs = Array.from({ length: 20 }, (_, job) => `j${job}`);
  await node.publish(jobs.flatMap((job, at) => [seed(job), ...numbered(at, `job:${job}`)]));
  for (let round = 0; round < 5; round++) {
    const observer = node.observeAll("FROM 'seed'", jobFish);
    const { value } = await observer.next();
    const states = jobs.map((job) => value.states.get(`job ${job}`).state);
    assert.deepEqual(states, [...jobs.keys()]);
    await observer.close();
  }
});
