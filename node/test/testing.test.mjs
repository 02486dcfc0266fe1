// The testing kit: what it makes of fish that are right, and of those that are not.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { test } from 'node:test';
import { ClosedError, InvalidArgumentError, UserCodeError } from 'millpond';
import * as kit from 'millpond/testing';
import { Lab, checkGrowOnly, explore, lint, seeds, testWithLab } from 'millpond/testing';

const query = "FROM 'number'";

/** The numbers in their order. */
const numbers = {
  id: 'numbers',
  version: 1,
  query,
  initial: () => [],
  step: (state, event) => {
    state.push(event.payload);
    return state;
  },
};

/** Everything goes wrong while nodes publish, and then all is well. */
function storm(lab, fish) {
  for (let round = 0; round < 8; round++) {
    lab.chaos(2);
    for (const node of lab.nodes.filter((node) => lab.isUp(node))) {
      for (let left = lab.below(3); left > 0; left--) {
        const durability = lab.below(4) === 0 ? 'process' : 'power';
        lab.publish(node, { tags: ['number'], payload: lab.below(100) }, { durability });
      }
      if (lab.below(2) === 1) lab.state(node, fish);
    }
  }
  lab.calm();
  lab.check(fish);
}

/** What is said of a fish, for each seed with which it is found wrong. */
function reasons(make) {
  return Array.from({ length: 12 }, (_, index) => {
    try {
      storm(new Lab({ seed: index + 1 }), make());
      return undefined;
    } catch (error) {
      assert.ok(error instanceof UserCodeError, String(error));
      assert.match(error.message, new RegExp(`MILLPOND_SEED=${index + 1}\\b`));
      return error.reason;
    }
  }).filter((reason) => reason !== undefined);
}

const bitCount = (number) => number.toString(2).replaceAll('0', '').length;
const blamed = (found, reason) => found.filter((own) => own === reason).length;

testWithLab(test, 'a fish that is a fold is right', { nodes: 4, seeds: 8 }, (lab) => {
  storm(lab, numbers);
  const states = lab.nodes.map((node) => lab.state(node, numbers));
  for (const state of states) assert.deepEqual(state, states[0]);
  assert.deepEqual(lab.query(0, query).map((event) => event.payload), states[0]);
});

test('import and require give the same kit', () => {
  const required = createRequire(import.meta.url)('millpond/testing');
  assert.deepEqual(Object.keys(kit).sort(), Object.keys(required).sort());
  for (const name of Object.keys(required)) assert.equal(kit[name], required[name], name);
});

test('equal seeds give equal traces', () => {
  const traced = (seed) => {
    const lab = new Lab({ nodes: 5, seed });
    storm(lab, numbers);
    return lab.trace;
  };
  assert.deepEqual(traced(7), traced(7));
  assert.notDeepEqual(traced(7), traced(8));
});

test('a step that depends on something else is found', () => {
  const found = reasons(() => {
    let asked = 0;
    return { ...numbers, step: (state) => [...state, asked++] };
  });
  assert.equal(found.length, 12);
  assert.ok(blamed(found, 'step') >= 9, String(found));
});

test('a codec that loses something is found', () => {
  const codec = {
    name: 'forgetful',
    encode: (state) => Uint8Array.from(state.slice(0, -1)),
    decode: (bytes) => [...bytes],
  };
  assert.deepEqual(reasons(() => ({ ...numbers, codec })), Array(12).fill('codec'));
});

test('a reset that is one only sometimes is found', () => {
  const found = reasons(() => {
    let asked = 0;
    return { ...numbers, isReset: () => bitCount(asked++) % 3 === 1 };
  });
  assert.equal(found.length, 12);
  assert.ok(blamed(found, 'is_reset') >= 9, String(found));
});

test('resets that are resets are right', () => {
  const isReset = (event) => event.payload > 80;
  assert.deepEqual(reasons(() => ({ ...numbers, isReset })), []);
});

test('code that throws says where, and keeps what it threw', () => {
  const lab = new Lab({ nodes: 2, seed: 3 });
  lab.publish(0, { tags: ['number'], payload: 1 });
  const cause = new RangeError('no steel');
  const step = () => {
    throw cause;
  };
  const thrown = (error) => {
    assert.ok(error instanceof UserCodeError);
    assert.equal(error.reason, 'step');
    assert.match(error.message, /no steel[^]*MILLPOND_SEED=3/);
    return error.cause === cause;
  };
  assert.throws(() => lab.state(0, { ...numbers, step }), thrown);
});

