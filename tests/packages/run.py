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
    ours = {f"millpond/{path.name}" for path in (ROOT / "python/src/millpond").glob("*.py*")
            if path.suffix in (".py", ".pyi")}
    wanted = ours | {"millpond/py.typed", "millpond/_native.abi3.so"}
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


def the_npm_packages_have_all_of_it_and_run_in_an_empty_folder(folder: Path) -> None:
    run(["node", "scripts/pack.mjs", str(folder / "packed")], ROOT / "node")
    tarballs = sorted((folder / "packed").iterdir())
    assert len(tarballs) == 2, tarballs
    main, native = (names_in(tarball) for tarball in tarballs)
    wanted = {"package.json", "README.md"} | LICENCES
    wanted |= {f"dist/{path.name}" for path in (ROOT / "node/dist").iterdir()}
    assert main == wanted, f"{main ^ wanted}"
    assert native == {"package.json", "millpond.node"} | LICENCES, f"{native}"

    def install(sample: Path, program: str) -> list[str]:
        (sample / "package.json").write_text('{"private": true}\n', encoding="utf-8")
        run(["npm", "install", "--offline", "--no-audit", "--no-fund", "--loglevel=error",
             *map(str, tarballs)], sample)
        assert not (sample / "node_modules/millpond").is_symlink()
        return ["node", program]

    esm = replace(readme.SAMPLES["javascript"], prepare=lambda to: install(to, "sample.mjs"))
    use(esm, folder / "esm")
    cjs = replace(esm, program="sample.cjs", prepare=lambda to: install(to, "sample.cjs"),
                  around=f"async function main() {{\n{esm.around}}}\nmain()\n", adapt=required)
    use(cjs, folder / "cjs")


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
