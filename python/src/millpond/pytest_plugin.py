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


def _asked(marker: pytest.Mark | None) -> tuple[int | None, int | None]:
    """Nodes and seeds, as a marker says. Raises `pytest.UsageError`: it says something else."""
    if marker is None:
        return None, None
    if marker.args or not marker.kwargs.keys() <= {"nodes", "seeds"}:
        raise pytest.UsageError(f"the marker millpond takes nodes=… and seeds=…, not {marker}")
    return marker.kwargs.get("nodes"), marker.kwargs.get("seeds")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Runs a test that asks for a seed or a lab once for each seed."""
    if "millpond_seed" in metafunc.fixturenames:
        _, count = _asked(metafunc.definition.get_closest_marker("millpond"))
        metafunc.parametrize("millpond_seed", seeds(count))


@pytest.fixture
def millpond_seed() -> int:
    """The seed of this run; the first one for who asks for it while the test runs."""
    return seeds()[0]


@pytest.fixture
def millpond_lab(request: pytest.FixtureRequest, millpond_seed: int) -> Lab:
    """A lab with the seed of this run."""
    nodes, _ = _asked(request.node.get_closest_marker("millpond"))
    return Lab(nodes, seed=millpond_seed)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Says of a test that failed, also while it was set up, how to replay its seed."""
    report = yield
    chosen = getattr(getattr(item, "callspec", None), "params", {})
    seed = chosen.get("millpond_seed", getattr(item, "funcargs", {}).get("millpond_seed"))
    if isinstance(seed, int) and report.failed and call.excinfo is not None:
        report.sections.append(("millpond", replay_hint(seed)))
    return report
