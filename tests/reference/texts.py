"""The texts that people and programs pass around: written from docs/format.md, "Text forms".

Every reader raises `Malformed` (or another ValueError) on a text that is not in its one form.
"""

import base64
import binascii
import ipaddress
import json
import math
import re

import cbor
import events
from cbor import Malformed
from hashes import blake3_derive_key, crc32c

TOKEN_LETTERS_MAX, TICKET_LETTERS_MAX = 1 << 18, 1024
SPACE = " \t\n\f\r"


class TicketRefused(Malformed):
    """A ticket is refused; the argument is the reason's name."""


def _match(pattern, text, what):
    found = re.fullmatch(pattern, text, re.ASCII)
    if found is None:
        raise Malformed(f"not {what}")
    return found.groups()


def _decimal(digits, most):
    value = int(digits)
    if str(value) != digits or value > most:
        raise Malformed(f"{digits} is not a number up to {most}")
    return value


def read_stream_id(text):
    """The 40 bytes of a stream id."""
    node, number = _match(r"([0-9a-f]{64})-([0-9]+)", text, "a stream id")
    return bytes.fromhex(node) + _decimal(number, 2 ** 64 - 1).to_bytes(8, "big")


def read_event_key(text):
    """Lamport and stream id; what is smaller comes first in the one order."""
    lamport, stream = _match(r"([0-9]+)/(.*)", text, "an event key")
    return _decimal(lamport, 2 ** 53 - 1), read_stream_id(stream)


def read_secret(text):
    """The swarm id and the 32 bytes of a swarm's secret."""
    swarm, digits = _match(r"([0-9A-Fa-f]{64})?([0-9A-Fa-f]{64})", text.strip(SPACE),
                           "a swarm secret")
    return _with_swarm(bytes.fromhex(digits), bytes.fromhex(swarm or ""))


def _with_swarm(secret, named):
    """The swarm id, derived unless it is named, and the secret."""
    derived = blake3_derive_key("millpond 2026 swarm id v0", secret)
    if named == derived:
        raise Malformed("a first secret names no swarm")
    return named or derived, secret


def _read_address(text):
    host, port = _match(r"(\[[0-9a-fA-F:.]+\]|[0-9.]+):([0-9]+)", text, "an address")
    kind = ipaddress.IPv6Address if host[0] == "[" else ipaddress.IPv4Address
    if int(port) > 65535:
        raise Malformed(f"{port} is no port")
    return kind(host.strip("[]")), int(port)


def read_peer(text):
    """Node id, and addresses as pairs of host and port."""
    node, addresses = _match(r"([0-9a-f]{64})@(.+)", text.strip(SPACE), "a peer")
    addresses = [_read_address(address) for address in addresses.split(",")]
    if len(addresses) > 16:
        raise Malformed("too many addresses")
    return bytes.fromhex(node), addresses


def address_text(address):
    """The text of a pair of host and port."""
    host, port = address
    return f"{host}:{port}" if host.version == 4 else f"[{host}]:{port}"


def _without_checksum(data):
    if len(data) < 4 or crc32c(data[:-4]).to_bytes(4, "little") != data[-4:]:
        raise Malformed("the checksum does not fit")
    return data[:-4]


def _bytes_of(letters, width, decode):
    """What the letters stand for, of `width` bits each and without padding."""
    group = 8 if width == 5 else 4
    data = decode(letters + "=" * (-len(letters) % group))
    if len(letters) * width - len(data) * 8 >= width:
        raise Malformed("a letter too many")
    return data


