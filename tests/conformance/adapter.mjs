// What the conformance scenarios say, done in JavaScript.
//
// Commands and answers: README.md. Run as `node adapter.mjs FOLDER`, commands on standard input.
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import * as millpond from '../../node/dist/index.mjs';
import { pondActs } from './pond.mjs';

const [SOON, SHORT] = [60_000, 100];
const SECRET = Buffer.from(Array.from({ length: 32 }, (_, index) => index)).toString('hex');

const folder = process.argv[2];
/** Node id to name: answers hold no ids. */
const names = new Map();
const [nodes, tokens, follows, sessions] = [new Map(), new Map(), new Map(), new Map()];

/** Leading `key=value` words, and what follows them. */
function options(rest) {
  const said = {};
  for (let match; (match = /^([a-z_]+)=(\S*)(?: |$)/.exec(rest)); ) {
    said[match[1]] = match[2];
    rest = rest.slice(match[0].length);
  }
  return [said, rest];
}

/** `TAGS PAYLOAD TAGS PAYLOAD …` as natural values. */
function drafts(rest) {
  const values = rest
    .split(' ')
    .filter((word) => word !== '')
    .map((word) => JSON.parse(word, natural));
  return Array.from({ length: values.length / 2 }, (_, index) => ({
    tags: values[2 * index],
    payload: values[2 * index + 1],
  }));
}

/** What a JSON value of the notation stands for. */
function natural(_key, value) {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const keys = Object.keys(value);
  if (keys.length !== 1) return value;
  const [key] = keys;
  if (key === '$integer') {
    const integer = BigInt(value[key]);
    const number = Number(integer);
    return Number.isSafeInteger(number) ? number : integer;
  }
  if (key === '$bytes') return Uint8Array.from(Buffer.from(value[key], 'base64'));
  return key.startsWith('$$') ? { [key.slice(1)]: value[key] } : value;
}

function errorLines(error, text) {
  const words = ['error', error.number, error.code];
  if (error.retryable) words.push('retryable');
  if (error.reason !== undefined) words.push(`reason=${error.reason}`);
  if (error.position !== undefined) {
    // An index into the string, as JavaScript counts; answers count bytes of UTF-8.
    words.push(`position=${Buffer.byteLength(text.slice(0, error.position))}`);
  }
  const lines = [words.join(' ')];
  if (error instanceof millpond.QueryInvalidError) {
    lines.push(...error.message.split('\n').map((line) => `| ${line}`));
  }
  return lines;
}

function batchLines(batch) {
  if (batch === undefined) return ['end'];
  if (batch.isRewind) return [rewindLine(batch)];
  return [...batch.events.map(eventLine), `caught_up=${batch.caughtUp} lag=${batch.lag}`];
}

function rewindLine({ rewindTo }) {
  if (rewindTo === undefined) return 'rewind to=-';
  const [lamport, stream] = rewindTo.split('/');
  return `rewind to=${lamport}/${streamName(stream)}`;
}

function streamName(stream) {
  const at = stream.lastIndexOf('-');
  const id = stream.slice(0, at);
  return `${names.get(id) ?? id}${stream.slice(at)}`;
}

function eventLine(event) {
  const { offset, lamport, app } = event;
  const tags = ifThere(() => event.tags.join('|'));
  const cbor = ifThere(() => {
    const bytes = Buffer.from(event.payloadBytes);
    return bytes.length <= 128 ? bytes.toString('hex') : `${bytes.length} bytes`;
  });
  const said = cbor === '-' ? ifThere(() => String(event.payload)) : cbor;
  return (
    `${streamName(event.stream)} offset=${offset} lamport=${lamport} app=${app} ` +
    `tags=${tags} cbor=${said}`
  );
}

/** What `read` reads, or `-` when the query left it out, so that it is refused. */
function ifThere(read) {
  try {
    return read();
  } catch (error) {
    if (error instanceof millpond.InvalidArgumentError) return '-';
    throw error;
  }
}

function ask(name, said, rest) {
  return nodes.get(name).query(rest, {
    ...('order' in said ? { order: said.order } : {}),
    ...('lower' in said ? { lower: tokens.get(said.lower) } : {}),
    ...('upper' in said ? { upper: tokens.get(said.upper) } : {}),
    ...('session' in said ? { session: sessions.get(said.session) } : {}),
    ...('columns' in said ? { columns: said.columns.split(',').filter((one) => one !== '-') } : {}),
  });
}

function looks({ segments, blocks, frames, events }) {
  return `${segments}/${blocks}/${frames}/${events}`;
}

