// How a process or a worker ends: by itself, by force, with work in flight.
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname } from 'node:path';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { ClosedError, builtin, fish, folds, newSwarmSecret, open } from 'millpond';
import { STUCK_MS, alone, entry, folder, numbered, run, runClean } from './support.mjs';

const limit = { timeout: STUCK_MS };
const CLOSED = ClosedError.kind.number;
/** What every child begins with: a node without a network, in the folder that it is given. */
const opening = `
  const { builtin, fish, folds, open } = require(process.env.MILLPOND_ENTRY);
  const [path, swarm] = process.argv.slice(1);
  const opened = open({ path, swarm, app: 'child', network: false });
`;
const place = (t) => [folder(t), newSwarmSecret()];

/** How many events a store holds, opened again. */
async function held(t, [path, swarm]) {
  const node = await alone(t, { path, swarm });
  const { length } = await node.query('FROM allEvents').toArray();
  await node.close();
  return length;
}

test('a process exits by itself when everything is closed', limit, async (t) => {
  const args = place(t);
  const code = `${opening} (async () => {
    const node = await opened;
    await node.publish({ tags: ['a'], payload: 1 });
    for await (const event of node.query('FROM allEvents')) console.log(event.payload);
    const subscription = node.subscribe('FROM allEvents');
    await subscription.next();
    await subscription.close();
    await node.close();
    console.log('closed');
  })();`;
  assert.equal(await runClean(code, { args }), '1\nclosed\n');
});

test('an idle open node keeps no process alive, and is closed when it ends', limit, async (t) => {
  const args = place(t);
  const code = `${opening} (async () => {
    const node = await opened;
    await node.publish({ tags: ['a'], payload: 1 }, { durability: 'process' });
    node.subscribe('FROM allEvents');
    console.log('idle');
  })();`;
  assert.equal(await runClean(code, { args }), 'idle\n');
  assert.equal(await held(t, args), 1);
});

test('a pending operation keeps the process alive until it ends', limit, async (t) => {
  const args = place(t);
  const code = `${opening}
    opened.then(async (node) => {
      const subscription = node.subscribe('FROM allEvents');
      await subscription.nextBatch();
      const waiting = subscription.nextBatch({ timeoutMs: 300 });
      await waiting.catch((error) => console.log(error.code));
    });`;
  assert.equal(await runClean(code, { args }), 'timeout\n');
});

test('process.exit in flight loses nothing acknowledged and crashes nothing', limit, async (t) => {
  for (let round = 0; round < 20; round++) {
    const args = [...place(t), folder(t)];
    const code = `${opening} (async () => {
      const node = await opened;
      let acknowledged = 0;
      process.on('exit', () => console.log(acknowledged));
      (async () => { for await (const event of node.subscribe('FROM allEvents')); })();
      node.subscribe("FROM 'never'").next();
      for (let at = 0; ; at++) {
        const publishing = node.publish({ tags: ['a'], payload: at });
        if (at === ${round}) {
          open({ path: process.argv[3], swarm, app: 'child', network: false });
          node.query('FROM allEvents').toArray();
          process.exit(0);
        }
        await publishing;
        acknowledged++;
      }
    })();`;
    const acknowledged = Number(await runClean(code, { args }));
    assert.ok((await held(t, args)) >= acknowledged);
    const own = basename(args[0]);
    const beside = readdirSync(dirname(args[0])).filter((name) => name.startsWith(own));
    assert.deepEqual(beside, [own], 'it stays within its folders');
  }
});

test('an exception nobody catches ends the process as always', limit, async (t) => {
  const args = place(t);
  const code = `${opening} opened.then((node) => {
    node.subscribe('FROM allEvents').next();
    throw new Error('of the application');
  });`;
  const ended = await run(code, { args });
  assert.equal(ended.status, 1);
  assert.match(ended.stderr, /of the application/);
});

