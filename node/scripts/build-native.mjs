// Builds the native half and puts it where the loader looks: node/millpond.node.
//
//   MILLPOND_PROFILE   the cargo profile: dev (the default here) or release, or one of your own
//   CARGO_TARGET_DIR, CARGO_BUILD_JOBS …   as always
import { spawnSync } from 'node:child_process';
import { copyFileSync, renameSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const target = fileURLToPath(new URL('../millpond.node', import.meta.url));
const profile = process.env.MILLPOND_PROFILE || 'dev';

const format = '--message-format=json-render-diagnostics';
const cargo = spawnSync('cargo', ['build', '-p', 'millpond-node', '--profile', profile, format], {
  cwd: root,
  stdio: ['ignore', 'pipe', 'inherit'],
  maxBuffer: 1 << 30,
  encoding: 'utf8',
});
if (cargo.error) {
  console.error(`cargo cannot be started (${cargo.error.message}): install Rust and cargo`);
  process.exit(1);
}
if (cargo.status !== 0) process.exit(cargo.status ?? 1);

const built = cargo.stdout
  .split('\n')
  .filter((line) => line.startsWith('{'))
  .map((line) => JSON.parse(line))
  .filter(({ reason, target }) => reason === 'compiler-artifact' && target.name === 'millpond_node')
  .flatMap(({ filenames }) => filenames)
  .find((file) => /\.(so|dylib|dll)$/.test(file));
if (built === undefined) {
  console.error('cargo built millpond-node, but named no library');
  process.exit(1);
}
// Renamed into place: a process that has the old file mapped keeps it.
copyFileSync(built, `${target}.new`);
renameSync(`${target}.new`, target);
