// 1,000 t of steel, London and New York, and a line that is cut: three ways to spend it.
//
//   node examples/steel.mjs      two nodes in one process, over loopback
//
// docs/escrow.md tells the story; the figures are the same.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { OverdraftError, builtin, folds, newSwarmSecret, open } from 'millpond';

const folder = mkdtempSync(join(tmpdir(), 'steel-'));
const swarm = newSwarmSecret();
const place = (name) =>
  open({ path: join(folder, name), app: 'steel', swarm, bind: ['127.0.0.1:0'], discovery: false });
const london = await place('london');
const york = await place('new-york');

/** The line is there, and both have the same log. */
async function heal() {
  await london.setNetwork(true);
  await york.connect(await london.ticket());
  await york.waitFor(london.offsets());
  await london.waitFor(york.offsets());
}

const cut = () => london.setNetwork(false);

// 1. Available, and wrong: each node withdraws from the balance that it knows.
const sum = builtin("FROM 'stock'", folds.sum(''));
const balanceAt = async (node) => (await node.state(sum)).state.value;
async function take(node, amount) {
  const isEnough = (await balanceAt(node)) >= amount;
  if (isEnough) await node.publish({ tags: ['stock'], payload: -amount });
  return isEnough;
}
await london.publish({ tags: ['stock'], payload: 1000 });
await heal();
await cut();
console.log('available: London takes 500:', await take(london, 500));
console.log('available: New York takes 900:', await take(york, 900));
await heal();
console.log('available: the balance is', await balanceAt(london));

// 2. Consistent, and refusing: only who is in touch with all others may withdraw.
const isInTouch = async (node) => (await node.status()).peers.some((p) => p.state === 'connected');
await cut();
while (await isInTouch(york)) await new Promise((resolve) => setTimeout(resolve, 50));
console.log('consistent: New York may take 10:', await isInTouch(york));
await heal();

// 3. Escrow: the 1,000 are divided beforehand, and each spends its own.
const [ours, theirs] = [london.account('steel'), york.account('steel')];
await ours.create({ amount: 1000, floor: 0, shares: { [york.id]: 400 } });
await heal();
await cut();
await ours.withdraw(500, { note: 'the bridge' });
try {
  await theirs.withdraw(900);
} catch (error) {
  if (!(error instanceof OverdraftError)) throw error;
  const { available, elsewhere } = error.details;
  const others = elsewhere.map(({ amount }) => amount).join(', ');
  console.log(`escrow: New York is refused 900; it has ${available}, others had ${others}`);
}
await theirs.withdraw(400);
await heal();
const { balance, holdings } = await theirs.report();
const left = holdings.filter(({ amount }) => amount > 0);
console.log(`escrow: the balance is ${balance}, and London holds it:`, left[0].node === london.id);

await Promise.all([london.close(), york.close()]);
rmSync(folder, { recursive: true });
