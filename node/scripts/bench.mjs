// How fast events go in and out from JavaScript, on this machine, over one store on disk.
//
//   node scripts/bench.mjs [events, 100000 when left out] [folder for the store]
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { builtin, fish, folds, newSwarmSecret, open } from 'millpond';

const BATCH = 1000;

/** Measures `count` events (a multiple of 1,000); returns [what, events per second] pairs. */
export async function measure(count, parent = tmpdir()) {
  const path = mkdtempSync(join(parent, 'millpond-bench-'));
  const node = await open({ path, app: 'bench', swarm: newSwarmSecret(), network: false });
  const all = 'FROM allEvents';
  const figures = [];
  const time = async (what, run, events = count) => {
    const start = performance.now();
    const seen = await run();
    if (seen !== events) throw new Error(`${what}: ${seen} of ${events} events`);
    figures.push([what, Math.round((events / (performance.now() - start)) * 1000)]);
  };
  try {
    await time('publish, batches of 1,000, power', async () => {
      let published = 0;
      for (; published < count; published += BATCH) await node.publish(batch(published));
      return published;
    });
    const singles = Math.min(count, BATCH);
    const single = (at) => node.publish(batch(at)[0]).then(() => 1);
    await time('publish, one at a time, power', async () => {
      for (let at = 0; at < singles; at++) await single(at);
      return singles;
    }, singles);
    await time('publish, 16 at a time, power', async () => {
      const caller = async (first) => {
        let done = 0;
        for (let at = first; at < singles; at += 16) done += await single(at);
        return done;
      };
      const done = await Promise.all(Array.from({ length: 16 }, (_, first) => caller(first)));
      return done.reduce((sum, part) => sum + part);
    }, singles);
    const total = count + 2 * singles;
    await time('query, for await', () => loop(node.query(all)), total);
    await time('query, for await, payloads read', () => loop(node.query(all), read), total);
    await time('query, toArray', async () => (await node.query(all).toArray()).length, total);
    const counting = fish({
      id: 'counting',
      version: 1,
      query: all,
      initial: () => 0,
      step: (seen) => seen + 1,
    });
    await time('fish that counts', async () => (await node.state(counting)).state, total);
    const cycles = builtin(all, folds.all({ count: folds.count(), cycles: folds.sum('/cycle') }));
    const summed = async () => (await node.state(cycles)).state.value.count;
    await time('built-in count and sum', summed, total);
    await time('subscription, for await', () => loop(node.subscribe(all), () => {}, total), total);
  } finally {
    await node.close();
    rmSync(path, { recursive: true, force: true });
  }
  return figures;
}

/** What a machine says, about 130 bytes. */
function batch(first) {
  return Array.from({ length: BATCH }, (_, at) => ({
    tags: ['machine:M-017', 'telemetry', `shift:${(first + at) % 3}`],
    payload: {
      machine: 'M-017',
      state: 'running',
      temperature: 71.31 + at / 7,
      pressure: 4.25,
      cycle: first + at,
      part: 'P-1193-A',
      operator: null,
      alarms: ['door', 'oil'],
      axis: { x: 1.5, y: -2.25, z: 100 },
    },
  }));
}

async function loop(reading, use = () => {}, end = Infinity) {
  let seen = 0;
  for await (const event of reading) {
    use(event);
    if (++seen === end) break;
  }
  return seen;
}

function read(event) {
  if (event.payload.machine !== 'M-017') throw new Error('another payload');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [count = '100000', parent] = process.argv.slice(2);
  for (const [what, rate] of await measure(Number(count), parent)) {
    console.log(`${what.padEnd(40)} ${rate.toLocaleString('en').padStart(12)} events/s`);
  }
}
