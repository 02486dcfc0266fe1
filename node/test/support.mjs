// What tests share: stores that go away, nodes that talk over loopback only, child processes.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { newSwarmSecret, open } from 'millpond';

/** What waits this long is stuck, also on a busy machine. */
export const STUCK_MS = 180_000;

/** The package's CommonJS entry, for children and workers. */
export const entry = fileURLToPath(new URL('../dist/index.js', import.meta.url));
/** Its ESM entry, as a URL. */
export const esmEntry = pathToFileURL(entry.replace(/\.js$/, '.mjs')).href;

/** An empty folder that goes away with the test. */
export function folder(t) {
  const path = mkdtempSync(join(tmpdir(), 'millpond-'));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** A node without a network that is closed with the test. */
export async function alone(t, options = {}) {
  const path = options.path ?? folder(t);
  const swarm = newSwarmSecret();
  const node = await open({ path, app: 'test', swarm, network: false, ...options });
  t.after(() => node.close());
  return node;
}

/** A node on loopback, that looks for nobody by itself. */
export async function onLoopback(t, options) {
  const net = { bind: ['127.0.0.1:0'], discovery: false };
  const node = await open({ path: folder(t), app: 'test', ...net, ...options });
  t.after(() => node.close());
  return node;
}

/** The first `count` events of a reading, which stays open. */
export async function take(reading, count) {
  const events = [];
  while (events.length < count) {
    const { value, done } = await reading.next();
    assert.ok(!done, `it ended after ${events.length} of ${count} events`);
    events.push(value);
  }
  return events;
}

/** Events with payloads 0 … count − 1 and one tag. */
export function numbered(count, tag = 'grain') {
  return Array.from({ length: count }, (_, payload) => ({ tags: [tag], payload }));
}

/** Runs `code` (CommonJS) in a process of its own; what it printed and how it ended. */
export function run(code, { args = [], env = {}, flags = [] } = {}) {
  const child = spawn(process.execPath, [...flags, '-e', code, ...args], {
    env: { ...process.env, MILLPOND_ENTRY: entry, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: STUCK_MS,
    killSignal: 'SIGKILL',
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (text) => (stdout += text));
  child.stderr.on('data', (text) => (stderr += text));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status, signal) => resolve({ status, signal, stdout, stderr }));
  });
}

/** Runs `code` and requires a clean end: status 0, nothing on stderr. */
export async function runClean(code, options) {
  const ended = await run(code, options);
  assert.deepEqual(
    { status: ended.status, signal: ended.signal, stderr: ended.stderr },
    { status: 0, signal: null, stderr: '' },
    ended.stdout,
  );
  return ended.stdout;
}
