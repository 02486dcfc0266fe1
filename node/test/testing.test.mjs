// The testing kit: what it makes of fish that are right, and of those that are not.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import {
  ClosedError,
  ConflictError,
  InvalidArgumentError,
  LimitExceededError,
  UserCodeError,
  builtin,
  fish,
  folds,
  monotonicity,
} from 'millpond';
import * as kit from 'millpond/testing';
import { Lab, checkGrowOnly, explore, lint, seeds, testWithLab } from 'millpond/testing';

const query = "FROM 'number'";

/** A fish of the numbers in their order. */
function numbersBut(rest) {
  return fish({
    id: 'numbers',
    version: 1,
    query,
    initial: () => [],
    step: (state, event) => {
      state.push(event.payload);
      return state;
    },
    ...rest,
  });
}

const numbers = numbersBut({});

/** Everything goes wrong while nodes publish, and then all is well. */
async function storm(lab, fish) {
  for (let round = 0; round < 8; round++) {
    lab.chaos(2);
    for (const node of lab.nodes.filter((node) => lab.isUp(node))) {
      for (let left = lab.below(3); left > 0; left--) {
        const durability = lab.below(4) === 0 ? 'process' : 'power';
        await lab.node(node).publish(number(lab.below(100)), { durability });
      }
      if (lab.below(2) === 1) await lab.node(node).state(fish);
    }
  }
  lab.calm();
  lab.check(fish);
}

const number = (payload) => ({ tags: ['number'], payload });

/** What is said of a fish, for each seed with which it is found wrong. */
async function reasons(make) {
  const found = [];
  for (let seed = 1; seed <= 12; seed++) {
    try {
      await storm(new Lab({ seed }), make());
    } catch (error) {
      assert.ok(error instanceof UserCodeError, String(error));
      assert.match(error.message, new RegExp(`seed ${seed} of the lab`));
      found.push(error.reason);
    }
  }
  return found;
}

const bitCount = (number) => number.toString(2).replaceAll('0', '').length;
const blamed = (found, reason) => found.filter((own) => own === reason).length;

testWithLab(test, 'a fish that is a fold is right', { nodes: 4, seeds: 8 }, async (lab, t) => {
  assert.equal(t.name, `a fish that is a fold is right (seed ${lab.seed})`);
  await storm(lab, numbers);
  const states = await Promise.all(lab.nodes.map((node) => lab.node(node).state(numbers)));
  for (const { state } of states) assert.deepEqual(state, states[0].state);
  const held = await lab.node(0).query(query).toArray();
  assert.deepEqual(held.map((event) => event.payload), states[0].state);
  assert.deepEqual(lab.events(numbers).map((event) => event.payload), states[0].state);
});

test('import and require give the same kit', () => {
  const required = createRequire(import.meta.url)('millpond/testing');
  assert.deepEqual(Object.keys(kit).sort(), Object.keys(required).sort());
  for (const name of Object.keys(required)) assert.equal(kit[name], required[name], name);
});

test('equal seeds give equal traces', async () => {
  const traced = async (seed) => {
    const lab = new Lab({ nodes: 5, seed });
    await storm(lab, numbers);
    return lab.trace;
  };
  assert.deepEqual(await traced(7), await traced(7));
  assert.notDeepEqual(await traced(7), await traced(8));
});

test('a step that depends on something else is found', async () => {
  const found = await reasons(() => {
    let asked = 0;
    return numbersBut({ step: (state) => [...state, asked++] });
  });
  assert.equal(found.length, 12);
  assert.ok(blamed(found, 'step') >= 9, String(found));
});

for (const [name, step] of [
  ['counts days', (state) => [...state, new Date().toISOString().slice(0, 10)]],
  ['asks what is over', (state, event) => [...state, event.timeMicros < Date.now() * 1_000]],
  ['measures', (state) => [...state, Math.round(performance.now())]],
  ['draws lots', (state) => [...state, Math.random()]],
]) {
  test(`a step that ${name} is found though the test takes no time`, async () => {
    const before = [Date, Math.random, performance.now];
    const found = await reasons(() => numbersBut({ step }));
    assert.equal(found.length, 12);
    assert.ok(blamed(found, 'step') >= 9, String(found));
    assert.deepEqual([Date, Math.random, performance.now], before);
  });
}

