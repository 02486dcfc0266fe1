"""The stubs say of the native module what it is, and what it says of itself."""

from __future__ import annotations

import subprocess
import sys

from support import ROOT


def test_the_docstrings_are_those_of_the_native_module() -> None:
    command = [sys.executable, str(ROOT / "python" / "tools" / "document_stubs.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
