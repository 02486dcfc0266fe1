"""How a scenario failed: what two failures have in common that are taken for the same."""

from __future__ import annotations

import os
import sysconfig
from functools import lru_cache
from typing import NamedTuple

from ._errors import InternalError, UserCode

_KIT = os.path.dirname(__file__)
_LIBRARY = (
    "<",
    os.path.join(_KIT, ""),
    os.path.join(os.path.dirname(_KIT), "_millpond_pytest.py"),
    *(os.path.join(sysconfig.get_path(name), "") for name in ("stdlib", "platstdlib")),
)
_PACKAGES = tuple(f"{os.sep}{name}{os.sep}" for name in ("site-packages", "dist-packages"))
_DEPTH_MAX = 8


class Kind(NamedTuple):
    """What two failures have in common that are taken for the same."""

    name: str
    """Of the type: a class that the scenario makes is another one in each run."""
    reason: str | None
    place: tuple[str, int] | None
    """The file and line of the scenario that it came from; None where that says nothing."""
    parts: frozenset[Kind]
    """Of the exceptions of a group, or of what code of a fish or an effect raised."""


# Not a default: the depth that a recursion begins at.
def kind_of(error: BaseException, own: str | None = None, depth: int = 0) -> Kind:
    """The kind of a failure. own: the file of the scenario, also if it is one of a library."""
    reason = getattr(error, "reason", None)
    parts: tuple[BaseException, ...] = ()
    # The judge finds the same fault wherever somebody looks next.
    is_judged = isinstance(error, (UserCode, InternalError))
    if is_judged and error.__cause__ is not None:
        parts = (error.__cause__,)
    elif isinstance(error, BaseExceptionGroup):
        parts = error.exceptions
    return Kind(
        f"{type(error).__module__}.{type(error).__qualname__}",
        reason if isinstance(reason, str) else None,
        None if is_judged else _place(error, own),
        frozenset(kind_of(part, own, depth + 1) for part in parts if depth < _DEPTH_MAX),
    )


def _place(error: BaseException, own: str | None) -> tuple[str, int] | None:
    """The innermost line that is not one of a library."""
    found, traceback = None, error.__traceback__
    while traceback is not None:
        file = traceback.tb_frame.f_code.co_filename
        if file == own or not is_of_library(file):
            found = file, traceback.tb_lineno
        traceback = traceback.tb_next
    return found


@lru_cache(1_024)
def is_of_library(file: str) -> bool:
    """Whether a file is of Python, of millpond or of an installed package."""
    return file.startswith(_LIBRARY) or any(name in file for name in _PACKAGES)