test('what gives one after the other and nobody holds is collected', limit, async (t) => {
  const args = place(t);
  const code = `${opening} opened.then(async (node) => {
    await node.publish([{ payload: 1 }, { payload: 2 }]);
    const { signal } = new AbortController();
    const left = new Set();
    const read = async (reading) => {
      await reading.next();
      left.add(new WeakRef(reading));
    };
    const fish = builtin('FROM allEvents', folds.count());
    const steel = node.account('steel');
    await steel.create({ amount: 1, floor: 0 });
    for (const options of [{ signal }, {}]) {
      for (let at = 0; at < 25; at++) {
        await read(node.query('FROM allEvents', options));
        await read(node.subscribe('FROM allEvents', options));
        await read(node.observe(fish, options));
        await read(node.observeAll('FROM allEvents', () => fish, options));
        await read(steel.reports(options));
      }
    }
    for (let at = 0; at < 25; at++) await read(await node.doOptimistically('job ' + at));
    while (left.size > 0) {
      await new Promise(setImmediate);
      gc();
      for (const reading of left) if (reading.deref() === undefined) left.delete(reading);
    }
    await node.close();
    console.log('collected');
  });`;
  assert.equal(await runClean(code, { args, flags: ['--expose-gc'] }), 'collected\n');
});

const working = `
  const { parentPort, workerData } = require('node:worker_threads');
  const { open } = require(workerData.entry);
  open({ ...workerData.options, app: 'worker', network: false }).then(async (node) => {
    await node.publish({ tags: [workerData.tag], payload: 1 });
    const subscription = node.subscribe('FROM allEvents');
    await subscription.next();
    if (workerData.leave) await node.close();
    else for (let at = 0; ; at++) {
      const pending = subscription.next();
      parentPort.postMessage('waiting');
      await pending;
    }
  });
`;

function worker(options, more = {}) {
  const workerData = { entry, options, tag: 'worker', ...more };
  return new Worker(working, { eval: true, workerData });
}

const ended = (thread) =>
  new Promise((resolve, reject) => thread.on('error', reject).on('exit', resolve));

test('workers share a store with the main thread and exit by themselves', limit, async (t) => {
  const [path, swarm] = place(t);
  const node = await alone(t, { path, swarm });
  const threads = Array.from({ length: 3 }, () => worker({ path, swarm }, { leave: true }));
  assert.deepEqual(await Promise.all(threads.map(ended)), [0, 0, 0]);
  assert.equal((await node.query("FROM 'worker'").toArray()).length, 3);
});

test('a worker that is terminated while it waits closes its node', limit, async (t) => {
  for (let round = 0; round < 5; round++) {
    const [path, swarm] = place(t);
    const thread = worker({ path, swarm });
    await new Promise((resolve, reject) => thread.once('message', resolve).once('error', reject));
    await thread.terminate();
    assert.equal(await held(t, [path, swarm]), 1);
  }
});

test('what an environment left behind is closed with it', limit, async (t) => {
  const [path, swarm] = place(t);
  const own = await alone(t, { path, swarm });
  const code = `
    const { parentPort, workerData } = require('node:worker_threads');
    const { open, fish } = require(workerData.entry);
    const { bridge, operate } = require(workerData.entry.replace('index', 'operations'));
    open({ ...workerData.options, app: 'worker', network: false }).then(async (node) => {
      const spec = { query: 'FROM allEvents', fold: '{"fold":"count"}' };
      const { handle } = await operate('test', undefined, (ticket, limit) =>
        bridge.observe(ticket, node.place.handle, spec, {}, limit));
      parentPort.postMessage({ observer: handle, session: bridge.sessionNew() });
      setInterval(() => {}, 1000);
    });`;
  const thread = new Worker(code, {
    eval: true,
    workerData: { entry, options: { path, swarm } },
  });
  t.after(() => thread.terminate());
  const told = new Promise((resolve, reject) => {
    thread.once('message', resolve).once('error', reject);
  });
  const { observer, session } = await told;
  const require = createRequire(import.meta.url);
  const { native } = require(entry.replace('index', 'native'));
  const { bridge, operate } = require(entry.replace('index', 'operations'));
  const ask = (ticket, limit) => bridge.observerNext(ticket, observer, limit);
  native.sessionToken(session);
  await operate('test', undefined, ask);
  await thread.terminate();
  assert.throws(() => native.sessionToken(session), { number: CLOSED });
  await assert.rejects(operate('test', undefined, ask), ClosedError);
  await own.publish({ payload: 1 });
});