test('a step that only reads times of events is right', async () => {
  const step = (state, event) => {
    const at = new Date(event.timeMicros / 1_000);
    assert.ok(at instanceof Date && new Date(at) instanceof Date);
    return [...state, at.toISOString(), Date.UTC(2026, 0), Date.parse('2026-01-01')];
  };
  assert.deepEqual(await reasons(() => numbersBut({ step })), []);
});

test('a codec that loses something is found', async () => {
  const codec = {
    name: 'forgetful',
    encode: (state) => Uint8Array.from(state.slice(0, -1)),
    decode: (bytes) => [...bytes],
  };
  assert.deepEqual(await reasons(() => numbersBut({ codec })), Array(12).fill('codec'));
});

test('a codec that writes a set in any order is found as that', async () => {
  let turn = 0;
  const codec = {
    name: 'set',
    // Of another language a set has its own order each time.
    encode: (set) => {
      const all = [...set];
      const first = turn++ % Math.max(all.length, 1);
      return Buffer.from(JSON.stringify([...all.slice(first), ...all.slice(0, first)]));
    },
    decode: (bytes) => new Set(JSON.parse(Buffer.from(bytes).toString())),
  };
  const step = (set, event) => set.add(event.lamport);
  const make = () => numbersBut({ initial: () => new Set(), step, codec });
  assert.deepEqual(await reasons(make), Array(12).fill('encode'));
});

test('a reset that is one only sometimes is found', async () => {
  const found = await reasons(() => {
    let asked = 0;
    return numbersBut({ isReset: () => bitCount(asked++) % 3 === 1 });
  });
  assert.equal(found.length, 12);
  assert.ok(blamed(found, 'is_reset') >= 9, String(found));
});

test('resets that are resets are right', async () => {
  const isReset = (event) => event.payload > 80;
  assert.deepEqual(await reasons(() => numbersBut({ isReset })), []);
});

test('code that throws says where, and keeps what it threw', async () => {
  const node = new Lab({ nodes: 2, seed: 3 }).node(0);
  await node.publish([number(1), number(2)]);
  const cause = new RangeError('no steel');
  let isWrong = true;
  const step = (state, event) => {
    if (isWrong && event.payload === 2) throw cause;
    return state + 1;
  };
  const steel = numbersBut({ initial: () => 0, step });
  await assert.rejects(node.state(steel), (error) => {
    assert.ok(error instanceof UserCodeError);
    assert.equal(error.reason, 'step');
    assert.match(error.message, /no steel[^]*seed 3 of the lab/);
    return error.cause === cause;
  });
  isWrong = false;
  assert.equal((await node.state(steel)).state, 2, 'nothing is left of the state that failed');
});

test('code of a fish cannot use the lab that runs it', async () => {
  const lab = new Lab({ nodes: 2 });
  const node = lab.node(0);
  await node.publish([number(1), number(2)]);
  const calls = [
    () => lab.node(1).state(numbers),
    () => node.publish(number(3)),
    () => node.run(numbers, () => null),
    () => node.query(query),
    () => lab.advance(1),
    () => lab.crash(0),
    () => lab.heal(),
    () => lab.below(7),
  ];
  let refused = 0;
  const step = (state) => {
    for (const call of calls) {
      assert.throws(call, InvalidArgumentError);
      refused++;
    }
    return state + 1;
  };
  assert.equal((await node.state(numbersBut({ initial: () => 0, step }))).state, 2);
  assert.ok(refused >= 2 * calls.length);
});