test('partitions, crashes and power cuts do as they are told', () => {
  const lab = new Lab({ nodes: 4, seed: 1 });
  lab.cut([0, 1], [2]);
  for (const node of lab.nodes) lab.publish(node, [{ tags: ['number'], payload: node }]);
  lab.settle();
  assert.deepEqual(lab.nodes.map((node) => lab.offsets(node).total()), [2, 2, 1, 1]);
  lab.heal();
  lab.settle();
  assert.deepEqual(lab.state(3, numbers).sort(), [0, 1, 2, 3]);
  lab.publish(0, { tags: ['number'], payload: 9 }, { durability: 'process' });
  lab.cutPower(0);
  assert.throws(() => lab.publish(0, { payload: 1 }), ClosedError);
  lab.start(0);
  lab.advance(60_000);
  assert.ok(lab.elapsedMs >= 60_000);
  assert.ok(!lab.state(0, numbers).includes(9));
});

test('an effect sees what earlier ones have published', () => {
  const lab = new Lab({ seed: 5 });
  for (let turn = 0; turn < 9; turn++) {
    const node = turn % 3;
    lab.chaos(2);
    lab.start(node);
    const before = lab.state(node, numbers).length;
    const effect = (state) => [{ tags: ['number'], payload: state.length }];
    assert.equal(lab.run(node, numbers, effect).count, 1);
    assert.ok(lab.state(node, numbers).includes(before));
  }
  assert.equal(lab.run(0, numbers, () => []), undefined);
});

test('folds without code are judged too', () => {
  const lab = new Lab();
  for (const node of lab.nodes) {
    lab.publish(node, [0, 1, 2, 3].map((n) => ({ tags: ['number'], payload: { n } })));
  }
  lab.calm();
  const total = { query, fold: { fold: 'sum', of: '/n' } };
  lab.check(total);
  assert.deepEqual(lab.state(2, total), { value: 18, skipped: 0 });
});

test('the law of fish that only grow is checked, and answers are judged with the reason', () => {
  const lab = new Lab({ nodes: 1 });
  lab.publish(0, [5, 1, 5, 9].map((payload) => ({ tags: ['number'], payload })));
  const events = lab.query(0, query);
  const growOnly = Math.max;
  const greatest = {
    ...{ id: 'greatest', version: 1, query, initial: () => 0, growOnly },
    step: (state, event) => Math.max(state, event.payload),
  };
  checkGrowOnly(greatest, events);
  const count = { ...greatest, step: (state) => state + 1 };
  const broken = { reason: 'grow_only', message: /an event counts once/ };
  assert.throws(() => checkGrowOnly(count, events), broken);
  assert.throws(() => checkGrowOnly(numbers, events), InvalidArgumentError);
  assert.ok(lint(greatest, events).isMonotone);
  assert.equal(lint(greatest).verdict, 'not_monotone');
  assert.ok(lint(query).isMonotone);
  const counted = lint({ query, fold: { fold: 'count' } });
  assert.equal(counted.verdict, 'one_way');
  assert.match(counted.reason, /a count never falls/);
  const summed = lint({ query, fold: { fold: 'sum', of: '/n' } });
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
  const folder = mkdtempSync(join(import.meta.dirname, 'scenario-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const scenario = `
    import assert from 'node:assert/strict';
    import { test } from 'node:test';
    import { explore } from 'millpond/testing';
    test('equal', () => explore((seed) => assert.equal(seed, 1, undefined)));
    test('deep', () => explore((seed) => assert.deepEqual({ seed: seed % 5 }, { seed })));
    test('frozen', () => explore((seed) => { if (seed > 2) throw Object.freeze(new Error('no')); }));
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

test('a lab refuses what a node refuses', () => {
  const lab = new Lab({ nodes: 1 });
  lab.publish(0, { tags: ['a'], payload: 1 });
  const own = (id, rest) => ({
    ...{ id, version: 1, query: "FROM 'a'", initial: () => 0, step: (count) => count + 1 },
    ...rest,
  });
  const promise = () => Promise.reject(new Error('nobody hears this'));
  const codec = { name: 'own', encode: () => 'text', decode: () => 0 };
  for (const [id, reason, rest] of [
    ['truthy', 'is_reset', { isReset: () => 1 }],
    ['forgetful', 'step', { step: () => {} }],
    ['late', 'initial', { initial: promise }],
    ['hidden', 'step', { step: promise }],
    ['wordy', 'encode', { codec }],
    ['publishing', 'step', { step: (count) => (lab.publish(0, { payload: 1 }), count + 1) }],
  ]) {
    assert.throws(() => lab.state(0, own(id, rest)), { code: 'user_code', reason });
  }
  const counting = own('counting', {});
  assert.equal(lab.run(0, counting, (count) => ({ tags: ['a'], payload: count })).count, 1);
  assert.equal(lab.run(0, counting, () => null), undefined);
  assert.equal(lab.run(0, counting, () => {}), undefined);
  assert.throws(() => lab.run(0, counting, promise), TypeError);
});
