"""Adding and exporting blobs in steps: said once, for threads and for tasks."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from typing import Any, TypeAlias, TypeVar

from . import _native
from ._asking import Ask, Given, Steps
from ._blob import Blob, BlobExported, BlobProgress, blob_of, exported_of
from ._deadline import Deadline
from ._draft import Tags, plain_tags
from ._errors import InvalidArgument

T = TypeVar("T")

OnProgress: TypeAlias = Callable[[BlobProgress], object]
"""Is called between waits, by who waits."""

Said: TypeAlias = tuple[str | None, str | None, list[str]]


def said(media_type: str | None, name: str | None, tags: Tags) -> Said:
    """What is said of a blob, for the native half."""
    return media_type, name, list(plain_tags(tags))


def adding(
    native: _native.Blobs,
    source: Any,
    about: Said,
    size: int | None,
    progress: OnProgress | None,
    timeout: float | None,
) -> Steps[Blob]:
    """Adds bytes, a file by its path, or what a source gives piece by piece."""
    deadline = Deadline(timeout)
    if isinstance(source, (bytes, bytearray, memoryview)):
        add, start = native.add_bytes, native.add_bytes_start
        blob = blob_of((yield Ask(add, start, bytes(source), about, deadline.left())))
        if progress is not None:
            yield Given(progress(BlobProgress(len(source), len(source))))
        return blob
    if isinstance(source, (str, os.PathLike)):
        work = native.add_path(os.fspath(source), about)
        return (yield from working(work, blob_of, progress, deadline))
    pieces = _pieces(source)
    begin = Ask(native.writer, native.writer_start, about, size, deadline.left())
    writer: _native.BlobWriter = yield begin
    done = 0
    try:
        while True:
            piece = yield Given(pieces())
            if piece is None:
                break
            yield Ask(writer.write, writer.write_start, bytes(piece), deadline.left())
            done += len(piece)
            if progress is not None:
                yield Given(progress(BlobProgress(done, size)))
        return blob_of((yield Ask(writer.finish, writer.finish_start, deadline.left())))
    finally:
        writer.close()


def exporting(
    native: _native.Blobs,
    blob_id: str,
    path: str | os.PathLike[str],
    how: str | None,
    overwrite: bool | None,
    progress: OnProgress | None,
    timeout: float | None,
) -> Steps[BlobExported]:
    """Writes a blob to a file."""
    work = native.export(blob_id, os.fspath(path), how, overwrite)
    return (yield from working(work, exported_of, progress, Deadline(timeout)))


def working(
    work: _native.BlobWork,
    read: Callable[[str], T],
    progress: OnProgress | None,
    deadline: Deadline,
) -> Generator[Ask[Any] | Given, Any, T]:
    """What comes of work; whoever does not wait for it any more calls it off."""
    try:
        is_end = progress is None
        while not is_end:
            next_one, start = work.next_progress, work.next_progress_start
            done, total, is_end = yield Ask(next_one, start, deadline.left())
            if progress is not None:
                yield Given(progress(BlobProgress(done, total)))
        return read((yield Ask(work.result_json, work.result_json_start, deadline.left())))
    finally:
        work.close()


def _pieces(source: Any) -> Callable[[], Any]:
    """What gives the next bytes of a source, or an awaitable of them; None is its end."""
    size = _native.BlobWriter.piece_bytes()
    if hasattr(source, "__aiter__"):
        ahead = source.__aiter__()
        return lambda: anext(ahead, None)
    if hasattr(source, "readinto"):
        buffer = memoryview(bytearray(size))

        def fill() -> bytes | None:
            count = source.readinto(buffer)
            if count is None:
                raise InvalidArgument("the source has nothing now: one that blocks is needed")
            return bytes(buffer[:count]) if count > 0 else None

        return fill
    if hasattr(source, "read"):
        return lambda: _read(source.read(size))
    name = type(source).__name__
    raise InvalidArgument(f"a path, bytes or something to read from is needed, not {name}")


def _read(piece: Any) -> Any:
    """The piece, None at the end; of an awaitable one that gives it."""
    if hasattr(piece, "__await__"):
        return _awaited(piece)
    return piece if piece else None


async def _awaited(piece: Any) -> Any:
    return (await piece) or None
