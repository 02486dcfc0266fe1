"""Built-in folds: states that need no code, for `BuiltIn` and `Node.observe`.

Each function gives a value that says a fold, the same in every language; docs/pond.md says what
each comes to. A path is a JSON Pointer into the payload, such as `/order/grams`; empty is the whole
payload. They combine:

    folds.group("/machine", folds.all(strokes=folds.count(), grams=folds.sum("/grams")))
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

Fold: TypeAlias = dict[str, Any]
"""A fold, as JSON says it."""

__all__ = [
    "Fold", "all", "count", "earliest", "group", "latest", "max", "min", "sum", "tag",
]


def _said(**parts: Any) -> Fold:
    return {name: part for name, part in parts.items() if part is not None}


def count(of: str | None = None) -> Fold:
    """How many events there are; with a path only of those that have a value there."""
    return _said(fold="count", of=of)


def sum(of: str) -> Fold:  # noqa: A001
    """The sum of the numbers at a path; 0 for none."""
    return _said(fold="sum", of=of)


def min(of: str, *, type: Literal["text"] | None = None) -> Fold:  # noqa: A001, A002
    """The least number at a path, None for none; with the type "text" the least text."""
    return _said(fold="min", of=of, type=type)


def max(of: str, *, type: Literal["text"] | None = None) -> Fold:  # noqa: A001, A002
    """The greatest number at a path, None for none; with the type "text" the greatest text."""
    return _said(fold="max", of=of, type=type)


def latest(of: str | None = None) -> Fold:
    """The value at a path of the last event that has one, None for none; without it the payload."""
    return _said(fold="latest", of=of)


def earliest(of: str | None = None) -> Fold:
    """As `latest`, of the first event."""
    return _said(fold="earliest", of=of)


def tag(prefix: str) -> dict[str, str]:
    """For `group`: by what follows `prefix` in the one tag that begins with it."""
    return {"tag": prefix}


def group(
    by: str | dict[str, str], each: Fold, *, type: Literal["integer"] | None = None  # noqa: A002
) -> Fold:
    """A dict: for each text at the path `by` the fold `each` of the events that have it.

    With the type "integer" by whole numbers, as decimal text; `by=tag("machine:")` by a tag.
    """
    return _said(fold="group", by=by, each=each, type=type)


def all(**folds: Fold) -> Fold:  # noqa: A001
    """A dict: several folds of the same events by name."""
    return _said(fold="all", folds=folds)
