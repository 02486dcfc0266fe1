// The testing kit: accounts, claims and restored disks of a lab.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  ClosedError,
  InvalidArgumentError,
  NotFoundError,
  NotYetVisibleError,
  OverdraftError,
  QueryInvalidError,
  TimeoutError,
  fenceAdmits,
} from 'millpond';
import { Lab, explore } from 'millpond/testing';
import { STUCK_MS, alone } from './support.mjs';

const limit = { timeout: STUCK_MS };

/** What an application does: it knows nothing of labs. Resolves with what it took. */
async function spend(node, amount) {
  const steel = node.account('steel');
  try {
    await steel.withdraw(amount, { note: { order: 7 } });
    return amount;
  } catch (error) {
    if (!(error instanceof OverdraftError)) throw error;
    const { available } = error.details;
    if (available > 0) await steel.withdraw(available);
    return available;
  }
}

/** 1,000 in London, and New York may spend 400 of it. */
async function divided(lab) {
  const shares = { [lab.node(1).id]: 400 };
  await lab.node(0).account('steel').create({ amount: 1000, floor: 0, shares });
  lab.settle();
}

test('what withdraws from an account runs on a node and in a lab', limit, async (t) => {
  const lab = new Lab({ nodes: 1 });
  for (const node of [await alone(t), lab.node(0)]) {
    await node.account('steel').create({ amount: 1000, floor: 0 });
    const taken = [await spend(node, 900), await spend(node, 900), await spend(node, 1)];
    assert.deepEqual(taken, [900, 100, 0]);
    const { balance, available } = await node.account('steel').report();
    assert.deepEqual([balance, available], [0, 0]);
  }
});

test('London and New York divide an account with every seed', limit, () =>
  explore(async (seed) => {
    const lab = new Lab({ nodes: 2, seed });
    const [london, newYork] = [lab.node(0), lab.node(1)];
    await divided(lab);
    lab.cut([0], [1]);
    await london.account('steel').withdraw(500);
    lab.advance(lab.below(60_000));
    await assert.rejects(newYork.account('steel').withdraw(900), (error) => {
      assert.ok(error instanceof OverdraftError);
      assert.deepEqual([error.details.wanted, error.details.available], [900, 400]);
      assert.deepEqual(
        error.details.elsewhere.map(({ stream, amount }) => [stream, amount]),
        [[`${london.id}-0`, 600]],
      );
      return true;
    });
    await newYork.account('steel').withdraw(400);
    lab.chaos();
    lab.calm();
    lab.check();
    const reports = [];
    for (const node of [london, newYork]) {
      const { asOf, ...report } = await node.account('steel').report();
      reports.push({ ...report, token: asOf.token });
    }
    assert.deepEqual(reports.map(({ available }) => available), [100, 0]);
    const [one, other] = reports.map(({ available, ownStream, ...same }) => same);
    assert.deepEqual(one, other);
    assert.equal(one.balance, 100);
  }));

test('requests are answered while time passes', limit, async () => {
  const lab = new Lab({ nodes: 2 });
  await divided(lab);
  const [london, newYork] = [0, 1].map((index) => lab.node(index).account('steel'));
  london.answerRequests({ reserve: 300 });
  await newYork.request(500);
  assert.equal((await newYork.report()).available, 400);
  lab.advance(60_000);
  assert.equal((await newYork.report()).available, 700);
  london.answerRequests(null);
  await lab.node(0).claim('crane').create();
  lab.node(0).claim('crane').handOverWhenAsked(true);
  lab.settle();
  const crane = lab.node(1).claim('crane');
  await crane.request();
  lab.advance(60_000);
  fenceAdmits(null, (await crane.report()).ownFence);
  assert.equal((await lab.node(0).claim('crane').report()).ownFence, null);
});

/** Two nodes that do not reach each other say that they do one thing; the first one wins. */
async function bothSaySo(lab) {
  lab.cut([0], [1]);
  const won = await lab.node(0).doOptimistically('order 7', { note: { truck: 1 } });
  await lab.node(1).publish({ tags: [], payload: 1 });
  return [won, await lab.node(1).doOptimistically('order 7')];
}

test('who has lost is told so when time has passed', limit, async () => {
  const lab = new Lab({ nodes: 2 });
  const [won, lost] = await bothSaySo(lab);
  const undone = [];
  for (const doing of [lost, lost]) {
    void doing.lost().then((winner) => undone.push(winner));
  }
  let hasEnded = false;
  const never = won.lost().then((winner) => {
    hasEnded = true;
    return winner;
  });
  assert.equal((await lost.next()).value.standing, 'won');
  await assert.rejects(lost.next(), TimeoutError);
  lab.heal();
  await null;
  assert.deepEqual(undone, []);
  lab.settle();
  const winner = await lost.lost();
  assert.deepEqual(winner, { key: won.key, note: { truck: 1 } });
  assert.deepEqual(undone, [winner, winner]);
  assert.equal((await lost.next()).value.standing, 'lost');
  const standing = await lab.node(0).whoDoes('order 7');
  assert.deepEqual(standing.winner.note, { truck: 1 });
  assert.equal(standing.doers.length, 2);
  await lost.release();
  assert.equal(await lost.lost(), undefined);
  assert.equal(await lab.node(1).ownDoing('order 7'), undefined);
  assert.equal((await lab.node(0).ownDoing('order 7')).key, won.key);
  await lost.close();
  assert.equal((await lost.next()).done, true);
  assert.equal(hasEnded, false);
  await won.release();
  assert.equal(await never, undefined, 'it was released');
});

