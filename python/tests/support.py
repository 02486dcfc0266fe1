"""Small helpers that several test files use."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
"""The folder of the whole project."""

WAIT = 120.0
"""Seconds after which a wait hangs, also on a busy machine."""

PREAMBLE = """
import asyncio, os, sys, threading
import millpond
from millpond import aio
ALL = "FROM allEvents"
options = dict(app="test", swarm=sys.argv[2], network=False)
path = sys.argv[1]
"""


def script(code: str) -> str:
    """`code` after the imports that every script here needs."""
    return PREAMBLE + textwrap.dedent(code)


def start(code: str, path: Path, secret: str, **environment: str) -> subprocess.Popen[str]:
    """Starts an interpreter that runs `code` with a folder and a swarm secret."""
    return subprocess.Popen(
        [sys.executable, "-X", "dev", "-W", "ignore::ResourceWarning", "-c", script(code)]
        + [str(path), secret],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.PIPE,
        text=True,
        env=os.environ | environment,
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Waits for the end: exit status, standard output, standard error."""
    try:
        out, err = process.communicate(timeout=WAIT)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        err += "\n[killed: it did not end by itself]"
    return process.returncode, out, err


def run(code: str, path: Path, secret: str, **environment: str) -> tuple[int, str, str]:
    """Runs `code` to its end."""
    return finish(start(code, path, secret, **environment))


def payloads(events: Any) -> list[Any]:
    """What the events carry."""
    return [event.payload for event in events]
