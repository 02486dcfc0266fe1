"""Payloads: what goes in comes out, in the bytes that every language makes."""

from __future__ import annotations

import copy
import enum
import json
import math
from collections import Counter, OrderedDict, namedtuple
from typing import Any

import pytest

import millpond
from support import ROOT

VECTORS = json.loads((ROOT / "tests" / "vectors" / "payloads.json").read_text("utf-8"))


def value_of(written: Any) -> Any:
    """The value that a vector describes."""
    if isinstance(written, list):
        return [value_of(item) for item in written]
    if not isinstance(written, dict):
        return written
    ((kind, inner),) = written.items()
    if kind == "map":
        return {key: value_of(item) for key, item in inner}
    return {"integer": int, "float": float, "bytes": bytes.fromhex}[kind](inner)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["bytes"][:40])
def test_every_vector_has_the_same_bytes_here(vector: dict[str, Any]) -> None:
    value = value_of(vector["value"])
    data = bytes.fromhex(vector["bytes"])
    assert millpond.encode(value) == data
    back = millpond.decode(data)
    assert back == value and type(back) is type(value)
    if isinstance(value, float):
        assert math.copysign(1, back) == math.copysign(1, value)


@pytest.mark.parametrize("number", [2**53 - 1, 2**53, 2**53 + 1, 2**64 - 1, -(2**63)])
def test_integers_keep_all_64_bits(number: int) -> None:
    for value in (number, -number if -number >= -(2**63) else number):
        assert millpond.decode(millpond.encode({"n": value})) == {"n": value}


@pytest.mark.parametrize("number", [2**64, -(2**63) - 1, 10**40])
def test_an_int_beyond_64_bits_is_refused_with_its_place(number: int) -> None:
    with pytest.raises(millpond.LimitExceeded, match=r'^payload\["orders"\]\[1\]\["amount"\]: '):
        millpond.encode({"orders": [{}, {"amount": number}]})


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_float_that_is_not_finite_is_refused_with_its_place(number: float) -> None:
    with pytest.raises(millpond.InvalidArgument, match=r'^payload\["t"\]: '):
        millpond.encode({"t": number})


def test_a_key_that_is_no_str_is_refused_with_its_place() -> None:
    with pytest.raises(millpond.InvalidArgument, match=r'payload\["a"\]\[0\]: a key is int'):
        millpond.encode({"a": [{1: 2}]})


@pytest.mark.parametrize("value", [object(), {1, 2}, 1j, len, range(3), Ellipsis])
def test_other_types_are_refused_with_the_types_that_work(value: object) -> None:
    with pytest.raises(millpond.InvalidArgument, match=r"payload\[1\]: .* use dict, list"):
        millpond.encode([0, value])


def test_text_that_is_not_unicode_is_refused() -> None:
    with pytest.raises(millpond.InvalidArgument, match="surrogate"):
        millpond.encode({"a": "\ud800"})
    with pytest.raises(millpond.InvalidArgument, match="surrogate"):
        millpond.encode({"\ud800": 1})


def test_a_value_inside_itself_is_refused_and_does_not_hang() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(millpond.LimitExceeded, match="nested"):
        millpond.encode(endless)


def test_nesting_and_size_are_bounded() -> None:
    deep: Any = None
    for _ in range(32):
        deep = [deep]
    assert millpond.decode(millpond.encode(deep)) == deep
    with pytest.raises(millpond.LimitExceeded):
        millpond.encode([deep])
    with pytest.raises(millpond.LimitExceeded):
        millpond.encode(b"x" * (1 << 20))


def test_every_kind_of_bytes_is_bytes() -> None:
    for data in (b"ab", bytearray(b"ab"), memoryview(b"ab"), memoryview(b"axb")[::2]):
        assert millpond.decode(millpond.encode(data)) == b"ab"


def test_subclasses_count_as_the_type_they_extend() -> None:
    class Colour(enum.IntEnum):
        RED = 3

    class Name(enum.StrEnum):
        PRESS = "press"

    point = namedtuple("point", "x y")
    value = [Colour.RED, Name.PRESS, point(1, 2), OrderedDict(b=1, a=2), Counter("aab")]
    map_ = {"a": 2, "b": 1}
    assert millpond.decode(millpond.encode(value)) == [3, "press", [1, 2], map_, map_]


def test_equal_values_have_equal_bytes_whatever_the_order_of_keys() -> None:
    assert millpond.encode({"b": 1, "a": 2}) == millpond.encode({"a": 2, "b": 1})


REFUSED = [b"", b"\xf7", b"\x18\x17", b"\x00\x00", b"\x9f\xff", b"\xa1\x01\x02"]


@pytest.mark.parametrize("data", REFUSED)
def test_bytes_that_are_not_one_deterministic_value_are_refused(data: bytes) -> None:
    with pytest.raises(millpond.InvalidArgument):
        millpond.decode(data)


def test_encoded_payloads_pass_through_untouched(node: millpond.Node) -> None:
    data = millpond.encode({"k": [1, 2]})
    node.publish(millpond.Cbor(data))
    node.publish({"k": [1, 2]})
    first, second = node.query("FROM allEvents").to_list()
    assert first.payload_bytes == second.payload_bytes == data
    assert first.payload == second.payload == {"k": [1, 2]}
    assert first.payload is first.payload
    with pytest.raises(millpond.InvalidArgument):
        node.publish(millpond.Cbor(b"\xff"))


def test_an_encoded_payload_is_a_value_and_keeps_its_bytes() -> None:
    given = bytearray(b"\x61a")
    first, second = millpond.Cbor(given), millpond.Cbor(b"\x61a")
    given[1] = 0
    assert first.data == second.data == b"\x61a" and type(first.data) is bytes
    assert first == second and hash(first) == hash(second)
    assert first != millpond.Cbor(b"\x61b") and first != b"\x61a"
    assert repr(first) == "<Cbor of 2 bytes>" and copy.deepcopy(first) == first
    made = [millpond.Cbor(bytes([number % 24])) for number in range(3000)]
    assert [each.data[0] for each in made] == [number % 24 for number in range(3000)]
    with pytest.raises(TypeError, match="data"):
        millpond.Cbor("text")  # type: ignore[arg-type]
