// Accounts and claims: what is scarce is divided beforehand, and nobody asks anybody.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import {
  ConflictError,
  InvalidArgumentError,
  NotFoundError,
  OverdraftError,
  fenceAdmits,
  newSwarmSecret,
} from 'millpond';
import { STUCK_MS, alone, onLoopback } from './support.mjs';

const limit = { timeout: STUCK_MS };

async function apart(t) {
  const swarm = newSwarmSecret();
  return [await onLoopback(t, { swarm }), await onLoopback(t, { swarm })];
}

test('an account is spent from at once, and says what is left', async (t) => {
  const node = await alone(t);
  const steel = node.account('steel');
  await assert.rejects(steel.report(), NotFoundError);
  const created = await steel.create({ amount: 1000, floor: 0 });
  assert.equal(created.count, 1);
  await steel.withdraw(300, { note: { order: 17 } });
  await steel.deposit(50);
  const report = await steel.report({ after: created.token });
  assert.deepEqual(
    [report.name, report.balance, report.floor, report.available],
    ['steel', 750, 0, 750],
  );
  assert.deepEqual(report.holdings, [
    { stream: node.stream, node: node.id, amount: 750, isFrozen: false },
  ]);
  assert.equal(report.ownStream, node.stream);
  assert.ok(report.asOf.equals(node.offsets()));
  assert.deepEqual([report.violations, report.uncoveredCount, report.rivals], [[], 0, []]);
  await assert.rejects(steel.create({ amount: 1, floor: 0 }), (error) => {
    assert.ok(error instanceof ConflictError);
    assert.equal(error.reason, 'exists');
    return true;
  });
});

test('a deed with a key is done once, and answered again', async (t) => {
  const node = await alone(t);
  const steel = node.account('steel');
  const begin = { idempotencyKey: 'begin' };
  await steel.create({ amount: 100, floor: 0 }, begin);
  assert.ok((await steel.create({ amount: 100, floor: 0 }, begin)).replayed);
  const first = await steel.withdraw(100, { idempotencyKey: Buffer.from('order 17') });
  const again = await steel.withdraw(100, { idempotencyKey: 'order 17' });
  assert.deepEqual([again.replayed, again.receipts], [true, first.receipts]);
  assert.equal((await steel.report()).balance, 0);
  await assert.rejects(steel.deposit(100, { idempotencyKey: 'order 17' }), (error) => {
    assert.ok(error instanceof ConflictError);
    assert.equal(error.reason, 'idempotency_key');
    return true;
  });
  await assert.rejects(async () => steel.report(begin), InvalidArgumentError);
  await assert.rejects(async () => node.doOptimistically('weld', begin), InvalidArgumentError);
  const claim = node.claim('M-017');
  await assert.rejects(claim.create(begin), { reason: 'idempotency_key' });
  await claim.create({ idempotencyKey: 'claim' });
  assert.ok((await claim.create({ idempotencyKey: 'claim' })).replayed);
});

test('an overdraft says what is available here and who holds the rest', async (t) => {
  const node = await alone(t);
  const other = 'ab'.repeat(32);
  const steel = node.account('steel');
  await steel.create({ amount: 1000, floor: 100, shares: { [other]: 500 } });
  await assert.rejects(steel.withdraw(500), (error) => {
    assert.ok(error instanceof OverdraftError);
    const { wanted, available, elsewhere } = error.details;
    assert.deepEqual([wanted, available], [500, 400]);
    assert.deepEqual(elsewhere, [{ stream: `${other}-0`, amount: 500, isFrozen: false }]);
    return true;
  });
  assert.equal((await steel.report()).available, 400);
});

test('amounts and names that cannot be are refused', async (t) => {
  const node = await alone(t);
  const steel = node.account('steel');
  await steel.create({ amount: 10, floor: 0 });
  for (const amount of [0, -1, 1.5, '7', NaN]) {
    await assert.rejects(steel.withdraw(amount), InvalidArgumentError);
  }
  await assert.rejects(node.account('').report(), InvalidArgumentError);
  await assert.rejects(steel.grant('nobody', 1), InvalidArgumentError);
  assert.throws(() => steel.withdraw(1, { remark: 'x' }), InvalidArgumentError);
  assert.throws(() => node.account(7), InvalidArgumentError);
  await assert.rejects(node.account('other').deposit(1), NotFoundError);
});

