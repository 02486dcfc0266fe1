// The package as npm sees it: one instance for both module systems, fresh generated files, types.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import * as millpond from 'millpond';
import { measure } from '../scripts/bench.mjs';
import { generate, rows } from '../scripts/generate-errors.mjs';
import { folder, run, runClean } from './support.mjs';

const require = createRequire(import.meta.url);
const here = (name) => fileURLToPath(new URL(`../${name}`, import.meta.url));
const read = (name) => readFileSync(here(name), 'utf8');

test('import and require give the same classes over one native instance', async (t) => {
  const required = require('millpond');
  assert.deepEqual(Object.keys(millpond).sort(), Object.keys(required).sort());
  for (const name of Object.keys(required)) assert.equal(millpond[name], required[name], name);
  const options = { path: folder(t), app: 'a', swarm: millpond.newSwarmSecret(), network: false };
  const node = await required.open(options);
  await assert.rejects(node.publish({ payload: NaN }), millpond.InvalidArgumentError);
  await node.close();
  const images = readFileSync('/proc/self/maps', 'utf8').match(/\S+millpond\.node/g);
  assert.equal(new Set(images).size, 1);
});

test('the error classes are those of the table, in this package and in its native half', () => {
  assert.equal(read('src/error-kinds.ts'), generate(rows()), 'run `npm run generate`');
  const native = require('../dist/native.js').native;
  const table = JSON.parse(native.errorTable());
  assert.deepEqual(Array.isArray(table) ? table : table.errors, rows());
  for (const { number, name, retryable } of rows()) {
    const owns = (value) => Object.hasOwn(value, 'kind') && value.kind.number === number;
    const kind = Object.values(millpond).find(owns);
    assert.equal(kind.name, name.replace(/(^|_)(.)/g, (_, __, c) => c.toUpperCase()) + 'Error');
    const error = new kind('message', { reason: 'r', position: 1, cause: 'c' });
    assert.ok(error instanceof millpond.MillpondError && error instanceof Error);
    const { code, message, reason, position, cause } = error;
    assert.deepEqual({ code, message, reason, position, cause, retryable: error.retryable }, {
      code: name, message: 'message', reason: 'r', position: 1, cause: 'c', retryable,
    });
  }
});

test('every function of the native half catches panics', () => {
  let functions = 0;
  for (const file of readdirSync(here('native'))) {
    const code = read(`native/${file}`);
    for (const [, marks, item] of code.matchAll(/#\[napi(\([^\]]*\))?\]\s*pub (\w+)/g)) {
      if (item !== 'fn') continue;
      functions++;
      assert.match(marks ?? '', /\bcatch_unwind\b/, `${file}: ${code.match(item)}`);
    }
  }
  const exported = Object.keys(require('../dist/native.js').native).length;
  assert.ok(functions >= exported, `${functions} functions were seen, ${exported} are exported`);
});

test('the native half depends on the facade alone, and names no default', () => {
  const manifest = read('Cargo.toml');
  assert.match(manifest, /millpond-facade/);
  assert.doesNotMatch(manifest, /^millpond[ .]/m);
});

test('the lock file names no place to download from', () => {
  assert.doesNotMatch(read('package-lock.json'), /"resolved"/);
});

test('every public name stands in the sample, and the sample has the right types', () => {
  const sample = read('test/types/sample.ts');
  const values = Object.keys(millpond);
  const types = [...read('src/index.ts').matchAll(/^export [^;]*\{([^}]*)\}/gms)]
    .flatMap(([, list]) => list.split(','))
    .map((name) => name.replace('type ', '').trim())
    .filter((name) => name !== '');
  assert.ok(types.length > 15);
  for (const name of [...values, ...types]) {
    assert.match(sample, new RegExp(`\\b${name}\\b`), `the sample does not use ${name}`);
  }
  const tsc = require.resolve('typescript/bin/tsc');
  const checked = spawnSync(process.execPath, [tsc, '-p', here('test/types/tsconfig.json')]);
  assert.equal(`${checked.stdout}`, '');
  assert.equal(checked.status, 0);
});

test('every public name and member says what it is', () => {
  const ts = require('typescript');
  const entry = here('dist/index.d.ts');
  const program = ts.createProgram([entry], { types: ['node'] });
  const checker = program.getTypeChecker();
  const isUnsaid = (symbol) => symbol.getDocumentationComment(checker).length === 0;
  const { Alias, Constructor, Prototype, TypeParameter } = ts.SymbolFlags;
  const unnamed = Constructor | Prototype | TypeParameter;
  const silent = [];
  let count = 0;
  for (const shown of checker.getExportsOfModule(
    checker.getSymbolAtLocation(program.getSourceFile(entry)),
  )) {
    const symbol = shown.flags & Alias ? checker.getAliasedSymbol(shown) : shown;
    const own = [...(symbol.members?.values() ?? []), ...(symbol.exports?.values() ?? [])];
    const isShown = ({ name, flags }) => name !== '#private' && !(flags & unnamed);
    const said = [symbol, ...own.filter(isShown)];
    count += said.length;
    silent.push(...said.filter(isUnsaid).map(({ name }) => `${shown.name}.${name}`));
  }
  assert.ok(count > 150, `only ${count} were seen`);
  assert.deepEqual(silent, []);
});

test('without a native half the error names the platform and what to do', async () => {
  const env = { MILLPOND_NATIVE_LIBRARY: here('package.json') + '.node' };
  const code = `try { require(process.env.MILLPOND_ENTRY) } catch (error) {
    console.log(error.message, error.cause instanceof Error) }`;
  const message = await runClean(code, { env });
  assert.match(message, new RegExp(`${process.platform}-${process.arch}`));
  assert.match(message, /npm run build:native/);
  assert.match(message, /@millpond\/node-/);
  assert.match(message, /true\n$/);
});

test('loading the package starts nothing: the process ends at once', async () => {
  const { status, stdout, stderr } = await run('require(process.env.MILLPOND_ENTRY)');
  assert.deepEqual([status, stdout, stderr], [0, '', '']);
});

test('the benchmark runs, and every figure is one', async (t) => {
  for (const [what, rate] of await measure(2000, folder(t))) assert.ok(rate > 0, what);
});