test('partitions, crashes and power cuts do as they are told', async () => {
  const lab = new Lab({ nodes: 4, seed: 1 });
  lab.cut([0, 1], [2]);
  for (const node of lab.nodes) await lab.node(node).publish([number(node)]);
  lab.settle();
  assert.deepEqual(lab.nodes.map((node) => lab.node(node).offsets().total()), [2, 2, 1, 1]);
  lab.heal();
  lab.settle();
  assert.deepEqual((await lab.node(3).state(numbers)).state.sort(), [0, 1, 2, 3]);
  const node = lab.node(0);
  lab.cutPower(0);
  assert.equal(node.isOpen, false);
  await assert.rejects(node.publish(number(1)), ClosedError);
  lab.start(0);
  const before = lab.elapsedMs;
  const first = await node.publish(number(1));
  lab.advance(60_000);
  assert.equal(Math.round(lab.elapsedMs - before), 60_000);
  const second = await node.publish(number(2));
  assert.equal(second.timeMicros, lab.timeMicros(0));
  assert.equal(second.timeMicros - first.timeMicros, 60_000_000);
  for (const time of [1e13, 1e22]) {
    assert.throws(() => lab.advance(time), LimitExceededError);
    assert.throws(() => new Lab({ skewMsMax: time }), LimitExceededError);
  }
});

test('a power cut takes only the last of what was not durable', async () => {
  const kept = new Set();
  for (let seed = 1; seed <= 20; seed++) {
    const lab = new Lab({ nodes: 1, seed });
    const node = lab.node(0);
    for (const own of [0, 1, 2]) await node.publish(number(own), { durability: 'process' });
    lab.cutPower(0);
    lab.start(0);
    const { state } = await node.state(numbers);
    assert.deepEqual(state, [0, 1, 2].slice(0, state.length));
    kept.add(state.length);
  }
  assert.deepEqual([...kept].sort(), [0, 1, 2, 3]);
});

test('a node that dies in a publish has stored it or not', async () => {
  const stored = new Set();
  for (let seed = 1; seed <= 30; seed++) {
    const lab = new Lab({ nodes: 1, seed, faults: 2 });
    const node = lab.node(0);
    const error = await node.run(numbers, () => number(1)).catch((error) => error);
    if (!(error instanceof ClosedError)) continue;
    assert.equal(lab.isUp(0), false);
    stored.add(node.offsets().total());
  }
  assert.deepEqual([...stored].sort(), [0, 1]);
});

test('an effect sees all that earlier ones of its node have published', async () => {
  const lab = new Lab({ seed: 5 });
  const own = [[], [], []];
  for (let turn = 0; turn < 30; turn++) {
    const at = turn % 3;
    lab.chaos(2);
    lab.start(at);
    await lab.node(at).run(numbers, async (state, token) => {
      assert.ok(token.equals(lab.node(at).offsets()));
      for (const before of own[at]) assert.ok(state.includes(before));
      await null;
      return number(turn);
    });
    own[at].push(turn);
  }
});

test('effects are run as those of a node', async () => {
  const lab = new Lab({ nodes: 1 });
  const node = lab.node(0);
  for (const effect of [() => {}, () => null, async () => [], () => Promise.resolve()]) {
    assert.equal(await node.run(numbers, effect), undefined);
  }
  const effects = Array.from({ length: 5 }, () =>
    node.run(numbers, async (state) => (await null, number(state.length))),
  );
  for (const published of await Promise.all(effects)) assert.equal(published.count, 1);
  assert.deepEqual((await node.state(numbers)).state, [0, 1, 2, 3, 4]);
  const count = builtin(query, folds.count());
  assert.equal((await node.run(count, ({ value }) => number(value))).count, 1);
  const mistake = new Error('no steel');
  await assert.rejects(node.run(numbers, () => Promise.reject(mistake)), (error) => {
    assert.deepEqual([error.code, error.reason], ['user_code', 'effect']);
    return error.cause === mistake;
  });
  const nested = node.run(numbers, () => node.run(numbers, () => null));
  await assert.rejects(nested, (error) => error.cause.reason === 'nested_effect');
  const dying = node.run(numbers, async () => {
    await null;
    lab.crash(0);
    lab.start(0);
    return number(7);
  });
  await assert.rejects(dying, ClosedError);
  assert.equal((await node.state(numbers)).state.length, 6);
});

