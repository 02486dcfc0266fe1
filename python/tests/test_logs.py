"""Millpond's traces reach `logging`, from a thread of Python."""

from __future__ import annotations

import logging

import pytest

import millpond
from millpond import _native, logs


def test_traces_arrive_under_the_names_of_their_rooms(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = [(1, 1_500_000, "warn", "millpond::log", "slow disk"), (2, 0, "trace", "iroh", "x")]
    answers = iter([(records, 3)])
    monkeypatch.setattr(_native, "log_drain", lambda count_max: next(answers))
    with caplog.at_level(5):
        assert logs.drain() == 2
    assert [(record.name, record.levelno, record.message) for record in caplog.records] == [
        ("millpond", logging.WARNING, "3 traces were dropped"),
        ("millpond.log", logging.WARNING, "slow disk"),
        ("millpond.iroh", 5, "x"),
    ]
    assert caplog.records[1].created == 1.5


def test_a_bridge_runs_until_it_is_stopped(node: millpond.Node) -> None:
    with logs.Bridge("debug", interval=0.001) as bridge:
        node.publish(1)
    bridge.stop()
    assert not bridge._thread.is_alive()
    logs.set_level("off")
    logs.drain()
    assert logs.drain() == 0


def test_an_unknown_level_is_refused() -> None:
    with pytest.raises(millpond.InvalidArgument):
        logs.set_level("loud")  # type: ignore[arg-type]
