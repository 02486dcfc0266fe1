// What `./dev bench` measures of Node; started by tests/bench/shells/mod.rs.
//
// `node.mjs PACKAGE publish values|bytes STORE EVENTS`, `… iterate values|bytes STORE`,
// `… fold code|builtin STORE`, `… check`.
// Says how many seconds the work took, the events, and the bytes or members of their payloads.
//
// The work is done four times before it is measured: V8 compiles during the first three or four,
// some 300 batches, which a service that runs for years pays once. Each time has a node of its own,
// opened anew, so that it finds nothing in millpond's memory; one that publishes has a folder of
// its own. Reading takes 20 ms, which says little once: it is the median of five.
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const BATCH = 1000;
const WARM_UPS = 4;
const ROUNDS = 5;
// Bytes are read in batches as large as they may be.
const READ_BATCH = 4096;
const [packagePath, work, form, store, path] = process.argv.slice(2);
const { Cbor, builtin, fish, folds, open } = await import(pathToFileURL(packagePath));

const seconds = (started) => (performance.now() - started) / 1000;

function newEvents() {
  const lines = readFileSync(path, 'utf8').trimEnd().split('\n');
  return lines.map((line) => {
    const { tags, payload, cbor } = JSON.parse(line);
    return { tags, payload: form === 'bytes' ? Buffer.from(cbor, 'hex') : payload };
  });
}

async function publish(node, events) {
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
    for await (const batch of node.query('FROM allEvents').batches({ max: READ_BATCH })) {
      for (const bytes of batch.payloadBytes) {
        events++;
        parts += bytes.length;
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

// Each time another fish: what is remembered of the last one would be gone on from.
let fishes = 0;

async function fold(node) {
  const number = fishes++;
  const query = 'FROM allEvents';
  const started = performance.now();
  if (form === 'builtin') {
    const counting = folds.all({ [`count${number}`]: folds.count() });
    const { state } = await node.state(builtin(query, counting));
    return [seconds(started), state.value[`count${number}`], 0];
  }
  const step = (state, event) => {
    state.events++;
    for (const _ in event.payload) state.parts++;
    return state;
  };
  const initial = () => ({ events: 0, parts: 0 });
  const id = `members-${number}`;
  const { state } = await node.state(fish({ id, version: 1, query, initial, step }));
  return [seconds(started), state.events, state.parts];
}

async function time(place, step) {
  const swarm = '33'.repeat(32);
  const node = await open({ path: place, app: 'com.example.bench', swarm, network: false });
  const seen = await step(node);
  await node.close();
  return seen;
}

if (work !== 'check') {
  const publishes = work === 'publish';
  const events = publishes ? newEvents() : [];
  const works = { publish: (node) => publish(node, events), iterate, fold };
  const step = works[work];
  for (let round = 0; round < WARM_UPS; round++) {
    await time(publishes ? `${store}/warm-up-${round}` : `${store}/shell`, step);
  }
  const rounds = [];
  for (let round = 0; round < (publishes ? 1 : ROUNDS); round++) {
    rounds.push(await time(`${store}/shell`, step));
  }
  rounds.sort(([one], [other]) => one - other);
  console.log(rounds[rounds.length >> 1].join(' '));
}