test('a node takes the options of a publish and of a read', async () => {
  const lab = new Lab({ nodes: 2 });
  const [one, other] = lab.nodes.map((node) => lab.node(node));
  const first = await one.publish(number(1), { idempotencyKey: 'order 7' });
  const again = await one.publish(number(1), { idempotencyKey: 'order 7' });
  assert.deepEqual([again.replayed, again.firstOffset], [true, first.firstOffset]);
  await assert.rejects(one.publish(number(1), { expected: 7 }), ConflictError);
  const session = one.session();
  await one.publish(number(2), { session });
  for (const read of [
    other.state(numbers, { session }),
    other.query(query, { after: first.token }).toArray(),
    other.run(numbers, () => null, { session }),
    other.publish(number(3), { session }),
    other.waitFor(first.token),
  ]) {
    await assert.rejects(read, (error) => {
      assert.equal(error.code, 'not_yet_visible');
      return Object.keys(error.missing).length === 1;
    });
  }
  lab.settle();
  const { state, token } = await other.state(numbers, { session, after: first.token });
  assert.deepEqual(state, [1, 2]);
  assert.ok(token.equals(session.token));
  const reserved = one.publish({ tags: ['millpond:account'], payload: 1 });
  await assert.rejects(reserved, { reason: 'reserved_tag' });
  await assert.rejects(one.state(numbers, { signal: AbortSignal.abort() }), { name: 'AbortError' });
});

test('folds without code are judged too', async () => {
  const lab = new Lab();
  for (const node of lab.nodes) {
    await lab.node(node).publish([0, 1, 2, 3].map((n) => number({ n })));
  }
  lab.calm();
  const total = builtin(query, folds.sum('/n'));
  lab.check(total);
  assert.deepEqual((await lab.node(2).state(total)).state, { value: 18, skipped: 0 });
  for (const node of lab.nodes) lab.crash(node);
  assert.equal(lab.events(total).length, 12);
  assert.throws(() => lab.check(total), ClosedError);
});

const greatestBut = (rest) =>
  numbersBut({
    initial: () => 0,
    step: (state, event) => Math.max(state, event.payload),
    growOnly: (one, other) => Math.max(one, other),
    ...rest,
  });

test('the law of fish that only grow is checked, and answers are judged', async () => {
  const lab = new Lab({ nodes: 1 });
  await lab.node(0).publish([5, 1, 5, 9].map(number));
  const greatest = greatestBut({});
  const events = lab.events(greatest);
  checkGrowOnly(greatest, events);
  const said = lint(greatest, events);
  assert.ok(said.isMonotone);
  assert.match(said.reason, /on 4 events/);
  assert.deepEqual(lint(greatest), monotonicity(greatest));
  assert.match(lint(greatest).reason, /check_grow_only/);
  assert.match(lint(numbers, events).reason, /declare that it grows only/);
  const cause = new Error('no steel');
  const fails = () => {
    throw cause;
  };
  for (const [own, own_events, expected] of [
    [numbers, events, { reason: 'grow_only' }],
    [greatestBut({ step: (state) => state + 1 }), events, { reason: 'grow_only' }],
    [greatest, [], { reason: 'no_examples' }],
    [greatest, events.filter((event) => event.payload === 5), { reason: 'no_examples' }],
    [greatestBut({ step: fails }), events, { code: 'user_code', reason: 'step', cause }],
    [greatestBut({ growOnly: fails }), events, { code: 'user_code', reason: 'grow_only', cause }],
  ]) {
    assert.throws(() => checkGrowOnly(own, own_events), expected);
  }
  assert.throws(() => greatestBut({ isReset: () => false }), { reason: 'grow_only' });
});

test('queries and built-in folds are judged with the reason', () => {
  assert.ok(lint(query).isMonotone);
  const counted = lint(builtin(query, folds.count()));
  assert.equal(counted.verdict, 'one_way');
  assert.match(counted.reason, /a count never falls/);
  const summed = lint(builtin(query, folds.sum('/n')));
  assert.match(summed.text, /needs a seal, escrow or a claim/);
});

