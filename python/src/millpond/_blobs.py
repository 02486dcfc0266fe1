"""Blobs for threads: large immutable bytes beside the events. See docs/blobs.md."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Literal, Self, TypeAlias, TypeVar

from . import _native
from ._adding import OnProgress, adding, exporting, said
from ._asking import Ask, waited
from ._blob import (
    Blob,
    BlobExported,
    BlobLike,
    BlobProgress,
    BlobsCollected,
    BlobStat,
    BlobsVerified,
    collected_of,
    id_of,
    stat_of,
    verified_of,
)
from ._draft import Tags, plain_tags
from ._facts import NodeFacts

if TYPE_CHECKING:
    from _typeshed import SupportsRead, WriteableBuffer

    BlobSource: TypeAlias = (
        str | os.PathLike[str] | bytes | bytearray | memoryview | SupportsRead[bytes] | io.RawIOBase
    )

T = TypeVar("T")

ExportHow: TypeAlias = Literal["auto", "copy", "link"]
"""How a blob becomes a file: sharing its blocks on the disk where the file system can and else by
copying; by copying; or as another name of the store's own file, whose editing damages the blob."""


class BlobFacts:
    """What a node says of its blobs at once, for threads and for asyncio."""

    __slots__ = ("_node",)

    def __init__(self, node: NodeFacts) -> None:
        """For millpond only."""
        self._node = node

    @property
    def _native(self) -> _native.Blobs:
        return self._node._native.blobs()

    def has(self, blob: BlobLike) -> bool:
        """Whether it is here whole. Its bytes are not looked at: reading does that.

        Raises `InvalidArgument`, `Corrupt`, `StorageFailed`, `Closed`.
        """
        return self._native.has(id_of(blob))

    def stat(self, blob: BlobLike) -> BlobStat:
        """What is known of it here.

        Raises `NotFound` (reason "blob_not_here"), and as `has`.
        """
        return stat_of(json.loads(self._native.stat_json(id_of(blob))))

    def list(self, *, tags: Tags = ()) -> Iterator[BlobStat]:
        """The blobs that have all these tags here, by rising id.

        Raises `InvalidArgument`, `StorageFailed`, `Closed`.
        """
        wanted = [*plain_tags(tags)]
        after: str | None = None
        while page := json.loads(self._native.list_json(after, wanted)):
            yield from map(stat_of, page)
            after = page[-1]["id"]

    def __repr__(self) -> str:
        return f"<Blobs of {self._node!r}>"


class Blobs(BlobFacts):
    """What a node holds beside its events: immutable bytes, each named by its BLAKE3 hash.

    `Node.blobs`. Peers get the events that refer to blobs at once, and the bytes when they ask for
    them: what is missing here is fetched when it is opened, read, got or exported. A blob to which
    an event refers stays as long as the event is held.
    """

    __slots__ = ()

    def add(
        self,
        source: BlobSource,
        *,
        media_type: str | None = None,
        name: str | None = None,
        tags: Tags = (),
        size: int | None = None,
        progress: OnProgress | None = None,
        timeout: float | None = None,
    ) -> Blob:
        """Adds a file by its path, bytes, or what `source.readinto` or `source.read` gives.

        It is durable, and visible here, when this returns. The same bytes are one blob, however
        often they are added; what is said of them counts where nothing was said before.

        media_type: such as "image/jpeg", at most 64 bytes. name: at most 128 bytes without "/".
            tags: at most 16, to list it by here.
        size: how many bytes something to read from will give, if that is known.
        progress: called on this thread between waits. timeout: seconds, None for no limit; what
            `source` and `progress` take is not cut short.

        Raises `InvalidArgument`, `NotFound` (no such file), `Conflict` (reason
        "changed_while_added": it is not of the size that was said), `LimitExceeded` (more than 2^40
        bytes, or reason "blob_quota"), `StorageFull`, `StorageFailed`, `Timeout`, `Closed`: nothing
        is left then.
        """
        about = said(media_type, name, tags)
        return waited(adding(self._native, source, about, size, progress, timeout))

    def open(self, blob: BlobLike, *, timeout: float | None = None) -> BlobFile:
        """Opens a blob for reading; use it in a `with` block. While it is open it is not collected.

        timeout: seconds of this and of each read, None for no limit.

        Raises `NotFound` (reason "blob_not_here"), `InvalidArgument`, `Corrupt`, `StorageFailed`,
        `Timeout`, `Closed`.
        """
        return BlobFile(self._node, self._native.open(id_of(blob), timeout), timeout)

    def get(
        self, blob: BlobLike, *, bytes_max: int | None = None, timeout: float | None = None
    ) -> bytes:
        """All bytes of a blob of at most `bytes_max` (default 16 MiB).

        Raises `LimitExceeded`: it has more. And as `open`.
        """
        return self._native.get(id_of(blob), bytes_max, timeout)

    def export(
        self,
        blob: BlobLike,
        path: str | os.PathLike[str],
        *,
        how: ExportHow | None = None,
        overwrite: bool | None = None,
        progress: OnProgress | None = None,
        timeout: float | None = None,
    ) -> BlobExported:
        """Writes a blob to a file, which is there whole or not at all.

        how: "auto" (the default), "copy" or "link". overwrite: whether the file takes the place of
            one that is there (default False). progress, timeout: as for `add`.

        Raises `Conflict` (reason "exists"), `StorageFull`, and as `open`: the target is as it was.
        """
        native, blob_id = self._native, id_of(blob)
        return waited(exporting(native, blob_id, path, how, overwrite, progress, timeout))

    def collect(self) -> BlobWork[BlobsCollected]:
        """Removes every blob that no event refers to, and that nobody has added or read lately.

        Raises `Closed`; its `result` raises `StorageFull`, `StorageFailed`, `Cancelled`.
        """
        return BlobWork(self._native.collect(), collected_of)

    def verify(self, blob: BlobLike | None = None) -> BlobWork[BlobsVerified]:
        """Reads and verifies a blob, or all of them. Damage is no error.

        Raises `InvalidArgument`, `Closed`; its `result` raises `NotFound` (reason "blob_not_here"),
        `StorageFailed`, `Cancelled`.
        """
        blob_id = None if blob is None else id_of(blob)
        return BlobWork(self._native.verify(blob_id), verified_of)


