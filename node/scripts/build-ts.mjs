// Compiles src to dist: CommonJS, and an ESM entry that re-exports it. There is one copy of the
// code and of the native half, whichever way a package is imported.
import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const path = (name) => fileURLToPath(new URL(`../${name}`, import.meta.url));
const require = createRequire(import.meta.url);

rmSync(path('dist'), { recursive: true, force: true });
const tsc = require.resolve('typescript/bin/tsc');
const compiled = spawnSync(process.execPath, [tsc, '-p', path('tsconfig.json')], {
  stdio: 'inherit',
});
if (compiled.status !== 0) process.exit(compiled.status ?? 1);

/** Writes the ESM twin of a CommonJS entry, which exports these names beside its own. */
function twin(entry, more) {
  const code = readFileSync(path(`dist/${entry}.js`), 'utf8');
  const names = new Set(more);
  // As the compiler writes them: re-exports, classes and functions.
  for (const [, name] of code.matchAll(/defineProperty\(exports, "(\w+)"/g)) names.add(name);
  for (const [, name] of code.matchAll(/^exports\.(\w+) = \w+;/gm)) names.add(name);
  names.delete('__esModule');
  const list = [...names].sort().join(',\n  ');
  writeFileSync(
    path(`dist/${entry}.mjs`),
    `import millpond from './${entry}.js';\n\nexport const {\n  ${list},\n} = millpond;\n`,
  );
  writeFileSync(path(`dist/${entry}.d.mts`), `export * from './${entry}.js';\n`);
}

const kinds = readFileSync(path('dist/error-kinds.js'), 'utf8');
twin(
  'index',
  [...kinds.matchAll(/^exports\.(\w+) = \w+;/gm)].map(([, name]) => name),
);
twin('testing', []);
