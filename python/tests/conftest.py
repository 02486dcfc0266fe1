"""Nodes for tests: loopback only, each in its own folder, closed at the end."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import millpond

pytest_plugins = ["_millpond_pytest", "pytester"]


@pytest.fixture
def secret() -> str:
    """A swarm secret for this test."""
    return millpond.new_swarm_secret()


@pytest.fixture
def open_node(tmp_path: Path, secret: str) -> Iterator[Callable[..., millpond.Node]]:
    """Opens nodes of one swarm; keyword arguments as `millpond.open`."""
    nodes: list[millpond.Node] = []
    numbers = itertools.count()

    def opened(**options: Any) -> millpond.Node:
        path = options.pop("path", tmp_path / f"node{next(numbers)}")
        said = {"app": "test", "swarm": secret, "network": False} | options
        node = millpond.open(path, **said)
        nodes.append(node)
        return node

    yield opened
    for node in nodes:
        node.close()


@pytest.fixture
def node(open_node: Callable[..., millpond.Node]) -> millpond.Node:
    """A node without network."""
    return open_node()


@pytest.fixture
def online() -> dict[str, Any]:
    """Options of a node that talks over loopback only."""
    return {"network": True, "bind": ["127.0.0.1:0"], "discovery": False}