async function publish(name, said, events) {
  const done = await nodes.get(name).publish(events, {
    timeoutMs: SOON,
    ...('key' in said ? { idempotencyKey: said.key } : {}),
    ...('expected' in said ? { expected: Number(said.expected) } : {}),
    ...('session' in said ? { session: sessions.get(said.session) } : {}),
  });
  if ('token' in said) tokens.set(said.token, done.token);
  return publishedLines(done);
}

function publishedLines(done) {
  const { firstOffset, firstLamport, count, replayed } = done;
  return [
    `${streamName(done.stream)} offset=${firstOffset} lamport=${firstLamport} ` +
      `count=${count} replayed=${replayed}`,
  ];
}

const acts = {
  async open(name, said) {
    const ticket = 'ticket' in said ? await nodes.get(said.ticket).ticket() : undefined;
    const stored = said.folder ?? name;
    const node = await millpond.open({
      path: join(folder, stored),
      app: 'conformance',
      ...(ticket === undefined ? { swarm: said.swarm ?? SECRET } : { ticket }),
      ...('former' in said ? { formerSecrets: [said.former] } : {}),
      network: 'net' in said,
      bind: ['127.0.0.1:0'],
      discovery: false,
      sendBytesPerSecondMax: Number(said.cap_all ?? 0),
      sendBytesPerSecondPerPeerMax: Number(said.cap_each ?? 0),
      ...('priority' in said ? { priority: `FROM ${said.priority}` } : {}),
      peers: Array.from(
        { length: Number(said.peers ?? 0) },
        (_, number) => `${number.toString(16).padStart(64, '0')}@127.0.0.1:9`,
      ),
    });
    names.set(node.id, stored);
    nodes.set(name, node);
  },
  async close(name) {
    await nodes.get(name).close();
  },
  publish: (name, said, rest) => publish(name, said, drafts(rest)[0]),
  publish_all: (name, said, rest) => publish(name, said, drafts(rest)),
  async query(name, said, rest) {
    return [...(await ask(name, said, rest).toArray()).map(eventLine), 'end'];
  },
  async explain(name, said, rest) {
    const query = ask(name, said, rest);
    if (said.read === 'all') await query.toArray();
    else if ('read' in said) await query.nextBatch({ max: Number(said.read) });
    const explanation = await query.explain({ timeoutMs: SOON });
    await query.close();
    const { order, isExact, expected, actual, text } = explanation;
    const lines = text.trimEnd().split('\n').map((line) => `| ${line}`);
    const counts = `expected=${looks(expected)} actual=${looks(actual)}`;
    return [...lines, `${order} exact=${isExact} ${counts}`];
  },
  async republish(name, said, rest) {
    const events = await nodes.get(name).query(rest).toArray();
    const again = events.map(({ tags, payload }) => ({ tags, payload }));
    return publish(name, said, again);
  },
  async token(name, _said, rest) {
    tokens.set(name, millpond.Offsets.parse(rest));
  },
  async offsets(name, _said, rest) {
    tokens.set(rest, nodes.get(name).offsets());
  },
  async same(name, _said, rest) {
    const again = millpond.Offsets.parse(tokens.get(rest).token);
    return [String(tokens.get(name).equals(again))];
  },
  async subscribe(name, said, rest) {
    const at = rest.indexOf(' ');
    const from = tokens.get(said.from) ?? said.from;
    const subscription = nodes
      .get(rest.slice(0, at))
      .subscribe(rest.slice(at + 1), {
        ...(from === undefined ? {} : { from }),
        ...(said.delivery === undefined ? {} : { delivery: said.delivery }),
        ...(said.order === undefined ? {} : { order: said.order }),
      });
    follows.set(name, subscription);
    await subscription.opened();
  },
  async next(name, _said, rest) {
    const batch = await follows.get(name).nextBatch({ max: Number(rest), timeoutMs: SOON });
    return batchLines(batch);
  },
  async idle(name) {
    return batchLines(await follows.get(name).nextBatch({ max: 1, timeoutMs: SHORT }));
  },
  async take(name, _said, rest) {
    const lines = [];
    for (let seen = 0; seen < Number(rest); ) {
      const max = Number(rest) - seen;
      const batch = await follows.get(name).nextBatch({ max, timeoutMs: SOON });
      if (batch === undefined) break;
      lines.push(...(batch.isRewind ? [rewindLine(batch)] : batch.events.map(eventLine)));
      seen += batch.length;
    }
    return [...lines, 'taken'];
  },
  async lag(name) {
    return [String(follows.get(name).lag)];
  },
  async position(name, _said, rest) {
    const { position, positionText } = follows.get(name);
    tokens.set(rest, positionText === position.token ? position : positionText);
  },
  async interrupt(name) {
    const signal = AbortSignal.timeout(SHORT);
    try {
      await follows.get(name).nextBatch({ max: 1, signal, timeoutMs: SOON });
    } catch (error) {
      if (error instanceof millpond.AbortError) return ['cancelled'];
      throw error;
    }
    return ['ready'];
  },
  async unsubscribe(name) {
    await follows.get(name).close();
  },
  async connect(name, _said, rest) {
    await nodes.get(name).connect(await nodes.get(rest).ticket(), { timeoutMs: SOON });
  },
  async connect_address(name, _said, rest) {
    const { nodeId, addresses } = millpond.parseTicket(await nodes.get(rest).ticket());
    await nodes.get(name).connect(`${nodeId}@${addresses.join(',')}`, { timeoutMs: SOON });
  },
  async network(name, _said, rest) {
    await nodes.get(name).setNetwork(rest === 'on');
  },
  async refusal(name, _said, rest) {
    const { refusals } = await nodes.get(name).status();
    return [String(refusals.some(({ reason }) => reason === rest))];
  },
  async secrets(name, _said, rest) {
    const [current, ...former] = rest.split(' ');
    await nodes.get(name).setSecrets(current, former);
  },
  async proved(name, _said, rest) {
    const { peers } = await nodes.get(name).status();
    return [peers.find(({ nodeId }) => nodeId === nodes.get(rest).id)?.secret ?? '-'];
  },
  async missed(name, _said, rest) {
    const { unheard } = await nodes.get(name).status();
    const { id } = nodes.get(rest);
    return [String(unheard.some(({ nodeId, since }) => nodeId === id && since > 0))];
  },
  async verify(name) {
    const { streams, events, damageCount } = await nodes.get(name).verify();
    return [`streams=${streams} events=${events} damages=${damageCount}`];
  },
  async compact(name) {
    const { bytesBefore, bytesAfter } = await nodes.get(name).compact();
    return [String(bytesBefore > 0 && bytesAfter > 0)];
  },
  async stats(name) {
    const { streams, events, recordBytes, idempotencyKeys } = nodes.get(name).stats();
    const sizes = `record_bytes=${recordBytes} idempotency_keys=${idempotencyKeys}`;
    return [`streams=${streams} events=${events} ${sizes}`];
  },
  async metric(name, _said, rest) {
    const lines = (await nodes.get(name).metrics({ timeoutMs: SOON })).split('\n');
    const line = lines.find((one) => one.startsWith(`${rest} `));
    return [line.slice(rest.length + 1)];
  },
  async complete(name, _said, rest) {
    const query = nodes.get(name).query(rest);
    await query.toArray();
    const { behind, unheard } = query.completeness;
    return [`behind=${behind.length} unheard=${unheard.length}`];
  },
  async told(name) {
    const statuses = nodes.get(name).subscribeStatus();
    const first = await statuses.next({ timeoutMs: SOON });
    const isLate = (error) => error instanceof millpond.TimeoutError;
    const isQuiet = await statuses.next({ timeoutMs: 100 }).then(() => false, isLate);
    return [String(isQuiet && first.nodeId === nodes.get(name).id)];
  },
  ...pondActs({ nodes, tokens, sessions, streamName, publishedLines, errorLines, SOON, SHORT }),
  async errors() {
    return Object.values(millpond)
      .filter((kind) => kind?.kind !== undefined && kind !== millpond.AbortError)
      .map(({ kind }) => kind)
      .sort((one, other) => one.number - other.number)
      .map(({ number, code, retryable }) => `${number} ${code} ${retryable}`);
  },
};

for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
  const [, verb, name, after] = /^(\S+) ?(\S*) ?(.*)$/u.exec(line);
  const [said, rest] = options(after);
  let answer;
  try {
    answer = verb in acts ? ((await acts[verb](name, said, rest)) ?? ['ok']) : ['absent'];
  } catch (error) {
    if (!(error instanceof millpond.MillpondError)) throw error;
    const queries = {
      open: `FROM ${said.priority}`,
      subscribe: rest.slice(rest.indexOf(' ') + 1),
    };
    answer = errorLines(error, queries[verb] ?? rest);
  }
  process.stdout.write([...answer, '.', ''].join('\n'));
}