def _streams_of_node(source):
    """The streams of one node in a token, with their counts."""
    node, first = source.take(32), source.varint()
    if first % 2 == 0:
        return [(node + bytes(8), first // 2)]
    pairs = [(source.varint(), source.varint()) for _ in range(first // 2)]
    if not pairs or [number for number, _ in pairs] == [0]:
        raise Malformed("streams of a node that have a shorter form")
    return [(node + number.to_bytes(8, "big"), count) for number, count in pairs]


def read_token(text):
    """Stream ids of 40 bytes with their counts, rising."""
    letters, = _match(r"m1([A-Za-z0-9_-]+)", text, "a token")
    if len(text) > TOKEN_LETTERS_MAX:
        raise Malformed("a token that is too long")
    data = _bytes_of(letters, 6, base64.urlsafe_b64decode)
    if base64.urlsafe_b64encode(data).rstrip(b"=").decode() != letters:
        raise Malformed("bits behind the last byte")
    source = events.Bytes(_without_checksum(data))
    pairs = []
    while source.rest():
        pairs += _streams_of_node(source)
    if any(not 1 <= count < 2 ** 53 for _, count in pairs):
        raise Malformed("a count that no stream has")
    if any(a[0] >= b[0] for a, b in zip(pairs, pairs[1:])):
        raise Malformed("streams do not rise")
    return pairs


def read_ticket(text):
    """Swarm id, swarm secret, node id, and addresses as pairs of host and port."""
    text = text.strip(SPACE)
    if len(text) > TICKET_LETTERS_MAX:
        raise TicketRefused("ticket_too_long")
    if not text.startswith("millpond1"):
        raise TicketRefused("ticket_prefix")
    letters = text.removeprefix("millpond1")
    if not re.fullmatch(r"[a-z2-7]*", letters):
        raise TicketRefused("ticket_character")
    try:
        data = _bytes_of(letters.upper(), 5, base64.b32decode)
        content = _without_checksum(data)
        if base64.b32encode(data).rstrip(b"=").decode().lower() != letters:
            raise Malformed("bits behind the last byte")
    except (Malformed, binascii.Error) as error:
        raise TicketRefused("ticket_damaged") from error
    source = events.Bytes(content)
    version = source.take(1)[0]
    if version > 1:
        raise TicketRefused("ticket_version")
    try:
        return _read_ticket_content(source, version)
    except Malformed as error:
        raise TicketRefused("ticket_malformed") from error


def _read_ticket_content(source, version):
    named = source.take(32 * version)
    swarm, secret = _with_swarm(source.take(32), named)
    node = source.take(32)
    addresses = []
    for _ in range(source.take(1)[0]):
        kind = source.take(1)[0]
        if kind not in (4, 6):
            raise Malformed(f"{kind} is no kind of address")
        host = ipaddress.ip_address(source.take(4 if kind == 4 else 16))
        addresses.append((host, int.from_bytes(source.take(2), "big")))
    source.finish()
    for host, port in addresses:
        is_mapped = host.version == 6 and host.ipv4_mapped is not None
        if port == 0 or host.is_unspecified or host.is_multicast or is_mapped:
            raise Malformed("an address that cannot be dialled")
    order = [(host.version, host.packed, port) for host, port in addresses]
    if len(order) > 16 or any(a >= b for a, b in zip(order, order[1:])):
        raise Malformed("too many addresses, or they do not rise")
    return swarm, secret, node, addresses


def _marked(key):
    """True for `$bytes` with any number of `$` more in front."""
    return re.fullmatch(r"\$+bytes", key) is not None


def _map(pairs):
    keys = [key for key, _ in pairs]
    if len(set(keys)) != len(keys):
        raise Malformed("a key stands twice")
    if keys == ["$bytes"]:
        if not isinstance(pairs[0][1], str):
            raise Malformed("bytes are base64")
        return base64.b64decode(pairs[0][1], validate=True)
    if len(keys) == 1 and _marked(keys[0]):
        return {keys[0][1:]: pairs[0][1]}
    return dict(pairs)


def _no_constant(text):
    raise Malformed(f"{text} is no number of JSON")


def _float(text):
    value = float(text)
    if not math.isfinite(value):
        raise Malformed("a float is not finite")
    return value


def _integer(text):
    return -0.0 if text == "-0" else int(text)


def payload_of_json(text):
    """The payload's bytes that a JSON text stands for."""
    value = json.loads(text, object_pairs_hook=_map, parse_int=_integer, parse_float=_float,
                       parse_constant=_no_constant)
    return cbor.encode(value)


def json_of_payload(data):
    """The JSON text of a payload's bytes. Floats may be written otherwise elsewhere."""
    return _write(cbor.decode(data))


def _write(value):
    if isinstance(value, bytes):
        return '{"$bytes":"' + base64.b64encode(value).decode() + '"}'
    if isinstance(value, list):
        return "[" + ",".join(_write(item) for item in value) + "]"
    if isinstance(value, dict):
        mark = "$" if len(value) == 1 and _marked(next(iter(value))) else ""
        pairs = sorted(value.items(), key=lambda pair: cbor.encode(pair[0]))
        return "{" + ",".join(_write(mark + key) + ":" + _write(item) for key, item in pairs) + "}"
    return json.dumps(value, ensure_ascii=False)
