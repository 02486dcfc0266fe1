// The testing kit: what it says of a scenario that fails.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InvalidArgumentError } from 'millpond';
import { Lab, explore, testWithLab } from 'millpond/testing';

const number = (payload) => ({ tags: ['number'], payload });

/** Whether node 1 lost its power while nobody reached it. */
function powerOfNode1(lab) {
  let isCutOff = false;
  for (const { what } of lab.befell) {
    if (what.includes('is cut into')) isCutOff = what.includes('[1]');
    else if (what === 'the network is healed') isCutOff = false;
    else if (what === 'node 1 loses its power' && isCutOff) return true;
  }
  return false;
}

/** Fails where node 1 loses its power after it was cut off. */
async function scenario(seed) {
  const lab = new Lab({ seed });
  for (let turn = 0; turn < 20; turn++) {
    lab.chaos(2);
    for (const node of lab.nodes.filter((node) => lab.isUp(node))) {
      await lab.node(node).publish(number(turn));
    }
  }
  assert.ok(!powerOfNode1(lab), 'no steel');
}

/** Sets variables of the environment, and sets them back at the end of a test. */
function setting(t) {
  const names = ['MILLPOND_SEED', 'MILLPOND_WITHOUT'];
  const before = names.map((name) => [name, process.env[name]]);
  const set = (name, value) => {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  };
  t.after(() => before.forEach(([name, value]) => set(name, value)));
  names.forEach((name) => set(name, undefined));
  return set;
}

const failure = (promise) =>
  promise.then(
    () => assert.fail('it ended well'),
    (error) => error,
  );

test('a failure says the two befalls that it takes, and they replay it', async (t) => {
  const set = setting(t);
  const error = await failure(explore(scenario));
  assert.match(error.cause.message, /no steel/);
  const [hint, first, cut, power, replay] = error.message.split('\n');
  assert.match(hint, /replays it with this version of millpond \(schedule \d+\)$/);
  assert.match(first, /^2 of the \d+ things/);
  assert.ok(cut.includes('[1]') && power.includes('node 1 loses its power'), error.message);
  for (const variable of replay.split(' replays that')[0].split(' ')) set(...variable.split('='));
  const replayed = await failure(explore(scenario));
  assert.match(replayed.message, /^[^\n]* MILLPOND_WITHOUT=[^\n]*$/, 'nothing smaller');
  const lab = new Lab();
  lab.chaos(40);
  assert.equal(lab.befell.length, 2);
  set('MILLPOND_SEED', undefined);
  await assert.rejects(explore(scenario), InvalidArgumentError);
});

test('each test has its own run, also those that are under way at once', async (t) => {
  setting(t);
  const bodies = [];
  const collected = (name, body) => bodies.push(body);
  const steal = async (lab, ...context) => {
    for (let turn = 0; turn < 30; turn++) {
      lab.chaos(2);
      await null;
    }
    assert.deepEqual(context, ['context']);
    assert.ok(lab.befell.every(({ what }) => what !== 'node 1 crashes'));
  };
  testWithLab(collected, 'a', { seeds: 3 }, steal);
  const errors = await Promise.all(bodies.map((body) => failure(body('context'))));
  errors.forEach((error, index) => {
    assert.equal(error.seed, index + 1);
    assert.match(error.message, /\n1 of the \d+ things[^\n]*\n  \[\d+\] node 1 crashes\n/);
  });
});

test('a failure is not made smaller where nobody wants it, and none lasts', async (t) => {
  const set = setting(t);
  const seen = [];
  const counted = (seed) => (seen.push(seed), scenario(seed));
  const whole = await failure(explore(counted, 100, { shrink: false }));
  assert.doesNotMatch(whole.message, /befell/);
  assert.deepEqual(seen, Array.from(seen, (_, index) => index + 1));
  set('MILLPOND_WITHOUT', '');
  assert.doesNotMatch((await failure(explore(scenario))).message, /befell/);
  set('MILLPOND_WITHOUT', undefined);
  // With less than the whole it never ends.
  const waiting = async (seed) => {
    const lab = new Lab({ seed });
    lab.chaos(20);
    if (lab.befell.length < 3) await new Promise(() => {});
    throw new RangeError('no water');
  };
  const waited = await failure(explore(waiting));
  assert.ok(waited.cause instanceof RangeError);
  assert.match(waited.message, /things that befell/);
  await assert.rejects(explore(scenario, 1, { shrunk: true }), InvalidArgumentError);
});

test('what befalls can be left out by its number', () => {
  const befell = (...without) => {
    const lab = new Lab({ seed: 3, without });
    lab.chaos(30);
    return lab.befell;
  };
  const [first, ...others] = befell();
  const rest = new Map(befell(first.number).map(({ number, what }) => [number, what]));
  assert.ok(!rest.has(first.number));
  for (const { number, what } of others) assert.equal(rest.get(number) ?? what, what);
  assert.deepEqual(befell(...Array.from({ length: 100 }, (_, number) => number)), []);
  assert.throws(() => new Lab({ without: ['one'] }), InvalidArgumentError);
});