test('whatever an environment left open is closed with it', limit, async (t) => {
  const [path, swarm] = place(t);
  const own = await alone(t, { path, swarm });
  await own.publish(numbered(3));
  const left = fish({
    id: 'left',
    version: 1,
    query: "FROM 'grain'",
    initial: () => 0,
    step: (count) => count + 1,
  });
  const code = `
    const { parentPort, workerData } = require('node:worker_threads');
    const { open, builtin, fish, folds } = require(workerData.entry);
    const { bridge, operate } = require(workerData.entry.replace('index', 'operations'));
    open({ ...workerData.options, app: 'worker', network: false }).then(async (node) => {
      const { place: { handle } } = node;
      const ask = (call, ...rest) => operate('test', undefined, (ticket, limit) =>
        bridge[call](ticket, handle, ...rest, limit));
      const step = (count) => count + 1;
      const of = { id: 'left', version: 1, query: "FROM 'grain'", initial: () => 0, step };
      const built = builtin("FROM 'grain'", folds.count()).spec();
      const { fold } = await ask('observe', fish(of).spec(), {});
      const observer = (await ask('observe', built, {})).handle;
      const turn = await operate('test', undefined, (ticket, limit) =>
        bridge.observerTurn(ticket, observer, false, undefined, limit));
      parentPort.postMessage({
        fold,
        turn: turn.handle,
        group: (await ask('observeGroup', "FROM 'grain'", false, {})).handle,
        doing: (await ask('doOptimistically', { kind: 'doing_begin', name: 'weld' }, {})).handle,
        subscription: (await ask('subscribe', "FROM 'grain'", {})).handle,
        cursor: (await ask('query', "FROM 'grain'", {})).handle,
      });
      setInterval(() => {}, 1000);
    });`;
  const thread = new Worker(code, {
    eval: true,
    workerData: { entry, options: { path, swarm } },
  });
  t.after(() => thread.terminate());
  const told = new Promise((resolve, reject) => {
    thread.once('message', resolve).once('error', reject);
  });
  const { fold, turn, group, doing, subscription, cursor } = await told;
  const require = createRequire(import.meta.url);
  const { native } = require(entry.replace('index', 'native'));
  const { bridge, operate } = require(entry.replace('index', 'operations'));
  const brief = { timeoutMs: 20 };
  const nothing = () => null;
  const count = builtin("FROM 'grain'", folds.count());
  // All of it is there: nobody works the fold, and the turn is taken.
  native.subscriptionLag(subscription);
  native.cursorCompleteness(cursor);
  native.doingKey(doing);
  await assert.rejects(own.state(left, brief), { code: 'timeout' });
  await assert.rejects(own.run(count, nothing, brief), { code: 'timeout' });
  await thread.terminate();
  const asks = {
    fold: (ticket, limit) => bridge.foldNext(ticket, fold, undefined, limit),
    turn: (ticket, limit) => bridge.turnPublish(ticket, turn, Buffer.alloc(4), {}, limit),
    group: (ticket, limit) => bridge.groupNext(ticket, group, undefined, limit),
    doing: (ticket, limit) => bridge.doingNext(ticket, doing, limit),
    subscription: (ticket, limit) =>
      bridge.subscriptionNext(ticket, subscription, undefined, limit),
    cursor: (ticket, limit) => bridge.cursorNext(ticket, cursor, undefined, limit),
  };
  for (const [name, ask] of Object.entries(asks)) {
    await assert.rejects(operate('test', undefined, ask), ClosedError, name);
  }
  assert.equal((await own.state(left)).state, 3);
  assert.equal(await own.run(count, nothing), undefined);
});

test('a process whose workers alone loaded the package ends cleanly', limit, async (t) => {
  const args = place(t);
  const code = `
    const { Worker } = require('node:worker_threads');
    const [path, swarm] = process.argv.slice(1);
    const workerData = { entry: process.env.MILLPOND_ENTRY, tag: 'a', options: { path, swarm } };
    const next = (left) => {
      if (left === 0) return console.log('done');
      const leave = left % 2 === 0;
      const thread = new Worker(${JSON.stringify(working)}, {
        eval: true, workerData: { ...workerData, leave },
      });
      thread.once('message', () => thread.terminate());
      thread.on('exit', () => next(left - 1));
    };
    next(6);`;
  assert.equal(await runClean(code, { args }), 'done\n');
});

