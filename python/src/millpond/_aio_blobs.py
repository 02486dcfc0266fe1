"""Blobs for asyncio: as `_blobs`, and what waits is awaited."""

from __future__ import annotations

import os
from collections.abc import AsyncIterable, Generator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeAlias, TypeVar

from . import _native
from ._adding import OnProgress, adding, exporting, said
from ._asking import Ask, awaited
from ._blob import (
    Blob,
    BlobExported,
    BlobLike,
    BlobProgress,
    BlobsCollected,
    BlobsVerified,
    collected_of,
    id_of,
    verified_of,
)
from ._blobs import BlobFacts, ExportHow, WorkFacts, place
from ._draft import Tags
from ._facts import NodeFacts

if TYPE_CHECKING:
    from ._blobs import BlobSource

    AioBlobSource: TypeAlias = BlobSource | AsyncIterable[bytes]

T = TypeVar("T")


class Blobs(BlobFacts):
    """As `millpond.Blobs`."""

    __slots__ = ()

    async def add(
        self,
        source: AioBlobSource,
        *,
        media_type: str | None = None,
        name: str | None = None,
        tags: Tags = (),
        size: int | None = None,
        progress: OnProgress | None = None,
        timeout: float | None = None,
    ) -> Blob:
        """As `millpond.Blobs.add`; the source may be an async iterable of bytes, too, or have a
        `read` that is awaited."""
        about = said(media_type, name, tags)
        return await awaited(adding(self._native, source, about, size, progress, timeout))

    async def open(self, blob: BlobLike, *, timeout: float | None = None) -> BlobFile:
        """As `millpond.Blobs.open`; use it in an `async with` block."""
        native = self._native
        opening = Ask(native.open, native.open_start, id_of(blob), timeout)
        return BlobFile(self._node, await opening.awaited(), timeout)

    async def get(
        self, blob: BlobLike, *, bytes_max: int | None = None, timeout: float | None = None
    ) -> bytes:
        """As `millpond.Blobs.get`."""
        native = self._native
        return await Ask(native.get, native.get_start, id_of(blob), bytes_max, timeout).awaited()

    async def export(
        self,
        blob: BlobLike,
        path: str | os.PathLike[str],
        *,
        how: ExportHow | None = None,
        overwrite: bool | None = None,
        progress: OnProgress | None = None,
        timeout: float | None = None,
    ) -> BlobExported:
        """As `millpond.Blobs.export`."""
        native, blob_id = self._native, id_of(blob)
        return await awaited(exporting(native, blob_id, path, how, overwrite, progress, timeout))

    def collect(self) -> BlobWork[BlobsCollected]:
        """As `millpond.Blobs.collect`."""
        return BlobWork(self._native.collect(), collected_of)

    def verify(self, blob: BlobLike | None = None) -> BlobWork[BlobsVerified]:
        """As `millpond.Blobs.verify`."""
        blob_id = None if blob is None else id_of(blob)
        return BlobWork(self._native.verify(blob_id), verified_of)


class BlobWork(WorkFacts[T]):
    """As `millpond.BlobWork`: iterate with `async for`, or await it."""

    __slots__ = ()

    async def result(self, timeout: float | None = None) -> T:
        """As `millpond.BlobWork.result`."""
        return self._read(await self._result(timeout).awaited())

    async def close(self) -> None:
        """As `millpond.BlobWork.close`."""
        self._native.close()

    def __await__(self) -> Generator[Any, Any, T]:
        return self.result().__await__()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> BlobProgress:
        if self._is_over:
            raise StopAsyncIteration
        return self._told(await self._next().awaited())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._native.close()


class BlobFile:
    """As `millpond.BlobFile`; what reads is awaited. Iterate with `async for` over its chunks."""

    __slots__ = ("_id", "_native", "_node", "_position", "_size", "_timeout")

    def __init__(
        self, node: NodeFacts, native: _native.BlobReader, timeout: float | None
    ) -> None:
        """For millpond only."""
        # The node stays open as long as this is used.
        self._node, self._native, self._timeout = node, native, timeout
        self._id, self._size, self._position = native.blob_id(), native.size(), 0

    @property
    def id(self) -> str:
        """The id of the blob: 64 hex digits."""
        return self._id

    @property
    def size(self) -> int:
        """Bytes of the blob."""
        return self._size

    async def read(self, length: int | None = None, /) -> bytes:
        """The next bytes, at most `length`, without it all of them; fewer only at the end.

        Raises as `millpond.BlobFile.readinto`; then nothing was taken.
        """
        left = max(0, self._size - self._position)
        data = await self.pread(self._position, left if length is None else min(left, length))
        self._position += len(data)
        return data

    async def pread(self, position: int, length: int, /) -> bytes:
        """As `millpond.BlobFile.pread`."""
        native, pieces = self._native, []
        end, size = position + length, _native.BlobWriter.piece_bytes()
        while True:
            wanted = min(size, end - position)
            ask = Ask(native.read_at, native.read_at_start, position, wanted, self._timeout)
            piece = await ask.awaited()
            pieces.append(piece)
            position += len(piece)
            if len(piece) < wanted or position >= end:
                return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """As `millpond.BlobFile.seek`."""
        self._position = place(self._position, self._size, offset, whence)
        return self._position

    def tell(self) -> int:
        """Where the next read begins."""
        return self._position

    def detach_file(self) -> int:
        """As `millpond.BlobFile.detach_file`."""
        return self._native.file()

    async def close(self) -> None:
        """Closes it. May be repeated."""
        self._native.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        chunk = await self.read(self._native.chunk_bytes())
        if not chunk:
            raise StopAsyncIteration
        return chunk

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._native.close()

    def __repr__(self) -> str:
        return f"<BlobFile {self._id[:10]}… of {self._size} bytes>"


class BlobCalls(NodeFacts):
    """What a node does with blobs."""

    __slots__ = ()

    @property
    def blobs(self) -> Blobs:
        """Its blobs: files, photos, programs, too large for events."""
        return Blobs(self)
