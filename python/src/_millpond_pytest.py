"""Fixtures for pytest, which finds them by itself where millpond is installed.

`millpond_lab` is a lab; a test that asks for it runs once for each seed, and a failure names its
seed in the test's id, and what it takes of all that befell.
`@pytest.mark.millpond(nodes=5, seeds=20, shrink=False)` says how many nodes and seeds, and whether
to look for a smaller failure.

Not in the package millpond: every run of pytest imports this, and millpond only if it is used. So
what it takes of pytest at once is what any pytest has; what is private is looked for when it is
used, and where it is not there no smaller failure is looked for.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import pytest

if TYPE_CHECKING:
    from millpond._failure import Kind
    from millpond._time_limit import Alarm
    from millpond._trial import Trial
    from millpond.testing import Lab

_SEED = "millpond_seed"
_MARK: dict[str, Any] = {"nodes": None, "seeds": None, "shrink": True}
_LEFT_OUT: WeakKeyDictionary[pytest.Config, list[int] | None] = WeakKeyDictionary()


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


def _left_out(config: pytest.Config) -> list[int] | None:
    """What `MILLPOND_WITHOUT` says, asked once. Raises `pytest.UsageError`: it says nothing."""
    if config not in _LEFT_OUT:
        from millpond import InvalidArgument
        from millpond._trial import wanted

        try:
            _LEFT_OUT[config] = wanted()
        except InvalidArgument as error:
            raise pytest.UsageError(str(error)) from None
    return _LEFT_OUT[config]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Runs a test that asks for a seed or a lab once for each seed."""
    if _SEED not in metafunc.fixturenames:
        return
    from millpond import InvalidArgument
    from millpond.testing import seeds

    asked = _asked(metafunc.definition.get_closest_marker("millpond"))
    _left_out(metafunc.config)
    own = metafunc.definition.iter_markers("parametrize")
    if not any(_SEED in _parametrized(marker) for marker in own):
        try:
            metafunc.parametrize(_SEED, seeds(asked["seeds"]))
        except InvalidArgument as error:
            raise pytest.UsageError(str(error)) from None


def _parametrized(marker: pytest.Mark) -> list[str]:
    """What a marker `parametrize` names."""
    names = marker.args[0] if marker.args else marker.kwargs.get("argnames", ())
    return [name.strip() for name in (names.split(",") if isinstance(names, str) else names)]


@pytest.fixture
def millpond_seed(request: pytest.FixtureRequest) -> Iterator[int]:
    """The seed of this run; the first one for who asks for it while the test runs."""
    from millpond._trial import Trial, current
    from millpond.testing import seeds

    seed = request.param if isinstance(getattr(request, "param", None), int) else seeds()[0]
    known = getattr(request.node, "funcargs", None)
    if isinstance(known, dict):
        # For the hint; the test is given its own arguments only.
        known[_SEED] = seed
    if current() is not None:
        yield seed
        return
    trial = Trial(seed, _left_out(request.config) or ())
    trial.__enter__()
    yield seed
    # Where a task asked for it, its context is gone.
    with contextlib.suppress(ValueError):
        trial.__exit__(None, None, None)


@pytest.fixture
def millpond_lab(request: pytest.FixtureRequest, millpond_seed: int) -> Lab:
    """A lab with the seed of this run."""
    from millpond.testing import Lab

    asked = _asked(request.node.get_closest_marker("millpond"))
    without = _left_out(request.config) or ()
    return Lab(asked["nodes"], seed=millpond_seed, without=without)


def _seed_of(item: pytest.Item) -> int | None:
    """The seed of a test, as far as it has one."""
    chosen = getattr(getattr(item, "callspec", None), "params", {})
    seed = chosen.get(_SEED, (getattr(item, "funcargs", None) or {}).get(_SEED))
    return seed if isinstance(seed, int) else None


