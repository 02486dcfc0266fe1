// What `./dev bench` measures of Node; started by tests/bench/shells/mod.rs.
//
// `node.mjs PACKAGE publish values|bytes STORE EVENTS`, `… iterate values|bytes STORE`, `… check`.
// Says how many seconds the work took, the events, and the bytes or members of their payloads.
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const BATCH = 1000;
const [packagePath, work, form, store, path] = process.argv.slice(2);
const { Cbor, open } = await import(pathToFileURL(packagePath));

const seconds = (started) => (performance.now() - started) / 1000;

async function publish(node) {
  const lines = readFileSync(path, 'utf8').trimEnd().split('\n');
  const events = lines.map((line) => {
    const { tags, payload, cbor } = JSON.parse(line);
    return { tags, payload: form === 'bytes' ? Buffer.from(cbor, 'hex') : payload };
  });
  const started = performance.now();
  for (let start = 0; start < events.length; start += BATCH) {
    const batch = events.slice(start, start + BATCH);
    if (form === 'bytes') {
      await node.publish(batch.map(({ tags, payload }) => ({ tags, payload: new Cbor(payload) })));
    } else {
      await node.publish(batch);
    }
  }
  return [seconds(started), events.length, 0];
}

async function iterate(node) {
  let events = 0;
  let parts = 0;
  const started = performance.now();
  if (form === 'bytes') {
    // By `batches()`: awaiting each event is measured with values.
    for await (const batch of node.query('FROM allEvents').batches()) {
      for (const event of batch.events) {
        events++;
        parts += event.payloadBytes.length;
      }
    }
  } else {
    for await (const event of node.query('FROM allEvents')) {
      events++;
      // What is read of it is there already: this only counts, without a list of the names.
      for (const _ in event.payload) parts++;
    }
  }
  return [seconds(started), events, parts];
}

if (work !== 'check') {
  const swarm = '33'.repeat(32);
  const place = `${store}/shell`;
  const node = await open({ path: place, app: 'com.example.bench', swarm, network: false });
  const seen = await (work === 'publish' ? publish(node) : iterate(node));
  await node.close();
  console.log(seen.join(' '));
}
