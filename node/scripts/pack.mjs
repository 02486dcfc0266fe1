// Packs what npm publishes: the package itself, and for this platform one with the native half.
//
//   pack.mjs FOLDER     writes both tarballs there and names them, one a line
//
// Rule: the main package names every platform's package as optional, in exactly its own version,
// so that npm fetches the one that fits. A checkout names none: its native half lies beside it.
import { spawnSync } from 'node:child_process';
import { copyFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync } from 'node:fs';
import { rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const PLATFORMS = [
  { os: 'linux', cpu: 'x64', libc: 'glibc', suffix: 'linux-x64-gnu' },
  { os: 'linux', cpu: 'arm64', libc: 'glibc', suffix: 'linux-arm64-gnu' },
];
const LICENCES = ['LICENSE-MIT', 'LICENSE-APACHE'];

const here = (name) => fileURLToPath(new URL(`../${name}`, import.meta.url));
const out = resolve(process.argv[2] ?? '.');
const own = JSON.parse(readFileSync(here('package.json'), 'utf8'));
const nativeName = ({ suffix }) => `@millpond/node-${suffix}`;
const stage = mkdtempSync(join(tmpdir(), 'millpond-pack-'));

/** Writes a package's folder with its licences and packs it. */
function pack(name, description, fill) {
  const folder = join(stage, name);
  mkdirSync(folder);
  fill(folder);
  for (const licence of LICENCES) copyFileSync(here(`../${licence}`), join(folder, licence));
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(description, null, 2)}\n`);
  const packed = spawnSync('npm', ['pack', '--json', '--offline', '--pack-destination', out], {
    cwd: folder,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (packed.status !== 0) throw new Error(`npm pack failed in ${name}`);
  const [{ filename }] = JSON.parse(packed.stdout);
  console.log(join(out, filename.replace('@', '').replace('/', '-')));
}

try {
  const platform = PLATFORMS.find(({ os, cpu }) => os === process.platform && cpu === process.arch);
  if (platform === undefined) {
    throw new Error(`${process.platform}-${process.arch} is not supported yet`);
  }
  mkdirSync(out, { recursive: true });
  const { name, version, license, engines } = own;
  const native = {
    name: nativeName(platform),
    version,
    description: `The native half of ${name} for ${platform.suffix}`,
    license,
    engines,
    os: [platform.os],
    cpu: [platform.cpu],
    libc: [platform.libc],
    main: './millpond.node',
    files: ['millpond.node', ...LICENCES],
  };
  pack('native', native, (folder) => {
    copyFileSync(here('millpond.node'), join(folder, 'millpond.node'));
  });
  const { scripts: _scripts, devDependencies: _devDependencies, ...published } = own;
  published.files = [...own.files, ...LICENCES];
  published.optionalDependencies = Object.fromEntries(
    PLATFORMS.map((each) => [nativeName(each), version]),
  );
  pack('main', published, (folder) => {
    cpSync(here('dist'), join(folder, 'dist'), { recursive: true });
    copyFileSync(here('README.md'), join(folder, 'README.md'));
  });
} finally {
  rmSync(stage, { recursive: true, force: true });
}
