"""Fixtures for pytest, which finds them by itself where millpond is installed.

`millpond_lab` is a lab; a test that asks for it runs once for each seed, and a failure names its
seed in the test's id, and what it takes of all that befell.
`@pytest.mark.millpond(nodes=5, seeds=20, shrink=False)` says how many nodes and seeds, and whether
to look for a smaller failure.

Not in the package millpond: every run of pytest imports this, and millpond only if it is used.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import pytest
from _pytest.runner import runtestprotocol

if TYPE_CHECKING:
    from millpond._trial import Kind, Trial
    from millpond.testing import Lab

_SEED = "millpond_seed"
_MARK: dict[str, Any] = {"nodes": None, "seeds": None, "shrink": True}
_FAILURE = pytest.StashKey["Kind | None"]()


def pytest_configure(config: pytest.Config) -> None:
    """Makes the marker known."""
    line = "millpond(nodes=None, seeds=None, shrink=True): nodes of the fixture millpond_lab, with"
    rest = "how many seeds its tests run, and whether a smaller failure is looked for"
    config.addinivalue_line("markers", f"{line} {rest}")


def _asked(marker: pytest.Mark | None) -> dict[str, Any]:
    """What a marker says. Raises `pytest.UsageError`: it says something else."""
    if marker is None:
        return _MARK
    if marker.args or not marker.kwargs.keys() <= _MARK.keys():
        known = ", ".join(f"{name}=…" for name in _MARK)
        raise pytest.UsageError(f"the marker millpond takes {known}, not {marker}")
    return {**_MARK, **marker.kwargs}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Runs a test that asks for a seed or a lab once for each seed."""
    if _SEED in metafunc.fixturenames:
        from millpond.testing import seeds

        asked = _asked(metafunc.definition.get_closest_marker("millpond"))
        metafunc.parametrize(_SEED, seeds(asked["seeds"]))


@pytest.fixture
def millpond_seed() -> int:
    """The seed of this run; the first one for who asks for it while the test runs."""
    from millpond.testing import seeds

    return seeds()[0]


@pytest.fixture
def millpond_lab(request: pytest.FixtureRequest, millpond_seed: int) -> Lab:
    """A lab with the seed of this run."""
    from millpond._trial import wanted
    from millpond.testing import Lab

    asked = _asked(request.node.get_closest_marker("millpond"))
    return Lab(asked["nodes"], seed=millpond_seed, without=wanted() or ())


def _seed_of(item: pytest.Item) -> int | None:
    """The seed of a test, as far as it has one."""
    chosen = getattr(getattr(item, "callspec", None), "params", {})
    seed = chosen.get(_SEED, (getattr(item, "funcargs", None) or {}).get(_SEED))
    return seed if isinstance(seed, int) else None


def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """Runs a test with a seed, and if it fails again and again: with less that befalls."""
    seed = _seed_of(item)
    if seed is None:
        return None
    from millpond._trial import Trial, smaller, wanted

    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    left_out = wanted()
    with Trial(left_out or ()) as trial:
        reports = runtestprotocol(item, log=False, nextitem=nextitem)
    failed = next((report for report in reports if report.failed), None)
    kind = item.stash.get(_FAILURE, None)
    asked = _asked(item.get_closest_marker("millpond"))
    # pytest-timeout gives all runs of a test one time, and a debugger stops in each.
    is_alone = item.config.getoption("usepdb", False) or item.config.pluginmanager.hasplugin(
        "timeout"
    )
    try:
        if failed and kind and asked["shrink"] and left_out is None and not is_alone:

            def run(_: Trial) -> Kind | None:
                item.stash[_FAILURE] = None
                runtestprotocol(item, log=False, nextitem=nextitem)
                return item.stash[_FAILURE]

            found = smaller(seed, kind, trial.befell(), run)
            if found is not None:
                failed.sections.append(("millpond: what it takes", found))
    finally:
        # Also when somebody does not want to wait for less.
        for report in reports:
            item.ihook.pytest_runtest_logreport(report=report)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Says of a test that failed, also while it was set up, how to replay its seed."""
    report = yield
    seed = _seed_of(item)
    if seed is None or not report.failed or call.excinfo is None:
        return report
    from millpond._trial import kind_of
    from millpond.testing import replay_hint

    if item.stash.get(_FAILURE, None) is None:
        item.stash[_FAILURE] = kind_of(call.excinfo.value)
    report.sections.append(("millpond", replay_hint(seed)))
    return report
