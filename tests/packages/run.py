"""Builds the wheel and the npm packages, installs them where nothing else is, and uses them.

    run.py     closes on `N passed, N failed`

Needs what `./dev test` builds: the native halves are not built again, only packed. The samples are
those of README.md, run as tests/readme runs them, with the installed packages in place of ours.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
LICENCES = {"LICENSE-MIT", "LICENSE-APACHE"}

SPEC = importlib.util.spec_from_file_location("readme", ROOT / "tests/readme/run.py")
assert SPEC is not None and SPEC.loader is not None
readme = importlib.util.module_from_spec(SPEC)
sys.modules["readme"] = readme
SPEC.loader.exec_module(readme)


def run(command: list[str], folder: Path, **variables: str) -> str:
    """Standard output; raises with everything that was said when the command fails."""
    done = subprocess.run(command, cwd=folder, capture_output=True, encoding="utf-8", check=False,
                          env={**os.environ, **variables})
    if done.returncode != 0:
        raise AssertionError(f"{command} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def the_wheel_has_all_of_it_and_runs_in_an_empty_environment(folder: Path) -> None:
    cargo = shutil.which("cargo")
    assert cargo is not None
    run([str(Path(sys.executable).with_name("maturin")), "build", "--profile", "dev", "--offline",
         "--out", str(folder / "wheels")], ROOT / "python",
        CARGO=str(HERE / "cargo"), MILLPOND_CARGO=cargo)
    [wheel] = (folder / "wheels").iterdir()
    tag = rf"millpond-[\d.]+-cp311-abi3-(many)?linux\w*_{platform.machine()}\.whl"
    assert re.fullmatch(tag, wheel.name), wheel.name
    with zipfile.ZipFile(wheel) as packed:
        names = set(packed.namelist())
        [metadata] = [name for name in names if name.endswith(".dist-info/METADATA")]
        licence = "License-Expression: MIT OR Apache-2.0"
        assert licence in packed.read(metadata).decode().splitlines()
        entries = packed.read(metadata.replace("METADATA", "entry_points.txt")).decode()
        assert "[pytest11]" in entries, entries
    ours = {f"millpond/{path.name}" for path in (ROOT / "python/src/millpond").glob("*.py*")
            if path.suffix in (".py", ".pyi")}
    wanted = ours | {"_millpond_pytest.py", "millpond/py.typed", "millpond/_native.abi3.so"}
    wanted |= {metadata.replace("METADATA", f"licenses/{name}") for name in LICENCES}
    assert wanted <= names, f"the wheel lacks {sorted(wanted - names)}"
    run([sys.executable, "-m", "venv", "empty"], folder)
    python = str(folder / "empty/bin/python")
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    run([*pip, "--no-index", str(wheel)], folder)
    place = run([python, "-I", "-c", "import millpond; print(millpond.__file__)"], folder).strip()
    assert Path(place).is_relative_to(folder / "empty"), place
    sample = replace(readme.SAMPLES["python"], prepare=lambda _: [python, "-I", "sample.py"])
    use(sample, folder / "sample")
    the_fixtures_are_there(python, folder / "tests")


PYTEST_SAMPLE = """
import sys

def test_nobody_asks_for_millpond():
    assert "_millpond_pytest" in sys.modules and "millpond" not in sys.modules

def test_a_lab_is_there(request):
    lab = request.getfixturevalue("millpond_lab")
    assert "empty" in sys.modules["millpond"].__file__ and lab.seed == 1
"""


def the_fixtures_are_there(python: str, folder: Path) -> None:
    """In an empty environment, without a word; pytest itself is lent by ours."""
    folder.mkdir()
    (folder / "test_sample.py").write_text(PYTEST_SAMPLE, encoding="utf-8")
    lent = sysconfig.get_path("purelib")
    run([python, "-m", "pytest", "-q", "-p", "no:cacheprovider"], folder, PYTHONPATH=lent)


def the_npm_packages_have_all_of_it_and_run_in_an_empty_folder(folder: Path) -> None:
    tarballs = packed(folder / "packed")
    assert len(tarballs) == 2, tarballs
    main, native = (names_in(tarball) for tarball in tarballs)
    wanted = {"package.json", "README.md"} | LICENCES
    wanted |= {f"dist/{path.name}" for path in (ROOT / "node/dist").iterdir()}
    assert main == wanted, f"{main ^ wanted}"
    assert native == {"package.json", "millpond.node"} | LICENCES, f"{native}"

    def install(sample: Path, program: str) -> list[str]:
        install_npm(sample, folder / "packed")
        return ["node", program]

    esm = replace(readme.SAMPLES["javascript"], prepare=lambda to: install(to, "sample.mjs"))
    use(esm, folder / "esm")
    cjs = replace(esm, program="sample.cjs", prepare=lambda to: install(to, "sample.cjs"),
                  around=f"async function main() {{\n{esm.around}}}\nmain()\n", adapt=required)
    use(cjs, folder / "cjs")


VITEST = HERE / "vitest/node_modules"
VITEST_SAMPLE = """
import { expect, test } from 'vitest';
import { fish } from 'millpond';
import { testWithLab } from 'millpond/testing';

