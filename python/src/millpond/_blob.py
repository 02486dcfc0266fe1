"""Blobs as values: what names one, what is known of one, what came of work on some."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, Literal, NamedTuple, TypeAlias

from ._errors import InvalidArgument


@dataclass(frozen=True, slots=True)
class Blob:
    """A mention of a blob. Only the id is sure; the rest is what somebody said."""

    id: str
    """BLAKE3 of its bytes, as `b3sum` prints it: 64 hex digits."""
    size: int | None = None
    """Bytes, up to 2**40; None when nobody said it."""
    media_type: str | None = None
    """Such as "image/jpeg"."""
    name: str | None = None
    """A file name."""


@dataclass(frozen=True, slots=True)
class BlobStat:
    """What is known of a blob here."""

    id: str
    """64 hex digits."""
    size: int
    """Bytes."""
    state: Literal["inline", "whole", "part"]
    """`inline`: whole, in a table, since it is small. `part`: some of it was found damaged."""
    held_bytes: int
    """Bytes that are here."""
    media_type: str | None
    """What was said of it here, such as "image/jpeg"."""
    name: str | None
    """What was said of it here: a file name."""
    tags: tuple[str, ...]
    """What it is listed by here."""
    touched: datetime
    """When it was added, or read, to about a quarter of the grace of collections; UTC."""


BlobLike: TypeAlias = "Blob | BlobStat | str"
"""What names a blob: a str is its id."""


class BlobProgress(NamedTuple):
    """How far work on blobs is."""

    done_bytes: int
    """Bytes that are done."""
    total_bytes: int | None
    """Bytes that there are to do, when that is known."""


class BlobExported(NamedTuple):
    """A blob has become a file."""

    id: str
    """Which blob: 64 hex digits."""
    size: int
    """Bytes of the file."""


class BlobsCollected(NamedTuple):
    """What a collection has removed."""

    blobs: int
    """How many blobs."""
    bytes: int
    """Their bytes, as far as they were here."""


class BlobsVerified(NamedTuple):
    """What a look through blobs found."""

    whole: int
    """Blobs that are here whole, each byte of them verified."""
    bytes: int
    """Their bytes."""
    damaged: tuple[str, ...]
    """Ids of blobs of which something is damaged or missing."""
    strays: int
    """Files that no blob has, and that no opening will remove by itself."""


def id_of(blob: BlobLike) -> str:
    """The id of what names a blob."""
    if isinstance(blob, str):
        return blob
    if isinstance(blob, (Blob, BlobStat)):
        return blob.id
    raise InvalidArgument(f"a Blob or its id is needed, not {type(blob).__name__}")


def blob_of(told: str) -> Blob:
    """The blob that JSON of the native half says."""
    return Blob(**json.loads(told))


def blobs_of(told: str) -> tuple[Blob, ...]:
    """The blobs that JSON of the native half says."""
    return tuple(Blob(**blob) for blob in json.loads(told))


def stat_of(said: dict[str, Any]) -> BlobStat:
    """What is known of a blob, of one object of JSON."""
    touched = datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(microseconds=said["touched"])
    return BlobStat(**{**said, "tags": tuple(said["tags"]), "touched": touched})


def exported_of(told: str) -> BlobExported:
    """Of JSON of the native half."""
    return BlobExported(**json.loads(told))


def collected_of(told: str) -> BlobsCollected:
    """Of JSON of the native half."""
    return BlobsCollected(**json.loads(told))


def verified_of(told: str) -> BlobsVerified:
    """Of JSON of the native half."""
    said = json.loads(told)
    return BlobsVerified(**{**said, "damaged": tuple(said["damaged"])})