test('rights reach who asks for them, within the reserve of who holds them', limit, async (t) => {
  const [london, york] = await apart(t);
  await london.account('steel').create({ amount: 1000, floor: 0 });
  london.account('steel').answerRequests({ reserve: 400 });
  await york.connect(await london.ticket());
  const steel = york.account('steel');
  await york.waitFor(london.offsets());
  await steel.request(700);
  for await (const { available } of steel.reports()) if (available === 600) break;
  await steel.withdraw(600);
  await london.waitFor(york.offsets());
  const { balance, available } = await london.account('steel').report();
  assert.deepEqual([balance, available], [400, 400]);
  london.account('steel').answerRequests(null);
  await london.account('steel').grant(york.id, 100);
  await york.waitFor(london.offsets());
  assert.equal((await steel.report()).available, 100);
});

test('reports end with their loop and with their node', async (t) => {
  const node = await alone(t);
  const steel = node.account('steel');
  await steel.create({ amount: 1, floor: 0 });
  const reports = steel.reports();
  assert.equal((await reports.next()).value.balance, 1);
  await assert.rejects(reports.next({ timeoutMs: 5 }), { code: 'timeout' });
  const waiting = reports.next();
  await steel.deposit(1);
  assert.equal((await waiting).value.balance, 2);
  const end = reports.next();
  await node.close();
  assert.equal((await end).done, true);
});

test('reports that are closed end the call that waits', async (t) => {
  const node = await alone(t);
  const steel = node.account('steel');
  await steel.create({ amount: 1, floor: 0 });
  for (const end of ['close', 'return']) {
    const reports = steel.reports();
    await reports.next();
    const waiting = reports.next();
    await reports[end]();
    assert.equal((await waiting).done, true);
    assert.equal((await reports.next()).done, true);
  }
  const aborted = steel.reports({ signal: AbortSignal.abort('enough') });
  await assert.rejects(aborted.next(), { code: 'cancelled', cause: 'enough' });
  assert.equal((await aborted.next()).done, true);
  await node.close();
  await assert.rejects(steel.reports().next(), { code: 'closed' });
});

test('an account of an id is that one, whatever its name means here', limit, async (t) => {
  const [london, york] = await apart(t);
  await london.account('steel').create({ amount: 1000, floor: 0 });
  await york.account('steel').create({ amount: 7, floor: 0 });
  await york.connect(await london.ticket());
  await Promise.all([london.waitFor(york.offsets()), york.waitFor(london.offsets())]);
  const own = await york.account('steel').report();
  const [rival] = own.rivals;
  assert.notEqual(rival.id, own.id);
  const other = york.account('steel').withId(rival.id);
  for (const report of [await other.report(), (await other.reports().next()).value]) {
    assert.deepEqual([report.id, report.balance, report.available], [rival.id, 1000, 0]);
  }
  const same = await york.account('steel').withId(own.id).report();
  assert.deepEqual([same.id, same.balance], [own.id, 7]);
  await assert.rejects(other.withdraw(1), OverdraftError);
  await assert.rejects(other.report({ after: 7 }), InvalidArgumentError);
  await assert.rejects(york.account('steel').withId('no id').report(), InvalidArgumentError);
  await assert.rejects(async () => other.create({ amount: 1, floor: 0 }), InvalidArgumentError);
});

test('balances beyond 2^53 are exact', async (t) => {
  const node = await alone(t);
  const much = node.account('much');
  await much.create({ amount: Number.MAX_SAFE_INTEGER, floor: 0 });
  await much.deposit(Number.MAX_SAFE_INTEGER);
  const { balance, available, holdings } = await much.report();
  const whole = 2n * (2n ** 53n - 1n);
  assert.deepEqual([balance, available, holdings[0].amount], [whole, whole, whole]);
});