test('a seed of the environment is the only one; a failure says how to replay it', async (t) => {
  const before = process.env.MILLPOND_SEED;
  t.after(() => {
    if (before === undefined) delete process.env.MILLPOND_SEED;
    else process.env.MILLPOND_SEED = before;
  });
  delete process.env.MILLPOND_SEED;
  assert.deepEqual(seeds(3), [1, 2, 3]);
  assert.throws(() => seeds(0), InvalidArgumentError);
  process.env.MILLPOND_SEED = '77';
  assert.deepEqual(seeds(3), [77]);
  assert.equal(new Lab().seed, 77);
  const failing = explore(async (seed) => assert.equal(seed, 1));
  await assert.rejects(failing, (error) => {
    assert.match(error.message, /MILLPOND_SEED=77 replays it/);
    assert.ok(error.cause instanceof assert.AssertionError);
    return error.seed === 77;
  });
  await assert.rejects(explore(() => Promise.reject(null)), { seed: 77, cause: null });
  process.env.MILLPOND_SEED = 'seven';
  assert.throws(() => seeds(), InvalidArgumentError);
});

test('every reporter shows the seed of a scenario that fails', (t) => {
  const folder = mkdtempSync(fileURLToPath(new URL('scenario-', import.meta.url)));
  t.after(() => rmSync(folder, { recursive: true }));
  const scenario = `
    import assert from 'node:assert/strict';
    import { test } from 'node:test';
    import { explore } from 'millpond/testing';
    test('equal', () => explore((seed) => assert.equal(seed, 1)));
    test('deep', () => explore((seed) => assert.deepEqual({ seed: seed % 5 }, { seed })));
    const frozen = (seed) => { if (seed > 2) throw Object.freeze(new Error('no')); };
    test('frozen', () => explore(frozen));
  `;
  writeFileSync(join(folder, 'scenario.test.mjs'), scenario);
  const { MILLPOND_SEED: _, NODE_TEST_CONTEXT: __, ...env } = process.env;
  for (const reporter of ['spec', 'tap']) {
    const command = ['--test', `--test-reporter=${reporter}`, join(folder, 'scenario.test.mjs')];
    const { status, stdout } = spawnSync(process.execPath, command, { env, encoding: 'utf8' });
    assert.notEqual(status, 0);
    for (const seed of [2, 5, 3]) assert.match(stdout, new RegExp(`MILLPOND_SEED=${seed} replays`));
  }
});

test('a seed that JavaScript cannot hold is refused, and no other one is run', (t) => {
  const before = process.env.MILLPOND_SEED;
  t.after(() => {
    if (before === undefined) delete process.env.MILLPOND_SEED;
    else process.env.MILLPOND_SEED = before;
  });
  for (const seed of ['9007199254740992', '9007199254740993', '18446744073709551615']) {
    process.env.MILLPOND_SEED = seed;
    assert.throws(() => seeds(), InvalidArgumentError);
    assert.throws(() => new Lab(), InvalidArgumentError);
  }
  process.env.MILLPOND_SEED = '9007199254740991';
  assert.deepEqual(seeds(), [Number.MAX_SAFE_INTEGER]);
  assert.equal(new Lab().seed, Number.MAX_SAFE_INTEGER);
});

test('a lab refuses what a node refuses', async () => {
  const node = new Lab({ nodes: 1 }).node(0);
  await node.publish(number(1));
  const promise = () => Promise.reject(new Error('nobody hears this'));
  const codec = { name: 'own', encode: () => 'text', decode: () => 0 };
  for (const [id, reason, rest] of [
    ['truthy', 'is_reset', { isReset: () => 1 }],
    ['forgetful', 'step', { step: () => {} }],
    ['late', 'initial', { initial: promise }],
    ['hidden', 'step', { step: promise }],
    ['wordy', 'encode', { codec }],
  ]) {
    await assert.rejects(node.state(numbersBut({ id, ...rest })), { code: 'user_code', reason });
  }
  for (const call of [
    () => node.state({ id: 'looks like one', query, initial: () => 0, step: () => 0 }),
    () => node.state(numbers, { durability: 'power' }),
    () => node.publish(number(1), { life: 7 }),
    () => node.run(numbers, 7),
  ]) {
    await assert.rejects(call, InvalidArgumentError);
  }
});
