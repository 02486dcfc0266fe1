"""The exception classes are the table that every language shares."""

from __future__ import annotations

import pickle
import subprocess
import sys

import pytest

import millpond
from millpond import _errors, _native
from support import ROOT

TABLE = _native.error_table()


def test_the_module_is_what_the_generator_writes_now() -> None:
    command = [sys.executable, str(ROOT / "python" / "tools" / "generate_errors.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row[1])
def test_every_kind_has_a_class_with_its_number_and_name(
    row: tuple[int, str, bool, str, str],
) -> None:
    number, name, retryable, summary, _ = row
    kind = _errors.BY_NAME[name]
    assert (kind.code, kind.name, kind.retryable) == (number, name, retryable)
    assert issubclass(kind, millpond.Error) and getattr(millpond, kind.__name__) is kind
    assert " ".join((kind.__doc__ or "").split()).startswith(" ".join(summary.split())[:60])


def test_no_class_is_without_a_kind() -> None:
    assert set(_errors.BY_NAME) == {name for _, name, *_ in TABLE}
    assert set(millpond.Error.__subclasses__()) == set(_errors.BY_NAME.values())


def test_errors_are_also_the_exceptions_that_python_has_for_them(node: millpond.Node) -> None:
    with pytest.raises(ValueError):
        node.query("nonsense")
    with pytest.raises(ValueError):
        node.publish(2**70)
    with pytest.raises(TimeoutError), node.subscribe("FROM allEvents", start="now") as events:
        while True:
            events.next(timeout=0)


def test_an_error_keeps_its_details_when_it_is_pickled(node: millpond.Node) -> None:
    with pytest.raises(millpond.QueryInvalid) as raised:
        node.query("FROM 'a' & & 'b'")
    copy = pickle.loads(pickle.dumps(raised.value))
    assert type(copy) is millpond.QueryInvalid
    assert str(copy) == str(raised.value) and copy.position == raised.value.position
    assert copy.reason is None and copy.code == 3
