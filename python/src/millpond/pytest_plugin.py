"""Fixtures for pytest: say `pytest_plugins = ["millpond.pytest_plugin"]` in your `conftest.py`.

`millpond_lab` is a lab; a test that asks for it runs once for each seed, and a failure names its
seed in the test's id. `@pytest.mark.millpond(nodes=5, seeds=20)` says how many nodes and seeds.
"""

from __future__ import annotations

from collections.abc import Generator

import pytest

from .testing import Lab, replay_hint, seeds


def pytest_configure(config: pytest.Config) -> None:
    """Makes the marker known."""
    line = "millpond(nodes=None, seeds=None): nodes of the fixture millpond_lab, and with how many"
    config.addinivalue_line("markers", f"{line} seeds its tests run")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Runs a test that asks for a seed or a lab once for each seed."""
    if "millpond_seed" in metafunc.fixturenames:
        marker = metafunc.definition.get_closest_marker("millpond")
        count = None if marker is None else marker.kwargs.get("seeds")
        metafunc.parametrize("millpond_seed", seeds(count))


@pytest.fixture
def millpond_lab(request: pytest.FixtureRequest, millpond_seed: int) -> Lab:
    """A lab with the seed of this run."""
    marker = request.node.get_closest_marker("millpond")
    nodes = None if marker is None else marker.kwargs.get("nodes")
    return Lab(nodes, seed=millpond_seed)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Says of a test that failed how to replay its seed."""
    report = yield
    seed = getattr(item, "funcargs", {}).get("millpond_seed")
    if isinstance(seed, int) and report.failed and call.when == "call":
        report.sections.append(("millpond", replay_hint(seed)))
    return report
