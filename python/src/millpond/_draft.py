"""What applications hand over and get back when they publish."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias, overload

from ._blob import BlobLike, id_of
from ._errors import InvalidArgument
from ._native import Cbor, EventKey, Offsets, are_plain

Payload: TypeAlias = (
    Mapping[str, Any]
    | Sequence[Any]
    | str
    | int
    | float
    | bool
    | None
    | bytes
    | bytearray
    | memoryview
    | Cbor
)
"""What a payload may be. At run time a mapping is a `dict` and a sequence a `list` or `tuple`."""

Tags: TypeAlias = Iterable[str]
"""Up to 64 tags of 1 to 255 bytes of UTF-8 each; order and duplicates do not matter."""

Drafts: TypeAlias = "Iterable[Draft | tuple[Payload, Tags]]"
"""1 to 65,536 drafts, or pairs of payload and tags; at most 16 MiB encoded."""


class Draft(NamedTuple):
    """One event to publish: `Draft(payload, tags, blobs)`."""

    payload: Payload
    """The payload: at most 1 MiB when encoded, nested at most 32 deep."""
    tags: Tags = ()
    """The tags it will be found by."""
    blobs: Iterable[BlobLike] = ()
    """The blobs it refers to, at most 16: each is here whole, or an event that is refers to it."""


class Receipt(NamedTuple):
    """Where a published event stands."""

    key: EventKey
    """Its place in the one order."""
    offset: int
    """Its position in its stream; the first is 0."""
    time_micros: int
    """Our wall clock when it was published, in microseconds since 1970, UTC."""


class Published(Sequence[Receipt]):
    """What `publish` and `publish_all` return: a receipt for each event, in order.

    The events are durable here, as far as `durability` asked for it. Pass `token` to others to
    say what they should have seen.
    """

    __slots__ = ("_count", "_lamport", "_offset", "replayed", "stream", "time_micros", "token")

    stream: str
    """The stream that the events are in: `<node id>-<number>`."""
    time_micros: int
    """Our wall clock, in microseconds since 1970, UTC."""
    token: Offsets
    """Everything that the events could have seen, and they themselves."""
    replayed: bool
    """True when an earlier call with the same idempotency key had published them already."""

    def __init__(self, native: tuple[str, int, int, int, int, Offsets, bool]) -> None:
        """For millpond only."""
        self.stream, self._offset, self._lamport, self._count = native[:4]
        self.time_micros, self.token, self.replayed = native[4:]

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> Receipt: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Receipt]: ...
    def __getitem__(self, index: int | slice) -> Receipt | Sequence[Receipt]:
        """The receipt of the event at `index`. Raises `IndexError`."""
        if isinstance(index, slice):
            return [self._receipt(i) for i in range(*index.indices(self._count))]
        return self._receipt(range(self._count)[index])

    def __iter__(self) -> Iterator[Receipt]:
        return map(self._receipt, range(self._count))

    def _receipt(self, index: int) -> Receipt:
        key = EventKey(self._lamport + index, self.stream)
        return Receipt(key, self._offset + index, self.time_micros)

    def __repr__(self) -> str:
        return f"<Published {self._count} events in {self.stream}>"


def pairs_of_one(payload: Payload, tags: Tags, blobs: Iterable[BlobLike]) -> list[Any]:
    """The one draft that `publish` hands to the native half."""
    return [(payload, plain_tags(tags), *_ids_of(blobs))]


def pairs_of_all(drafts: Drafts) -> list[Any]:
    """The pairs that `publish_all` hands to the native half, which runs no Python code."""
    given = list(drafts)
    if are_plain(given):
        return given
    pairs = []
    for draft in given:
        if isinstance(draft, tuple) and len(draft) in (2, 3):
            payload, tags, *blobs = draft
            pairs.append((payload, plain_tags(tags), *_ids_of(*blobs)))
        else:
            pairs.append(draft)
    return pairs


_PLAIN = (tuple, list, set, frozenset)


def _ids_of(blobs: Iterable[BlobLike] = ()) -> list[list[str]]:
    """The ids of the blobs that an event refers to, as one more item; none when it refers to none.

    A single text is refused: it would become its letters.
    """
    if isinstance(blobs, (str, bytes)):
        raise InvalidArgument(f"blobs: several are needed, not the one text {blobs!r}")
    ids = [id_of(blob) for blob in blobs]
    return [ids] if ids else []


def plain_tags(tags: Tags) -> Any:
    """`tags` as a built-in collection. A single str is refused: it would become its letters."""
    if isinstance(tags, _PLAIN):
        return tags
    if isinstance(tags, (str, bytes)):
        raise InvalidArgument(f"tags: several str are needed, not the one text {tags!r}")
    try:
        return tuple(tags)
    except TypeError:
        name = type(tags).__name__
        raise InvalidArgument(f"tags: several str are needed, not {name}") from None


def key_bytes(idempotency_key: bytes | str | None) -> bytes | None:
    """An idempotency key as bytes."""
    return idempotency_key.encode() if isinstance(idempotency_key, str) else idempotency_key