test('an exclusive claim is held by one, and handed over when asked', limit, async (t) => {
  const [press, robot] = await apart(t);
  const cell = press.claim('cell 4');
  assert.equal((await cell.report()).holder, null);
  await cell.create();
  const held = await cell.report();
  assert.deepEqual([held.holder.node, held.holder.fence], [press.id, 1]);
  assert.notEqual(held.ownFence, null);
  cell.handOverWhenAsked(true);
  await robot.connect(await press.ticket());
  await robot.waitFor(press.offsets());
  await assert.rejects(robot.claim('cell 4').transfer(press.id), { reason: 'not_held' });
  await robot.claim('cell 4').request();
  for await (const { holder } of robot.claim('cell 4').reports()) {
    if (holder.node === robot.id) break;
  }
  const { holder, requests } = await robot.claim('cell 4').report();
  assert.deepEqual([holder.fence, requests], [2, []]);
  const { ownFence } = await robot.claim('cell 4').report();
  fenceAdmits(null, held.ownFence);
  fenceAdmits(held.ownFence, ownFence);
  assert.throws(() => fenceAdmits(ownFence, held.ownFence), { reason: 'fenced' });
  assert.throws(() => fenceAdmits(null, 'no fence'), InvalidArgumentError);
  await robot.claim('cell 4').transfer(press.id);
  const { holder: again } = await robot.whoDoes('cell 4');
  assert.deepEqual([again.node, again.fence], [press.id, 3]);
});

test('of those who say they do it the oldest wins, and losers are told', limit, async (t) => {
  const [press, robot] = await apart(t);
  await robot.publish([{ payload: 1 }, { payload: 2 }]);
  const won = await press.doOptimistically('sweep');
  const lost = await robot.doOptimistically('sweep', { note: { since: 7n } });
  assert.equal((await lost.next()).value.standing, 'won');
  const again = await robot.ownDoing('sweep');
  assert.equal(again.key, lost.key);
  const losing = [lost.lost(), lost.lost()];
  const changed = lost.next();
  await robot.connect(await press.ticket());
  for (const { key } of await Promise.all(losing)) assert.equal(key, won.key);
  // It took nothing from who asks how it stands, and is told at once to who asks later.
  assert.equal((await changed).value.standing, 'lost');
  assert.equal((await lost.lost({ timeoutMs: 60_000 })).key, won.key);
  await press.waitFor(robot.offsets());
  const { winner, doers, holder } = await press.whoDoes('sweep');
  assert.deepEqual([winner.key, winner.node, holder], [won.key, press.id, null]);
  assert.deepEqual(doers.map(({ note }) => note), [null, { since: 7 }]);
  assert.equal((await robot.ownDoing('sweep')).key, lost.key);
  const { token } = await lost.release();
  assert.equal(await robot.ownDoing('sweep'), undefined);
  assert.equal((await robot.whoDoes('sweep', { after: token })).doers.length, 1);
  await again.close();
  assert.equal((await again.next()).done, true);
  assert.equal(await again.lost(), undefined);
  const end = won.lost();
  await press.close();
  assert.equal(await end, undefined);
});

test('the steel of London and New York, as the example tells it', limit, async () => {
  const example = fileURLToPath(new URL('../examples/steel.mjs', import.meta.url));
  const child = spawn(process.execPath, [example], { stdio: ['ignore', 'pipe', 'inherit'] });
  let printed = '';
  child.stdout.on('data', (text) => (printed += text));
  const status = await new Promise((resolve) => child.on('close', resolve));
  assert.equal(status, 0);
  assert.deepEqual(printed.trimEnd().split('\n'), [
    'available: London takes 500: true',
    'available: New York takes 900: true',
    'available: the balance is -400',
    'consistent: New York may take 10: false',
    'escrow: New York is refused 900; it has 400, others had 600',
    'escrow: the balance is 100, and London holds it: true',
  ]);
});
