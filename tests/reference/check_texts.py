"""Claims about texts: true ones say what the vectors say, nearly right ones are refused."""

import texts
from vectors import load


def _refuses(read, text):
    try:
        read(text)
    except ValueError:
        return True
    return False


def ids_keys_and_secrets_read_as_the_vectors_say():
    vectors = load("texts.json")
    for vector in vectors["stream_ids"]["taken"]:
        assert texts.read_stream_id(vector["text"]).hex() == vector["bytes"]
    for vector in vectors["event_keys"]["taken"]:
        key = vector["lamport"], texts.read_stream_id(vector["stream"])
        assert texts.read_event_key(vector["text"]) == key
    for vector in vectors["secrets"]["taken"]:
        swarm, secret = texts.read_secret(vector["text"])
        assert (swarm.hex(), secret.hex()) == (vector["swarm_id"], vector["bytes"])
    for vector in vectors["peers"]["taken"]:
        node, addresses = texts.read_peer(vector["text"])
        assert node.hex() == vector["node_id"]
        assert [texts.address_text(address) for address in addresses] == vector["addresses"]


def event_keys_sort_by_lamport_then_node_then_number():
    keys = load("order.json")
    assert sorted(reversed(keys), key=texts.read_event_key) == keys


def tokens_read_as_the_vectors_say():
    for vector in load("texts.json")["tokens"]["taken"]:
        told = [(texts.read_stream_id(stream), count) for stream, count in vector["offsets"]]
        assert texts.read_token(vector["text"]) == told


def tickets_read_as_the_vectors_say():
    for vector in load("tickets.json"):
        swarm, secret, node, addresses = texts.read_ticket(f" {vector['text']}\n")
        assert swarm.hex() == vector.get("swarm_id", swarm.hex())
        assert (secret.hex(), node.hex()) == (vector["secret"], vector["node_id"])
        assert [texts.address_text(address) for address in addresses] == vector["addresses"]


def payloads_come_and_go_as_json_as_the_vectors_say():
    for vector in load("texts.json")["payloads"]["taken"]:
        payload = bytes.fromhex(vector["payload"])
        assert texts.payload_of_json(vector["text"]) == payload, vector
        assert texts.json_of_payload(payload) == vector["written"], vector


def nearly_right_texts_are_refused():
    vectors = load("texts.json")
    readers = {"stream_ids": texts.read_stream_id, "event_keys": texts.read_event_key,
               "secrets": texts.read_secret, "peers": texts.read_peer,
               "payloads": texts.payload_of_json}
    for name, read in readers.items():
        for text in vectors[name]["refused"]:
            assert _refuses(read, text), (name, text)
    for vector in vectors["tokens"]["refused"]:
        assert _refuses(texts.read_token, vector["text"]), vector
    for vector in vectors["tickets"]["refused"]:
        try:
            texts.read_ticket(vector["text"])
        except texts.TicketRefused as refused:
            assert refused.args[0] == vector["reason"], vector
        else:
            raise AssertionError(vector)


CLAIMS = [
    ids_keys_and_secrets_read_as_the_vectors_say,
    event_keys_sort_by_lamport_then_node_then_number,
    tokens_read_as_the_vectors_say,
    tickets_read_as_the_vectors_say,
    payloads_come_and_go_as_json_as_the_vectors_say,
    nearly_right_texts_are_refused,
]
