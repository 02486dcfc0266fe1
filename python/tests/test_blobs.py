"""Blobs: large immutable bytes beside the events, as files and as values."""

from __future__ import annotations

import asyncio
import io
import os
import shutil
import threading
import zipfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import millpond
from millpond import Blob, Node, aio
from support import WAIT

Open = Callable[..., Node]

EMPTY = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"
"""What `b3sum` prints of nothing."""
PHOTO = {"media_type": "image/jpeg", "name": "defect.jpg", "tags": ["press"]}


def content(count: int) -> bytes:
    """Bytes that differ from place to place."""
    return bytes((at * 31 + at // 251) & 0xFF for at in range(count))


def test_bytes_files_and_streams_of_the_same_bytes_are_one_blob(
    node: Node, tmp_path: Path
) -> None:
    data = content(200_000)
    path = tmp_path / "photo"
    path.write_bytes(data)
    added = node.blobs.add(data, **PHOTO)  # type: ignore[arg-type]
    assert (added.size, added.media_type, added.name) == (200_000, "image/jpeg", "defect.jpg")
    for source in (bytearray(data), memoryview(data), path, str(path), io.BytesIO(data)):
        assert node.blobs.add(source).id == added.id
    with path.open("rb", buffering=0) as raw:
        assert node.blobs.add(raw, size=len(data)).id == added.id
    assert node.blobs.add(b"").id == EMPTY
    assert node.blobs.has(added)
    assert node.blobs.has(added.id)
    stat = node.blobs.stat(added)
    assert (stat.state, stat.held_bytes, stat.tags) == ("whole", 200_000, ("press",))
    assert [known.id for known in node.blobs.list()] == sorted([added.id, EMPTY])
    assert list(node.blobs.list(tags=["press"])) == [stat]
    assert list(node.blobs.list(tags=["other"])) == []


def test_an_open_blob_is_a_binary_file(node: Node, tmp_path: Path) -> None:
    data = content(300_001)
    blob = node.blobs.add(data)
    with node.blobs.open(blob) as file:
        assert isinstance(file, io.RawIOBase)
        assert (file.id, file.size) == (blob.id, 300_001)
        assert file.readable()
        assert file.seekable()
        assert not file.writable()
        assert file.read(10) == data[:10]
        assert file.tell() == 10
        assert file.seek(-5, os.SEEK_END) == 299_996
        assert file.read() == data[-5:]
        assert file.read(1) == b""
        assert file.pread(65_530, 12) == data[65_530:65_542]
        assert file.seek(0) == 0
        assert file.readall() == data
        assert file.seek(1 << 62) == 1 << 62
        assert file.read(1) == b""
        buffer = bytearray(7)
        file.seek(299_999)
        assert file.readinto(buffer) == 2
        assert bytes(buffer[:2]) == data[-2:]
        for wrong in (lambda: file.seek(-1), lambda: file.seek(0, 3)):
            with pytest.raises(ValueError, match=r"byte|whence"):
                wrong()
        file.seek(0)
        with (tmp_path / "copy").open("wb") as target:
            shutil.copyfileobj(file, target)
    assert (tmp_path / "copy").read_bytes() == data
    assert file.closed
    with pytest.raises(ValueError, match="closed"):
        file.read(1)
    file.close()
    with io.BufferedReader(node.blobs.open(blob)) as buffered:
        assert buffered.read(70_000) == data[:70_000]


def test_a_zip_file_is_read_out_of_a_blob(node: Node) -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("program.nc", "G01 X10\n" * 50_000)
        archive.writestr("photo", content(100_000))
    made.seek(0)
    blob = node.blobs.add(made, media_type="application/zip")
    with node.blobs.open(blob) as file, zipfile.ZipFile(file) as archive:
        assert archive.testzip() is None
        assert archive.read("photo") == content(100_000)


def test_a_blob_has_a_file_of_its_own_unless_it_is_small(node: Node) -> None:
    with node.blobs.open(node.blobs.add(content(100_000))) as file:
        descriptor = file.detach_file()
        with os.fdopen(descriptor, "rb") as own:
            assert own.read() == content(100_000)
    with node.blobs.open(node.blobs.add(b"small")) as file:
        with pytest.raises(millpond.InvalidArgument) as refused:
            file.detach_file()
        assert refused.value.reason == "no_file"


def test_what_is_not_here_or_too_large_is_told(node: Node) -> None:
    missing = "00" * 32
    calls: list[Callable[[], Any]] = [
        lambda: node.blobs.open(missing),
        lambda: node.blobs.get(missing),
        lambda: node.blobs.stat(missing),
        lambda: node.blobs.verify(missing).result(WAIT),
        lambda: node.publish(1, blobs=[missing]),
    ]
    for call in calls:
        with pytest.raises(millpond.NotFound) as refused:
            call()
        assert refused.value.reason == "blob_not_here"
    assert not node.blobs.has(missing)
    large = node.blobs.add(content(100_000))
    assert node.blobs.get(large) == content(100_000)
    with pytest.raises(millpond.LimitExceeded):
        node.blobs.get(large, bytes_max=99_999)
    wrong: list[Callable[[], Any]] = [
        lambda: node.blobs.has("photo"),
        lambda: node.blobs.has(7),  # type: ignore[arg-type]
        lambda: node.blobs.add(7),  # type: ignore[arg-type]
        lambda: node.blobs.add(b"x", media_type="photo"),
        lambda: node.blobs.add(b"x", tags="press"),
        lambda: node.publish(1, blobs=large.id),
        lambda: node.publish(1, blobs=["photo"]),
    ]
    for call in wrong:
        with pytest.raises(millpond.InvalidArgument):
            call()
    with pytest.raises(millpond.NotFound):
        node.blobs.add("/nowhere/at/all")


def test_a_source_that_is_not_of_its_size_leaves_nothing(node: Node) -> None:
    for size in (19_999, 20_001):
        with pytest.raises(millpond.Conflict) as refused:
            node.blobs.add(io.BytesIO(content(20_000)), size=size)
        assert refused.value.reason == "changed_while_added"

    class Broken(io.RawIOBase):
        def readinto(self, buffer: Any, /) -> int:
            raise OSError("no cable")

    with pytest.raises(OSError, match="no cable"):
        node.blobs.add(Broken())
    assert list(node.blobs.list()) == []


def test_progress_is_told_and_work_is_called_off(node: Node, tmp_path: Path) -> None:
    data = content(3_000_000)
    path = tmp_path / "video"
    path.write_bytes(data)
    told: list[millpond.BlobProgress] = []
    blob = node.blobs.add(path, progress=told.append)
    assert told[-1] == (3_000_000, 3_000_000)
    assert [step.done_bytes for step in told] == sorted(step.done_bytes for step in told)
    told.clear()
    node.blobs.add(io.BytesIO(data), size=len(data), progress=told.append)
    assert told[-1] == (3_000_000, 3_000_000)
    assert len(told) == 3
    with node.blobs.verify(blob) as work:
        steps = list(work)
        assert steps[-1].done_bytes == 3_000_000
        assert work.result(WAIT) == (1, 3_000_000, (), 0)
        assert work.result(WAIT).whole == 1
        assert work.fileno() >= 0
    with pytest.raises(millpond.Closed):
        work.result(WAIT)
    assert node.blobs.collect().result(WAIT) == (0, 0)


def test_a_blob_becomes_a_file(node: Node, tmp_path: Path) -> None:
    blob = node.blobs.add(content(100_000))
    target = tmp_path / "out"
    assert node.blobs.export(blob, target) == (blob.id, 100_000)
    assert target.read_bytes() == content(100_000)
    with pytest.raises(millpond.Conflict) as refused:
        node.blobs.export(blob, target)
    assert refused.value.reason == "exists"
    for how in ("auto", "copy", "link"):
        node.blobs.export(blob, target, how=how, overwrite=True)  # type: ignore[arg-type]
    with pytest.raises(millpond.InvalidArgument):
        node.blobs.export(blob, target, how="fax")  # type: ignore[arg-type]


def test_an_event_refers_to_blobs_with_what_was_said_of_them(node: Node) -> None:
    photo = node.blobs.add(content(20_000), **PHOTO)  # type: ignore[arg-type]
    note = node.blobs.add(b"scratch")
    node.publish({"defect": 7}, ["defect"], blobs=[photo, note.id])
    node.publish_all([millpond.Draft(1, ["defect"], [photo]), (2, ["defect"])])
    events = node.query("FROM 'defect'").to_list()
    assert events[0].blobs == tuple(sorted([photo, note], key=lambda blob: blob.id))
    assert events[1].blobs == (Blob(photo.id, 20_000, "image/jpeg", "defect.jpg"),)
    assert events[2].blobs == ()
    assert node.blobs.get(events[1].blobs[0]) == content(20_000)
    bare = next(iter(node.query("FROM 'defect'", columns=["payload"])))
    with pytest.raises(millpond.InvalidArgument):
        _ = bare.blobs


def test_a_blob_is_read_by_many_threads(node: Node) -> None:
    data = content(500_000)
    blob, wrong = node.blobs.add(data), []

    def read(number: int) -> None:
        with node.blobs.open(blob) as file:
            file.seek(number * 1_000)
            if file.read(100_000) != data[number * 1_000 : number * 1_000 + 100_000]:
                wrong.append(number)

    threads = [threading.Thread(target=read, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT)
    assert wrong == []


def test_what_is_open_ends_with_its_node(open_node: Open) -> None:
    node = open_node()
    blob = node.blobs.add(content(20_000))
    file = node.blobs.open(blob)
    node.close()
    with pytest.raises(millpond.Closed):
        file.read(1)
    file.close()
    with pytest.raises(millpond.Closed):
        node.blobs.has(blob)


def test_asyncio_has_the_same_blobs(tmp_path: Path, secret: str) -> None:
    data = content(2_500_000)

    async def chunks() -> AsyncIterator[bytes]:
        for at in range(0, len(data), 300_000):
            yield data[at : at + 300_000]

    class Reader:
        def __init__(self) -> None:
            self.source = io.BytesIO(data)

        async def read(self, size: int) -> bytes:
            await asyncio.sleep(0)
            return self.source.read(size)

    async def main() -> None:
        async with aio.open(tmp_path / "node", app="test", swarm=secret, network=False) as node:
            told: list[millpond.BlobProgress] = []
            blob = await node.blobs.add(chunks(), progress=told.append)
            assert told[-1].done_bytes == len(data)
            other: Any = Reader()
            assert await node.blobs.add(other) == Blob(blob.id, len(data))
            path = tmp_path / "file"
            path.write_bytes(data)
            assert (await node.blobs.add(path)).id == blob.id
            assert (await node.blobs.add(b"")).id == EMPTY
            async with await node.blobs.open(blob) as file:
                assert (file.size, file.id) == (len(data), blob.id)
                assert await file.read(5) == data[:5]
                assert file.seek(-3, os.SEEK_END) == len(data) - 3
                assert await file.read() == data[-3:]
                assert await file.pread(0, 2_000_000) == data[:2_000_000]
                file.seek(0)
                assert b"".join([chunk async for chunk in file]) == data
                assert file.tell() == len(data)
            with pytest.raises(millpond.Closed):
                await file.read(1)
            assert await node.blobs.get(blob) == data
            assert await node.blobs.export(blob, tmp_path / "out") == (blob.id, len(data))
            async with node.blobs.verify() as work:
                steps = [step async for step in work]
                assert steps[-1].done_bytes == len(data)
                assert (await work).whole == 2
            assert await node.blobs.collect() == (0, 0)
            await node.publish(1, ["defect"], blobs=[blob])
            event = await node.query("FROM 'defect'").next()
            assert event is not None
            assert event.blobs == (blob,)
            task = asyncio.ensure_future(node.blobs.add(stuck()))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    async def stuck() -> AsyncIterator[bytes]:
        await asyncio.Event().wait()
        yield b""

    asyncio.run(asyncio.wait_for(main(), WAIT))


def pieces() -> Iterator[bytes]:
    """Nothing that can be read from."""
    yield b"x"


def test_what_cannot_be_read_from_is_refused(node: Node) -> None:
    with pytest.raises(millpond.InvalidArgument):
        node.blobs.add(pieces())  # type: ignore[arg-type]