test('who listens for a loss ends with the process of its node', limit, async () => {
  const lab = new Lab({ nodes: 2 });
  const [, lost] = await bothSaySo(lab);
  const told = lost.lost();
  lab.crash(1);
  assert.equal(await told, undefined);
  lab.calm();
  assert.equal((await lost.next()).done, true);
  const again = await lab.node(1).ownDoing('order 7');
  assert.deepEqual((await again.lost()).note, { truck: 1 });
});

test('what a restored disk held is frozen until it is recovered', limit, async () => {
  const lab = new Lab({ nodes: 2 });
  await divided(lab);
  const [backup, steel] = [lab.backUp(1), lab.node(1).account('steel')];
  await steel.withdraw(100);
  lab.settle();
  lab.restore(1, backup);
  await assert.rejects(steel.withdraw(1), ClosedError);
  lab.start(1);
  await assert.rejects(steel.withdraw(1), OverdraftError);
  await assert.rejects(steel.recover(), NotYetVisibleError);
  lab.settle();
  await steel.recover();
  assert.equal((await steel.report()).available, 300);
  lab.calm();
  lab.check();
  assert.throws(() => lab.restore(0, backup), InvalidArgumentError);
  assert.throws(() => new Lab({ nodes: 2 }).restore(1, backup), InvalidArgumentError);
  assert.throws(() => lab.restore(1, {}), InvalidArgumentError);
});

test('a withdrawal that is tried again after a death needs a key', limit, async () => {
  const taken = async (seed, withKey) => {
    const lab = new Lab({ nodes: 1, seed, faults: 3 });
    const steel = lab.node(0).account('steel');
    const untilDone = async (deed) => {
      for (;;) {
        try {
          return await deed();
        } catch (error) {
          if (!(error instanceof ClosedError)) throw error;
          lab.start(0);
        }
      }
    };
    const begin = { idempotencyKey: 'begin' };
    await untilDone(() => steel.create({ amount: 1000, floor: 0 }, begin));
    for (let order = 0; order < 8; order++) {
      const key = withKey ? { idempotencyKey: `order ${order}` } : {};
      await untilDone(() => steel.withdraw(10, key));
    }
    return 1000 - (await steel.report()).balance;
  };
  let doubled = 0;
  for (let seed = 1; seed <= 20; seed++) {
    assert.equal(await taken(seed, true), 80);
    if ((await taken(seed, false)) > 80) doubled += 1;
  }
  assert.ok(doubled > 0);
});

test('sessions, tokens and subscriptions are as on a node, or refused', limit, async () => {
  const lab = new Lab({ nodes: 2 });
  await divided(lab);
  lab.cut([0], [1]);
  const [session, steel] = [lab.node(0).session(), lab.node(1).account('steel')];
  const { token } = await lab.node(0).account('steel').withdraw(1, { session });
  await assert.rejects(steel.report({ session }), NotYetVisibleError);
  await assert.rejects(steel.report({ after: token }), NotYetVisibleError);
  await assert.rejects(steel.withdraw(1, { session }), NotYetVisibleError);
  lab.heal();
  lab.settle();
  assert.equal((await steel.report({ session })).balance, 999);
  session.close();
  assert.throws(() => steel.reports(), InvalidArgumentError);
  assert.throws(() => lab.node(1).claim('crane').reports(), InvalidArgumentError);
  await assert.rejects(lab.node(1).account('copper').report(), NotFoundError);
  await assert.rejects(steel.withId('no id').report(), InvalidArgumentError);
  const signal = AbortSignal.abort();
  await assert.rejects(steel.withdraw(1, { signal }), { name: 'AbortError' });
});

test('what cannot match a query is not waited for', limit, async () => {
  const lab = new Lab({ nodes: 2 });
  const { token } = await lab.node(1).publish({ tags: ['grain'], payload: 1 });
  const node = lab.node(0);
  await node.waitFor(token, { query: "FROM isLocal & 'grain'" });
  await assert.rejects(node.waitFor(token), NotYetVisibleError);
  await assert.rejects(node.waitFor(token, { query: "FROM 'grain'" }), NotYetVisibleError);
  await assert.rejects(node.waitFor(token, { query: 'FROM' }), QueryInvalidError);
});
