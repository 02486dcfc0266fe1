// The testing kit: what it says of a scenario that fails.
import assert from 'node:assert/strict';
import { performance } from 'node:perf_hooks';
import { test } from 'node:test';
import { InvalidArgumentError, fish } from 'millpond';
import { Lab, ScenarioError, explore, testWithLab } from 'millpond/testing';

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

test('a run whose labs the kit did not see proves nothing', async (t) => {
  setting(t);
  const labs = new Map();
  const cached = (seed) => {
    if (!labs.has(seed)) labs.set(seed, new Lab({ seed }));
    labs.get(seed).chaos(20);
    throw new RangeError('no water');
  };
  assert.doesNotMatch((await failure(explore(cached, 1))).message, /befell/);
  const many = (seed) => {
    for (let lab = 0; lab < 65; lab++) new Lab({ nodes: 1, seed }).chaos(20);
    throw new RangeError('no water');
  };
  assert.doesNotMatch((await failure(explore(many, 1))).message, /befell/);
  const endless = (seed) => {
    const lab = new Lab({ seed });
    while (lab.befell.length < 10_000) lab.chaos(5_000);
    throw new RangeError('no water');
  };
  assert.doesNotMatch((await failure(explore(endless, 1))).message, /befell/);
});

test('another assertion that fails is another failure', async (t) => {
  setting(t);
  const scenario = (check) => async (seed) => {
    const lab = new Lab({ seed });
    lab.chaos(20);
    await null;
    check(lab.befell.length > 0, 'nothing befell');
    check(false, 'at (here:1:2)\n    at there:3:4');
  };
  const thrown = (isTrue, message) => {
    if (!isTrue) throw new Error(message);
  };
  for (const check of [assert.ok, (...said) => assert.ok(...said), thrown]) {
    const { message, cause } = await failure(explore(scenario(check), 1));
    // A helper of the test is one place, whoever calls it.
    const enough = check === assert.ok ? /\n1 of the \d+ things/ : /without any of the \d+ things/;
    assert.match(message, enough);
    assert.match(cause.message, /there:3:4/);
  }
});

test('what the judge finds is the same fault wherever it finds it', async (t) => {
  setting(t);
  const scenario = (threw) => async (seed) => {
    const lab = new Lab({ nodes: 1, seed });
    lab.chaos(20);
    const hasBefallen = lab.befell.length > 0;
    const step = () => {
      if (hasBefallen) throw new RangeError('no water');
      else threw();
    };
    const wrong = fish({ id: 'wrong', version: 1, query: "FROM 'number'", initial: () => 0, step });
    await lab.node(0).publish(number(1));
    if (hasBefallen) return lab.node(0).state(wrong);
    lab.check(wrong);
  };
  const same = (threw) => failure(explore(scenario(threw), 1));
  const other = await same(() => {
    throw new RangeError('no steel');
  });
  assert.match(other.message, /\n[1-9]\d* of the \d+ things/, 'another place of the fish');
  const judged = (seed) => {
    const lab = new Lab({ nodes: 1, seed });
    lab.chaos(20);
    let asked = 0;
    const step = (state) => [...state, asked++];
    const wrong = fish({ id: 'odd', version: 1, query: "FROM 'number'", initial: () => [], step });
    void lab.node(0).publish([number(1), number(2), number(3)]);
    if (lab.befell.length > 0) lab.check(wrong);
    else lab.check(wrong);
  };
  assert.match((await failure(explore(judged, 1))).message, /without any of the \d+ things/);
});

test('all runs end before a runner gives the test up', async (t) => {
  setting(t);
  let runs = 0;
  const slow = (seed) => {
    runs += 1;
    const end = performance.now() + 1_600;
    new Lab({ seed }).chaos(20);
    while (performance.now() < end);
    throw new RangeError('no water');
  };
  const { message } = await failure(explore(slow, 1));
  assert.match(message, /things that befell/);
  // A runner gives 5 s, and a third one would end after 4.8 s.
  assert.ok(runs <= 2, String(runs));
});

test('a run that waits for ever is given up whatever the clock of the test', async (t) => {
  setting(t);
  const waiting = async (seed) => {
    if (!t.mock.timers.isHeld) t.mock.timers.enable({ apis: ['setTimeout'] });
    t.mock.timers.isHeld = true;
    const lab = new Lab({ seed });
    lab.chaos(20);
    if (lab.befell.length < 3) await new Promise(() => {});
    throw new RangeError('no water');
  };
  assert.match((await failure(explore(waiting, 1))).message, /things that befell/);
});

test('a lab without a seed has that of its run, and the hint replays it', async (t) => {
  const set = setting(t);
  const made = [];
  const scenario = () => {
    const lab = new Lab();
    lab.chaos(20);
    made.push([lab.seed, lab.trace]);
    assert.ok(lab.seed < 5, 'no steel');
  };
  const error = await failure(explore(scenario, 9, { shrink: false }));
  assert.equal(error.seed, 5);
  assert.deepEqual(made.map(([seed]) => seed), [1, 2, 3, 4, 5]);
  set('MILLPOND_SEED', '5');
  assert.equal((await failure(explore(scenario, 9, { shrink: false }))).seed, 5);
  assert.deepEqual(made.at(-1), made.at(-2));
  // A run is that of its seed, whatever the environment says by then.
  const bodies = [];
  const own = (lab) => made.push([lab.seed, new Lab().seed, new Lab({ seed: 4 }).seed]);
  testWithLab((name, body) => bodies.push(body), 'own', {}, own);
  for (const said of ['7', undefined]) {
    set('MILLPOND_SEED', said);
    await bodies[0]();
    assert.deepEqual(made.at(-1), [5, 5, 4]);
  }
});

test('what goes wrong while less is tried takes nothing from the failure', async (t) => {
  setting(t);
  let runs = 0;
  const scenario = (seed) => {
    new Lab({ seed }).chaos(20);
    const error = new RangeError('no water');
    const get = () => {
      throw new TypeError('nobody reads this');
    };
    if (runs++ > 0) Object.defineProperty(error, 'code', { get });
    throw error;
  };
  const error = await failure(explore(scenario, 1));
  assert.ok(error instanceof ScenarioError, String(error));
  assert.match(error.message, /MILLPOND_SEED=1 replays it[^]*nobody reads this/);
  assert.equal(error.cause.message, 'no water');
  assert.equal(runs, 2);
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