const step = (state, event) => state + event.payload;
const stock = fish({ id: 'stock', version: 1, query: "FROM 'a'", initial: () => 0, step });
const publish = (lab, node) => lab.node(node).publish({ tags: ['a'], payload: 1 });

testWithLab(test, 'right', { nodes: 2, seeds: 3 }, async (lab, context) => {
  await publish(lab, 0);
  lab.calm();
  context.expect((await lab.node(1).state(stock)).state).toBe(1);
});

testWithLab(test['skip'], 'skipped', { seeds: 1 }, () => expect(1).toBe(2));
const patient = (name, body) => test(name, { timeout: 60_000 }, body);
testWithLab(patient, 'wrong', { nodes: 2, seeds: 1 }, async (lab) => {
  lab.chaos(80);
  expect(lab.befell).not.toEqual([]);
  expect(lab.befell.filter(({ what }) => what === 'node 1 crashes')).toEqual([]);
});

testWithLab(test, 'slow', { seeds: 1 }, async (lab) => {
  lab.chaos(20);
  for (const end = Date.now() + 3_200; Date.now() < end; ) {
    await new Promise((resolve) => setTimeout(resolve));
  }
  expect(lab.befell).toEqual([]);
});
"""


def a_test_with_a_lab_runs_under_vitest_and_says_what_its_failure_takes(folder: Path) -> None:
    packed(folder / "packed")
    install_npm(folder, folder / "packed")
    (folder / "node_modules/vitest").symlink_to(VITEST / "vitest")
    (folder / "stock.test.mjs").write_text(VITEST_SAMPLE, encoding="utf-8")
    command = [*(readme.apart() or []), str(VITEST / ".bin/vitest"), "run", "--reporter=verbose"]
    unset = ("MILLPOND_SEED", "MILLPOND_WITHOUT")
    done = subprocess.run(command, cwd=folder, capture_output=True, encoding="utf-8", check=False,
                          env={name: own for name, own in os.environ.items() if name not in unset})
    said = done.stdout + done.stderr
    assert done.returncode == 1, said
    wanted = [r"Tests +2 failed \| 3 passed \| 1 skipped \(6\)", r"right \(seed 3\)",
              r"MILLPOND_SEED=1 replays it", r"\n1 of the \d+ things that befell are enough:",
              r"\] node 1 crashes\n", r"MILLPOND_SEED=1 MILLPOND_WITHOUT=[\d,-]+ replays that"]
    for text in wanted:
        assert re.search(text, said), f"it does not say {text}:\n{said}"
    assert "timed out" not in said, said


def packed(to: Path) -> list[Path]:
    """The npm packages: the main one and the native one."""
    run(["node", "scripts/pack.mjs", str(to)], ROOT / "node")
    return sorted(to.iterdir())


def install_npm(project: Path, tarballs: Path) -> None:
    """Installs them where there is nothing else."""
    (project / "package.json").write_text('{"private": true}\n', encoding="utf-8")
    run(["npm", "install", "--offline", "--no-audit", "--no-fund", "--loglevel=error",
         *map(str, sorted(tarballs.iterdir()))], project)
    assert not (project / "node_modules/millpond").is_symlink()


def required(block: str) -> str:
    """The sample for a CommonJS module, whose `await` stands in a function."""
    block, count = re.subn(r"^import (\{.*\}) from '(\w+)'", r"const \1 = require('\2')", block)
    assert count == 1, "the sample does not begin with its import"
    return block


def names_in(tarball: Path) -> set[str]:
    with tarfile.open(tarball) as packed:
        return {name.removeprefix("package/") for name in packed.getnames()}


def use(sample: object, folder: Path) -> None:
    """Runs a sample of README.md in a folder of its own and in a network of its own."""
    folder.mkdir()
    readme.check(sample, readme.apart() or [], folder)


CLAIMS: list[Callable[[Path], None]] = [
    the_wheel_has_all_of_it_and_runs_in_an_empty_environment,
    the_npm_packages_have_all_of_it_and_run_in_an_empty_folder,
    a_test_with_a_lab_runs_under_vitest_and_says_what_its_failure_takes,
]


def main() -> int:
    """Runs every claim; gives the number that failed."""
    failed = 0
    for claim in CLAIMS:
        name = claim.__name__.replace("_", " ")
        with tempfile.TemporaryDirectory() as folder:
            try:
                claim(Path(folder))
            except Exception as error:  # Whatever it is, the other claims are still made.
                failed += 1
                print(f"FAILED {name}: {error}", flush=True)
            else:
                print(f"ok     {name}", flush=True)
    print(f"{len(CLAIMS) - failed} passed, {failed} failed")
    return failed


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
