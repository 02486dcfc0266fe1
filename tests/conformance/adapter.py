"""What the conformance scenarios say, done in Python with the blocking `millpond`.

Commands and answers: README.md. Run as `adapter.py FOLDER`, commands on standard input. What is
common with `adapter_aio.py` is in `notation.py`.
"""

from __future__ import annotations

import contextlib
import json
import signal
import sys
from pathlib import Path
from typing import Any

import millpond
from notation import (
    SHORT,
    SOON,
    Names,
    columns,
    drafts,
    error_lines,
    error_table,
    explanation_lines,
    opening,
    options,
    published_line,
    publishing,
)
from pond import (
    account_line,
    claim_line,
    doers_line,
    explained,
    fish_of,
    shown,
    standing_line,
    waiting,
)


class Adapter:
    def __init__(self, folder: Path) -> None:
        self.folder, self.names = folder, Names()
        self.nodes: dict[str, millpond.Node] = {}
        self.tokens: dict[str, Any] = {}
        self.follows: dict[str, millpond.Subscription | millpond.KeySubscription] = {}
        self.sessions: dict[str, millpond.Session] = {}
        self.observers: dict[str, millpond.Observer[Any]] = {}
        self.shown: dict[str, str] = {}
        self.doings: dict[tuple[str, str], Any] = {}

    def command(self, line: str) -> list[str]:
        verb, _, rest = line.partition(" ")
        name, _, rest = rest.partition(" ")
        said, rest = options(rest)
        try:
            act = getattr(self, f"do_{verb}", None)
            return ["absent"] if act is None else act(name, said, rest) or ["ok"]
        except millpond.Error as error:
            return error_lines(error)

    def do_open(self, name: str, said: dict[str, str], _rest: str) -> None:
        ticket = self.nodes[said["ticket"]].ticket() if "ticket" in said else None
        folder = said.get("folder", name)
        node = millpond.open(self.folder / folder, **opening(said, ticket))
        self.names.add(node.id, folder)
        self.nodes[name] = node

    def do_close(self, name: str, _said: dict[str, str], _rest: str) -> None:
        self.nodes[name].close()

    def do_publish(self, name: str, said: dict[str, str], rest: str) -> list[str]:
        [(payload, tags)] = drafts(rest)
        done = self.nodes[name].publish(payload, tags, **self.publishing(said))
        return self.published(done, said)

    def do_publish_all(self, name: str, said: dict[str, str], rest: str) -> list[str]:
        done = self.nodes[name].publish_all(drafts(rest), **self.publishing(said))
        return self.published(done, said)

    def publishing(self, said: dict[str, str]) -> dict[str, Any]:
        session = self.sessions[said["session"]] if "session" in said else None
        return publishing(said) | {"session": session}

    def published(self, done: millpond.Published, said: dict[str, str]) -> list[str]:
        if "token" in said:
            self.tokens[said["token"]] = done.token
        return [published_line(self.names, done)]

    def cursor(self, name: str, said: dict[str, str], rest: str) -> millpond.Cursor:
        reading: Any = {key: self.tokens[said[key]] for key in ("lower", "upper") if key in said}
        reading["order"] = said.get("order")
        reading["columns"] = columns(said)
        reading["session"] = self.sessions[said["session"]] if "session" in said else None
        return self.nodes[name].query(rest, **reading)

    def do_query(self, name: str, said: dict[str, str], rest: str) -> list[str]:
        cursor = self.cursor(name, said, rest)
        return [self.names.event(event) for event in cursor] + ["end"]

    def do_explain(self, name: str, said: dict[str, str], rest: str) -> list[str]:
        cursor = self.cursor(name, said, rest)
        if said.get("read") == "all":
            cursor.to_list()
        elif "read" in said:
            cursor.next_batch(int(said["read"]))
        return explanation_lines(cursor.explain(timeout=SOON))

    def do_republish(self, name: str, said: dict[str, str], rest: str) -> list[str]:
        events = self.nodes[name].query(rest).to_list()
        again = [(event.payload, event.tags) for event in events]
        return self.published(self.nodes[name].publish_all(again), said)

    def do_token(self, name: str, _said: dict[str, str], rest: str) -> None:
        self.tokens[name] = millpond.Offsets(rest)

    def do_offsets(self, name: str, _said: dict[str, str], rest: str) -> None:
        self.tokens[rest] = self.nodes[name].offsets()

    def do_same(self, name: str, _said: dict[str, str], rest: str) -> list[str]:
        same = self.tokens[name] == millpond.Offsets(self.tokens[rest].token)
        return [str(same).lower()]

    def do_subscribe(self, name: str, said: dict[str, str], rest: str) -> None:
        node, _, text = rest.partition(" ")
        start = said.get("from")
        token = self.tokens.get(start or "", start)
        self.follows[name] = self.nodes[node].subscribe(  # type: ignore[call-overload]
            text,
            start=token,
            delivery=said.get("delivery"),
            order=said.get("order"),
        )

    def do_next(self, name: str, _said: dict[str, str], rest: str) -> list[str]:
        batch = self.follows[name].next_batch(int(rest), timeout=SOON)
        return self.names.batch(batch)

    def do_idle(self, name: str, _said: dict[str, str], _rest: str) -> list[str]:
        return self.names.batch(self.follows[name].next_batch(1, timeout=SHORT))

    def do_take(self, name: str, _said: dict[str, str], rest: str) -> list[str]:
        lines, left = list[str](), int(rest)
        while left > 0:
            batch = self.follows[name].next_batch(left, timeout=SOON)
            if batch.is_end:
                break
            lines, left = lines + self.names.taken(batch), left - len(batch)
        return [*lines, "taken"]

    def do_lag(self, name: str, _said: dict[str, str], _rest: str) -> list[str]:
        return [str(self.follows[name].lag)]

    def do_position(self, name: str, _said: dict[str, str], rest: str) -> None:
        self.tokens[rest] = self.follows[name].position

    def do_interrupt(self, name: str, _said: dict[str, str], _rest: str) -> list[str]:
        """As Ctrl-C does: a signal whose handler raises."""
        signal.signal(signal.SIGALRM, signal.default_int_handler)
        signal.setitimer(signal.ITIMER_REAL, SHORT)
        try:
            self.follows[name].next_batch(1, timeout=SOON)
        except KeyboardInterrupt:
            return ["cancelled"]
        return ["ready"]

    def do_unsubscribe(self, name: str, _said: dict[str, str], _rest: str) -> None:
        self.follows[name].close()

    def do_connect(self, name: str, _said: dict[str, str], rest: str) -> None:
        self.nodes[name].connect(self.nodes[rest].ticket(), timeout=SOON)

    def do_connect_address(self, name: str, _said: dict[str, str], rest: str) -> None:
        ticket = millpond.parse_ticket(self.nodes[rest].ticket())
        target = f"{ticket.node_id}@{','.join(ticket.addresses)}"
        self.nodes[name].connect(target, timeout=SOON)

    def do_network(self, name: str, _said: dict[str, str], rest: str) -> None:
        self.nodes[name].set_network(rest == "on")

    def do_refusal(self, name: str, _said: dict[str, str], rest: str) -> list[str]:
        refusals = self.nodes[name].status()["refusals"]
        return [str(any(one["reason"] == rest for one in refusals)).lower()]

    def do_secrets(self, name: str, _said: dict[str, str], rest: str) -> None:
        current, *former = rest.split(" ")
        self.nodes[name].set_secrets(current, former)

    def do_proved(self, name: str, _said: dict[str, str], rest: str) -> list[str]:
        peers, peer = self.nodes[name].status()["peers"], self.nodes[rest].id
        return [one["secret"] or "-" for one in peers if one["node_id"] == peer] or ["-"]

    def do_missed(self, name: str, _said: dict[str, str], rest: str) -> list[str]:
        unheard, peer = self.nodes[name].status()["unheard"], self.nodes[rest].id
        return [str(any(one["node_id"] == peer and one["since"] > 0 for one in unheard)).lower()]

    def do_verify(self, name: str, _said: dict[str, str], _rest: str) -> list[str]:
        report = self.nodes[name].verify(timeout=SOON)
        streams, events, damages = report["streams"], report["events"], report["damage_count"]
        return [f"streams={streams} events={events} damages={damages}"]

    def do_compact(self, name: str, _said: dict[str, str], _rest: str) -> list[str]:
        compacted = self.nodes[name].compact(timeout=SOON)
        return [str(compacted["bytes_before"] > 0 and compacted["bytes_after"] > 0).lower()]

    def do_stats(self, name: str, _said: dict[str, str], _rest: str) -> list[str]:
        said: Any = self.nodes[name].stats()
        names = ("streams", "events", "record_bytes", "idempotency_keys")
        return [" ".join(f"{name}={said[name]}" for name in names)]

    def do_metric(self, name: str, _said: dict[str, str], rest: str) -> list[str]:
        lines = self.nodes[name].metrics(timeout=SOON).splitlines()
        return [line.removeprefix(rest + " ") for line in lines if line.startswith(rest + " ")]

    def do_complete(self, name: str, _said: dict[str, str], rest: str) -> list[str]:
        cursor = self.nodes[name].query(rest)
        cursor.to_list()
        complete = cursor.completeness
        return [f"behind={len(complete['behind'])} unheard={len(complete['unheard'])}"]

    def do_told(self, name: str, _said: dict[str, str], _rest: str) -> list[str]:
        statuses = self.nodes[name].subscribe_status()
        is_ours = statuses.next(timeout=SOON)["node_id"] == self.nodes[name].id
        try:
            statuses.next(timeout=0.1)
        except millpond.Timeout:
            return [str(is_ours).lower()]
        return ["false"]

    def do_merge(self, name: str, _said: dict[str, str], rest: str) -> None:
        self.tokens[name] = millpond.Offsets.merge([self.tokens[token] for token in rest.split()])

    def do_wait_for(self, name: str, said: dict[str, str], rest: str) -> list[str] | None:
        token, _, query = rest.partition(" ")
        try:
            node, timeout = self.nodes[name], waiting(said)
            node.wait_for(self.tokens[token], query=query or None, timeout=timeout)
        except millpond.Error as error:
            return explained(self.names, error)
        return None

    def do_session(self, name: str, _said: dict[str, str], _rest: str) -> None:
        self.sessions[name] = millpond.Session()

    def do_seen(self, name: str, _said: dict[str, str], rest: str) -> None:
        self.tokens[rest] = self.sessions[name].token

    def reading(self, said: dict[str, str]) -> dict[str, Any]:
        return {
            "after": self.tokens[said["after"]] if "after" in said else None,
            "session": self.sessions[said["session"]] if "session" in said else None,
            "timeout": waiting(said),
        }

    def do_observe(self, name: str, said: dict[str, str], rest: str) -> None:
        node, _, fish = rest.partition(" ")
        observer = self.nodes[node].observe(fish_of(fish), **self.reading(said))
        self.observers[name], self.shown[name] = observer, "-"

    def do_unobserve(self, name: str, _said: dict[str, str], _rest: str) -> None:
        self.observers[name].close()

    def do_shown(self, name: str, _said: dict[str, str], _rest: str) -> list[str]:
        with contextlib.suppress(millpond.Timeout):
            while (state := self.observers[name].next(timeout=0)) is not None:
                self.shown[name] = shown(state.value)
            return ["end"]
        return [self.shown[name]]

    def do_state(self, name: str, said: dict[str, str], rest: str) -> list[str]:
        try:
            state = self.nodes[name].state(fish_of(rest), **self.reading(said))
        except millpond.NotYetVisible as error:
            return explained(self.names, error)
        if "token" in said:
            self.tokens[said["token"]] = state.token
        return [shown(state.value)]

    def do_effect(self, name: str, said: dict[str, str], rest: str) -> list[str]:
        tags, _, fish = rest.partition(" ")
        draft = json.loads(tags)
        done = self.nodes[name].run(fish_of(fish), lambda state: [(state, draft)], timeout=SOON)
        assert done is not None, "it publishes one event"
        return self.published(done, said)

    def do_account(self, name: str, said: dict[str, str], rest: str) -> list[str]:
        deed, _, account = rest.partition(" ")
        amount, act = int(said.get("amount", "0")), self.nodes[name].account(account)
        to = self.nodes[said["to"]].id if "to" in said else ""
        once: Any = {"idempotency_key": said.get("key")}
        try:
            if deed == "create":
                shares = {to: int(said["share"])} if to else None
                floor = int(said.get("floor", "0"))
                done = act.create(amount, floor=floor, shares=shares, **once)
            elif deed == "grant":
                done = act.grant(to, amount, **once)
            elif deed == "recover":
                done = act.recover(**once)
            else:
                done = getattr(act, deed)(amount, **once)
        except millpond.Error as error:
            return explained(self.names, error)
        return self.published(done, {})

    def do_report(self, name: str, _said: dict[str, str], rest: str) -> list[str]:
        return [account_line(self.names, self.nodes[name].account(rest).report())]

    def do_policy(self, name: str, _said: dict[str, str], rest: str) -> None:
        account, _, reserve = rest.partition(" ")
        if reserve == "off":
            self.nodes[name].account(account).stop_answering()
        else:
            self.nodes[name].account(account).answer_requests(reserve=int(reserve))

    def do_claim(self, name: str, said: dict[str, str], rest: str) -> list[str]:
        deed, _, what = rest.partition(" ")
        act = self.nodes[name].claim(what)
        to = self.nodes[said["to"]].id if "to" in said else None
        once: Any = {"idempotency_key": said.get("key")}
        if deed == "create":
            done = act.create(to, **once)
        elif deed == "transfer":
            done = act.transfer(to or "", **once)
        elif deed == "recover":
            done = act.recover(**once)
        else:
            done = act.request(deed == "request", **once)
        return self.published(done, {})

    def do_holder(self, name: str, _said: dict[str, str], rest: str) -> list[str]:
        return [claim_line(self.names, self.nodes[name].claim(rest).report())]

    def do_hand_over(self, name: str, _said: dict[str, str], rest: str) -> None:
        what, _, wanted = rest.partition(" ")
        self.nodes[name].claim(what).hand_over_when_asked(wanted == "on")

    def do_who_does(self, name: str, _said: dict[str, str], rest: str) -> list[str]:
        return [doers_line(self.names, self.nodes[name].who_does(rest))]

    def do_do(self, name: str, _said: dict[str, str], rest: str) -> None:
        self.doings[name, rest] = self.nodes[name].do_optimistically(rest, timeout=SOON)

    def do_release(self, name: str, _said: dict[str, str], rest: str) -> list[str]:
        return self.published(self.doings[name, rest].release(), {})

    def do_standing(self, name: str, _said: dict[str, str], rest: str) -> list[str]:
        with self.nodes[name].own_doing(rest) or self.doings[name, rest] as doing:
            standing = doing.next(timeout=SOON)
        return [standing_line(self.names, standing)]

    def do_errors(self, *_: object) -> list[str]:
        return error_table()


def main() -> None:
    adapter = Adapter(Path(sys.argv[1]))
    for line in sys.stdin:
        print(*adapter.command(line.rstrip("\n")), ".", sep="\n", flush=True)


if __name__ == "__main__":
    main()