class WorkFacts(Generic[T]):
    """Work, for threads and for asyncio."""

    __slots__ = ("_is_over", "_native", "_read")

    def __init__(self, native: _native.BlobWork, read: Callable[[str], T]) -> None:
        """For millpond only."""
        self._native, self._read, self._is_over = native, read, False

    def _next(self) -> Ask[tuple[int, int | None, bool]]:
        return Ask(self._native.next_progress, self._native.next_progress_start, None)

    def _told(self, told: tuple[int, int | None, bool]) -> BlobProgress:
        done, total, self._is_over = told
        return BlobProgress(done, total)

    def _result(self, timeout: float | None) -> Ask[str]:
        return Ask(self._native.result_json, self._native.result_json_start, timeout)

    def fileno(self) -> int:
        """A file descriptor for `select` and the like: readable while there is progress to see.

        Valid until it is closed. Never read or write it. Raises `Closed`.
        """
        return self._native.fileno()


class BlobWork(WorkFacts[T]):
    """Work on blobs. Iterate over it for progress, ask for its `result`; closed, it is called off.

    Who looks rarely skips progress; what is last is as far as the work came.
    """

    __slots__ = ()

    def result(self, timeout: float | None = None) -> T:
        """Waits for what comes of it. May be asked again.

        timeout: seconds, None for no limit; the work goes on. Raises what the work ended with,
        `Timeout`, `Closed`.
        """
        return self._read(self._result(timeout).waited())

    def close(self) -> None:
        """Calls it off if it is under way. May be repeated."""
        self._native.close()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> BlobProgress:
        if self._is_over:
            raise StopIteration
        return self._told(self._next().waited())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class BlobFile(io.RawIOBase):
    """A blob that is open for reading: a binary file whose every byte was verified.

    `io.BufferedReader`, `shutil.copyfileobj` and `zipfile.ZipFile` work with it. Used by one thread
    at a time.
    """

    def __init__(
        self, node: NodeFacts, native: _native.BlobReader, timeout: float | None
    ) -> None:
        """For millpond only."""
        super().__init__()
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

    def readable(self) -> bool:
        """True while it is open. Raises `ValueError`: it is closed."""
        self._check_open()
        return True

    def seekable(self) -> bool:
        """True while it is open. Raises `ValueError`: it is closed."""
        self._check_open()
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Reads until `buffer` is full or the blob ends; gives how many bytes, 0 at the end.

        Raises `Corrupt`: the bytes are damaged here. `StorageFailed`, `Timeout`, `Closed` (the
        node); then nothing was taken.
        """
        view = memoryview(buffer).cast("B")
        data = self._read(len(view))
        view[: len(data)] = data
        return len(data)

    def readall(self) -> bytes:
        """All bytes from here to the end. Raises as `readinto`."""
        return self._read(self._size)

    def pread(self, position: int, length: int, /) -> bytes:
        """At most `length` bytes from byte `position` on; fewer only where the blob ends.

        Where the next read begins is not touched. Raises as `readinto`.
        """
        self._check_open()
        return self._native.read_at(position, length, self._timeout)

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Says where the next read begins, as `io.IOBase.seek`. Raises `ValueError`."""
        self._check_open()
        self._position = place(self._position, self._size, offset, whence)
        return self._position

    def tell(self) -> int:
        """Where the next read begins."""
        self._check_open()
        return self._position

    def detach_file(self) -> int:
        """A descriptor of its file, opened anew: close it with `os.close`. Nothing that is read
        from it is verified.

        Raises `InvalidArgument` (reason "no_file": the blob is small and lies in a table),
        `NotFound`, `StorageFailed`, `Closed`.
        """
        self._check_open()
        return self._native.file()

    def close(self) -> None:
        """Closes it. May be repeated."""
        if not self.closed:
            super().close()
            self._native.close()

    def _read(self, length: int) -> bytes:
        self._check_open()
        data = self._native.read_at(self._position, length, self._timeout)
        self._position += len(data)
        return data

    def _check_open(self) -> None:
        if self.closed:
            raise ValueError("I/O operation on a closed blob")

    def __repr__(self) -> str:
        return f"<BlobFile {self._id[:10]}… of {self._size} bytes>"


def place(position: int, size: int, offset: int, whence: int) -> int:
    """Where a read begins, `offset` bytes from what `whence` says."""
    if whence not in (os.SEEK_SET, os.SEEK_CUR, os.SEEK_END):
        raise ValueError(f"whence is 0, 1 or 2, not {whence}")
    sought = {os.SEEK_SET: 0, os.SEEK_CUR: position, os.SEEK_END: size}[whence] + offset
    if sought < 0:
        raise ValueError(f"byte {sought} is before the first one")
    return sought


class BlobCalls(NodeFacts):
    """What a node does with blobs."""

    __slots__ = ()

    @property
    def blobs(self) -> Blobs:
        """Its blobs: files, photos, programs, too large for events."""
        return Blobs(self)


def ids_of(blobs: Any) -> tuple[str, ...]:
    """The ids of blobs that an event refers to."""
    return tuple(map(id_of, blobs))