class _Run:
    """One run of a test, by pytest's own protocol, and what was reported of it."""

    def __init__(self, item: pytest.Item, alarm: Alarm | None = None) -> None:
        """Nothing has run."""
        self.item, self._alarm = item, alarm
        self.reports: list[pytest.TestReport] = []
        self._made: list[tuple[pytest.TestReport, Kind | None]] = []

    def done(self, protocol: Callable[..., Any], nextitem: pytest.Item | None) -> _Run:
        """Runs it."""
        _RUNS.append(self)
        try:
            self.reports = protocol(self.item, log=False, nextitem=nextitem)
        finally:
            _RUNS.pop()
        return self

    def made(self, report: pytest.TestReport, kind: Kind | None) -> None:
        """A report, of a phase or of a part of the test."""
        self._made.append((report, kind))
        if self._alarm and (report.when == "call" or report.failed):
            # What fixtures put away is put away.
            self._alarm.stop()

    def has_parts(self) -> bool:
        """Whether somebody made a report beside those of the phases: then it is logged already."""
        return len(self._made) != len(self.reports)

    def failed(self) -> pytest.TestReport | None:
        """The report of the phase that failed first."""
        return next((report for report in self.reports if report.failed), None)

    def kind(self) -> Kind | None:
        """How that failed."""
        failed = self.failed()
        return next((kind for report, kind in self._made if report is failed), None)


_RUNS: list[_Run] = []
"""The last one is under way; the others are of a pytest that runs a test of pytest."""


def _protocol() -> Callable[..., Any] | None:
    """What runs the phases of a test; None: this pytest has no such thing."""
    try:
        from _pytest.runner import runtestprotocol
    except ImportError:
        return None
    return runtestprotocol


def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """Runs a test with a seed, and if it fails again and again: with less that befalls."""
    seed, protocol = _seed_of(item), _protocol()
    if seed is None or protocol is None:
        return None
    from millpond._trial import Trial

    left_out = _left_out(item.config)
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    began = time.monotonic()
    with Trial(seed, left_out or ()) as trial:
        run = _Run(item).done(protocol, nextitem)
    took = time.monotonic() - began
    try:
        failed = run.failed()
        if failed and left_out is None and not run.has_parts() and _may_run_again(item):
            found = _smaller(protocol, run, nextitem, trial, took)
            if found is not None:
                _say(failed, "millpond: what it takes", found)
    finally:
        # Also when somebody does not want to wait for less.
        for report in run.reports:
            item.ihook.pytest_runtest_logreport(report=report)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def _may_run_again(item: pytest.Item) -> bool:
    """Not where it is asked for, where a debugger stops, or where one time is for all runs."""
    marker = item.get_closest_marker("millpond")
    is_wanted = marker is None or marker.kwargs.get("shrink", True)
    stops = any(item.config.getoption(name, False) for name in ("usepdb", "trace"))
    return is_wanted and not stops and not item.config.pluginmanager.hasplugin("timeout")


def _smaller(
    protocol: Callable[..., Any],
    first: _Run,
    nextitem: pytest.Item | None,
    trial: Trial,
    took: float,
) -> str | None:
    """What it takes of all that befell in a run that failed."""
    from millpond._time_limit import Alarm, RunTooLong, seconds_max
    from millpond._trial import smaller

    kind = first.kind()
    if kind is None:
        return None

    def run() -> Kind | None:
        try:
            with Alarm(seconds_max(took)) as alarm:
                return _Run(first.item, alarm).done(protocol, nextitem).kind()
        except RunTooLong:
            # It rang between two phases, in the hook of some plugin.
            with contextlib.suppress(Exception):
                first.item.ihook.pytest_runtest_teardown(item=first.item, nextitem=nextitem)
            return None

    return smaller(trial, kind, run)


def _say(report: pytest.TestReport, name: str, text: str) -> None:
    """Adds it to what is said of a failure; as a section of its own `--show-capture` hides it."""
    add = getattr(report.longrepr, "addsection", None)
    if add is None:
        report.sections.append((name, text))
    else:
        add(name, text)


# `wrapper` would be an error to a pytest of before 7.4, and end all of its runs.
@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, Any, None]:
    """Says of a test that failed, also while it was set up, how to replay its seed."""
    outcome = yield
    if outcome.excinfo is not None:
        return
    report: pytest.TestReport = outcome.get_result()
    seed, kind = _seed_of(item), None
    if seed is not None and report.failed and call.excinfo is not None:
        from millpond._failure import kind_of
        from millpond.testing import replay_hint

        kind = kind_of(call.excinfo.value, str(getattr(item, "path", "")))
        _say(report, "millpond", replay_hint(seed))
    if _RUNS and _RUNS[-1].item is item:
        _RUNS[-1].made(report, kind)