test('a panic inside is an InternalError, and the node still closes', limit, async (t) => {
  for (const [at, call] of [
    ['node_publish', 'node.publish({ payload: 1 })'],
    ['node_query', "node.query('FROM allEvents').toArray()"],
    ['read', "node.query('FROM allEvents').toArray()"],
    ['cursor_next_batch', "node.query('FROM allEvents').toArray()"],
    ['cursor_explain', "node.query('FROM allEvents').explain()"],
    ['node_explain', '(async (all) => (await all.close(), all.explain()))(node.query(ALL))'],
    ['node_connect', "node.connect('nobody')"],
    ['node_disconnect', "(async () => node.disconnect('nobody'))()"],
    ['node_offsets', '(async () => node.offsets())()'],
    ['node_set_network', '(async () => node.setNetwork(true))()'],
    ['node_set_secrets', "(async () => node.setSecrets('ab'))()"],
    ['node_subscribe', "node.subscribe('FROM allEvents').next()"],
    ['subscription_next_batch', "node.subscribe('FROM allEvents').next()"],
    ['node_status_json', '(async () => node.status())()'],
    ['node_verify_json', '(async () => node.verify())()'],
    ['node_compact_json', '(async () => node.compact())()'],
    ['node_next_status', '(async () => node.subscribeStatus().next())()'],
    ['node_metrics', '(async () => node.metrics())()'],
    ['node_stats_json', '(async () => node.stats())()'],
    ['node_ticket', '(async () => node.ticket())()'],
    ['node_observe', 'node.observe(sum).next()'],
    ['observer_next_state', 'node.observe(sum).next()'],
    ['observer_state', 'node.state(sum)'],
    ['observer_turn', 'node.run(sum, () => null)'],
    ['turn_publish', 'node.run(sum, () => ({ payload: 1 }))'],
    ['node_observe_group', 'node.observeAll(ALL, () => null).next()'],
    ['group_next_step', 'node.observeAll(ALL, () => null).next()'],
    ['node_account', "node.account('a').report()"],
    ['node_act', "node.account('a').create({ amount: 1, floor: 0 })"],
    ['node_do_optimistically', "node.doOptimistically('a')"],
    // What follows is work on a thread: see that no deed is decided on the event loop's.
    ['node_act_work', "node.account('a').create({ amount: 1, floor: 0 })"],
    ['node_do_optimistically_work', "node.doOptimistically('a')"],
  ]) {
    const args = place(t);
    const code = `${opening} const ALL = 'FROM allEvents';
    const sum = builtin(ALL, folds.count());
    opened.then(async (node) => {
      process.env.MILLPOND_PANIC_AT = ${JSON.stringify(at)};
      await ${call}.then(() => console.log('no error'), (error) => console.log(error.name));
      delete process.env.MILLPOND_PANIC_AT;
      await node.publish({ payload: 1 }).catch((error) => console.log(error.name));
      await node.close();
      console.log('closed');
    });`;
    const { status, stdout, stderr } = await run(code, { args });
    assert.equal(stdout, 'InternalError\nInternalError\nclosed\n', `${at}: ${stderr}`);
    if (at.endsWith('_work')) assert.match(stderr, /'millpond-work'/, at);
    assert.equal(status, 0, at);
  }
});

test('a store that another process owns is refused until it is free', limit, async (t) => {
  const [path, swarm] = place(t);
  const node = await alone(t, { path, swarm });
  const code = `${opening} opened.then(
    () => console.log('opened'),
    (error) => console.log(error.name, error.code, error.retryable),
  );`;
  const refused = await runClean(code, { args: [path, swarm] });
  assert.equal(refused, 'StoreLockedError store_locked true\n');
  await node.close();
  const next = await open({ path, swarm, app: 'test', network: false });
  await next.close();
});
