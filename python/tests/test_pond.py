"""Fish: states from events, by functions of Python."""

from __future__ import annotations

import json
import select
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import millpond
from millpond import Fish, Node
from pond import ALL, WAIT, counting, listing, until
from support import run

Open = Callable[..., Node]


def test_an_observer_sees_what_is_there_and_then_each_change(node: Node) -> None:
    node.publish_all([(number, ()) for number in range(3)])
    with node.observe(listing()) as states:
        first = states.next(timeout=WAIT)
        assert first is not None
        assert first.value == [0, 1, 2]
        published = node.publish(3)
        state = until(states, lambda value: len(value) == 4)
        assert state.value == [0, 1, 2, 3]
        assert state.token.covers(published.token)
        assert state.last == published[0].key
        assert state.number > first.number


def test_a_fish_that_nothing_matches_shows_its_initial_state(node: Node) -> None:
    state = node.state(listing(query="FROM 'nothing'"), timeout=WAIT)
    assert (state.value, state.last) == ([], None)


def test_a_state_once_has_all_that_was_published_before(node: Node) -> None:
    for number in range(1, 4):
        node.publish(number)
        assert node.state(counting(), timeout=WAIT).value == number


def test_states_are_copies_that_are_the_observers_own(node: Node) -> None:
    def step(state: dict[str, list[Any]], event: millpond.Event) -> dict[str, list[Any]]:
        state["seen"].append(event.payload)
        return state

    fish = Fish("mutating", 1, ALL, {"seen": []}, step)
    node.publish(1)
    with node.observe(fish) as one, node.observe(fish) as other:
        mine, theirs = one.next(timeout=WAIT), other.next(timeout=WAIT)
        assert mine is not None
        assert theirs is not None
        mine.value["seen"].append("not an event")
        assert theirs.value == {"seen": [1]}
        node.publish(2)
        assert until(one, lambda value: len(value["seen"]) > 1).value == {"seen": [1, 2]}
    fish.initial["seen"].append("nor this")
    assert fish.initial == {"seen": []}


def test_all_observers_share_one_fold_on_one_known_thread(open_node: Open, tmp_path: Path) -> None:
    threads = []

    def step(count: int, _event: millpond.Event) -> int:
        threads.append(threading.current_thread().name)
        return count + 1

    node = open_node(path=tmp_path / "log")
    fish = Fish("shared", 1, ALL, 0, step)
    node.publish_all([(number, ()) for number in range(10)])
    with node.observe(fish) as one, node.observe(fish) as other:
        assert until(one, lambda count: count == 10).token == until(
            other, lambda count: count == 10
        ).token
        again = open_node(path=tmp_path / "log")
        with again.observe(fish) as third:
            late = third.next(timeout=WAIT)
            assert late is not None
            assert late.value == 10
    assert threads == ["millpond-fish-shared"] * 10


def test_the_fold_goes_on_when_its_first_observer_leaves(node: Node) -> None:
    fish = counting()
    first = node.observe(fish)
    with node.observe(fish) as other:
        first.close()
        node.publish(1)
        assert until(other, lambda count: count == 1).value == 1


def test_another_definition_under_the_same_id_is_refused(node: Node) -> None:
    with node.observe(counting("same")):
        with pytest.raises(millpond.Conflict) as caught:
            node.observe(listing("same", query="FROM 'other'"))
        assert caught.value.reason == "other_definition"


def test_a_reset_makes_everything_before_it_irrelevant(node: Node) -> None:
    fish = listing(is_reset=lambda event: event.payload == "reset")
    node.publish_all([(payload, ()) for payload in (1, 2, "reset", 3)])
    with node.observe(fish) as states:
        assert until(states, lambda value: 3 in value).value == ["reset", 3]
        node.publish("reset")
        assert until(states, lambda value: 3 not in value).value == ["reset"]


def test_a_codec_carries_states_that_are_no_payload(node: Node) -> None:
    def step(seen: frozenset[int], event: millpond.Event) -> frozenset[int]:
        return seen | {event.payload}

    codec = millpond.Codec[frozenset[int]](
        "sorted-json", lambda seen: json.dumps(sorted(seen)).encode(),
        lambda data: frozenset(json.loads(data)),
    )  # fmt: skip
    fish = Fish("set", 1, ALL, frozenset[int](), step, codec=codec)
    node.publish_all([(number % 3, ()) for number in range(9)])
    state = node.state(fish, timeout=WAIT)
    assert state.value == {0, 1, 2}
    assert state.data == b"[0, 1, 2]"


def test_a_state_that_is_large_is_carried_whole(node: Node) -> None:
    fish = Fish("large", 1, ALL, "", lambda text, event: text + event.payload)
    node.publish_all([("x" * 900_000, ()) for _ in range(3)])
    assert len(node.state(fish, timeout=WAIT).value) == 2_700_000


FAILURES: dict[str, tuple[str, dict[str, Any]]] = {
    "step": ("ZeroDivisionError", {"step": lambda count, event: count + 1 // event.payload}),
    "is_reset": ("ZeroDivisionError", {"is_reset": lambda event: 1 // event.payload < 0}),
    "encode": ("InvalidArgument", {"step": lambda _count, event: {event.payload}}),
}


@pytest.mark.parametrize("reason", FAILURES)
def test_an_error_in_a_function_reaches_observers_with_its_cause(node: Node, reason: str) -> None:
    name, functions = FAILURES[reason]
    said: dict[str, Any] = {"step": lambda count, _: count + 1, "is_reset": None} | functions
    fish = Fish("failing", 1, ALL, 0, said["step"], said["is_reset"])
    with node.observe(fish) as states, node.observe(fish) as others:
        good = states.next(timeout=WAIT)
        assert good is not None
        assert good.value == 0
        published = node.publish(0)
        for observer in (states, others, states):
            with pytest.raises(millpond.UserCode, match=name) as caught:
                until(observer, lambda _value: False)
            assert caught.value.reason == reason
            assert type(caught.value.__cause__).__name__ == name
            assert "failing" in str(caught.value)
            if reason != "encode":
                assert str(published[0].key.lamport) in str(caught.value)
    # The log and other fish do not notice.
    assert node.state(counting(), timeout=WAIT).value == 1


class Failing:
    """A codec of numbers that fails on the threads whose names begin so, for long numbers."""

    def __init__(self) -> None:
        self.threads, self.digits = "nowhere", 1

    def fish(self) -> Fish[int]:
        codec = millpond.Codec("failing", lambda count: b"%d" % count, self.decode)
        return Fish("failing", 1, ALL, 0, lambda count, _: count + 1, codec=codec)

    def decode(self, data: bytes) -> int:
        name = threading.current_thread().name
        if name.startswith(self.threads) and len(data) >= self.digits:
            raise OSError("no table of codes")
        return int(data)


def test_a_codec_that_fails_is_named_where_it_fails(open_node: Open, tmp_path: Path) -> None:
    failing = Failing()
    fish = failing.fish()
    node = open_node(path=tmp_path / "log")
    node.publish_all([(number, ()) for number in range(10_000)])
    failing.threads = "millpond-fish"
    with pytest.raises(millpond.UserCode, match="no table") as caught:
        node.state(fish, timeout=WAIT)
    assert caught.value.reason == "initial"
    assert isinstance(caught.value.__cause__, OSError)
    failing.threads = "nowhere"
    state = node.state(fish, timeout=WAIT)
    failing.threads = "Main"
    with pytest.raises(millpond.UserCode, match="no table") as caught:
        _ = state.value
    assert caught.value.reason == "decode"
    assert isinstance(caught.value.__cause__, OSError)
    # Not of the effect, which was not called.
    with pytest.raises(millpond.UserCode) as caught:
        node.run(fish, lambda _count: None, timeout=WAIT)
    assert caught.value.reason == "decode"
    failing.threads = "nowhere"
    assert state.value == 10_000
    node.close()
    node = open_node(path=tmp_path / "log")
    # A saved state that cannot be decoded only costs time.
    failing.threads, failing.digits = "millpond-fish", 2
    assert node.state(fish, timeout=WAIT).value == 10_000


def test_a_fish_that_failed_is_tried_again_when_it_is_observed_anew(node: Node) -> None:
    broken = True

    def step(count: int, _event: millpond.Event) -> int:
        if broken:
            raise KeyError("not yet")
        return count + 1

    fish = Fish("mended", 1, ALL, 0, step)
    node.publish(1)
    with pytest.raises(millpond.UserCode) as caught:
        node.state(fish, timeout=WAIT)
    assert isinstance(caught.value.__cause__, KeyError)
    broken = False
    assert node.state(fish, timeout=WAIT).value == 1


def test_a_step_that_forgets_to_return_makes_the_state_none(node: Node) -> None:
    fish: Fish[Any] = Fish("forgetful", 1, ALL, [], lambda state, event: state.append(event))
    with pytest.raises(millpond.UserCode, match="AttributeError"):
        node.publish_all([(1, ()), (2, ())])
        node.state(fish, timeout=WAIT)


def test_what_is_no_fish_is_refused_when_it_is_made() -> None:
    with pytest.raises(millpond.QueryInvalid):
        counting(query="FROM")
    with pytest.raises(millpond.InvalidArgument):
        counting("")
    with pytest.raises(millpond.InvalidArgument, match=r'state\["a"\]\[0\]'):
        Fish("bad", 1, ALL, {"a": [object()]}, lambda state, _: state)


def test_closing_ends_iteration_and_lets_go_of_the_fish(node: Node) -> None:
    fish = counting()
    states = node.observe(fish)
    first = states.next(timeout=WAIT)
    assert first is not None
    assert first.value == 0
    threading.Timer(0.05, states.close).start()
    assert list(states) == []
    assert states.next() is None
    states.close()
    with node.observe(listing("count")) as others:
        assert others.next(timeout=WAIT) is not None


def test_closing_the_node_ends_observers_and_their_threads(open_node: Open) -> None:
    node = open_node()
    states = node.observe(counting("ended"))
    assert states.next(timeout=WAIT) is not None
    threads = [one for one in threading.enumerate() if one.name == "millpond-fish-ended"]
    assert len(threads) == 1
    threading.Timer(0.05, node.close).start()
    assert list(states) == []
    for thread in threads:
        thread.join(WAIT)
        assert not thread.is_alive()


def test_waiting_for_a_state_times_out_and_loses_none(node: Node) -> None:
    with node.observe(counting()) as states:
        assert states.next(timeout=WAIT) is not None
        with pytest.raises(millpond.Timeout):
            states.next(timeout=0.01)
        node.publish(1)
        assert until(states, lambda count: count == 1).value == 1


def test_an_observer_can_be_watched_by_its_descriptor(node: Node) -> None:
    with node.observe(counting()) as states:
        assert states.next(timeout=WAIT) is not None
        node.publish(1)
        assert select.select([states.fileno()], [], [], WAIT)[0]
        state = states.next(timeout=WAIT)
        assert state is not None
        assert state.value == 1


def test_opening_again_goes_on_from_what_was_saved(open_node: Open, tmp_path: Path) -> None:
    stepped = []

    def step(count: int, event: millpond.Event) -> int:
        stepped.append(event.payload)
        return count + 1

    fish = Fish("kept", 1, ALL, 0, step)
    node = open_node(path=tmp_path / "log")
    node.publish_all([(number, ()) for number in range(20_000)])
    assert node.state(fish, timeout=WAIT).value == 20_000
    node.close()
    stepped.clear()
    node = open_node(path=tmp_path / "log")
    assert node.state(fish, timeout=WAIT).value == 20_000
    # From one of the saved states, which are this far apart at most: see docs/pond.md.
    assert len(stepped) <= 2_048 + 1_024


def test_events_of_two_nodes_come_to_one_state(open_node: Open, online: dict[str, Any]) -> None:
    one, other = open_node(**online), open_node(**online)
    fish = listing()
    with one.observe(fish) as ones, other.observe(fish) as others:
        one.publish_all([(f"one {number}", ()) for number in range(50)])
        other.publish_all([(f"other {number}", ()) for number in range(50)])
        one.connect(other.ticket(), timeout=WAIT)
        mine = until(ones, lambda value: len(value) == 100)
        assert mine.value == until(others, lambda value: len(value) == 100).value


def test_observe_all_has_a_fish_for_each_seed(node: Node) -> None:
    def make_fish(seed: millpond.Event) -> Fish[int] | None:
        machine = seed.payload["machine"]
        return None if machine == "none" else counting(machine, f"FROM '{machine}'")

    def seed(machine: str) -> None:
        node.publish({"machine": machine}, ["seed"])

    for machine in ("a", "none", "a"):
        seed(machine)
    with node.observe_all("FROM 'seed'", make_fish) as observer:
        states = observer.next(timeout=WAIT)
        assert states is not None
        assert {name: state.value for name, state in states.items()} == {"a": 0}
        seed("b")
        node.publish(1, ["b"])
        while {name: state.value for name, state in states.items()} != {"a": 0, "b": 1}:
            states = observer.next(timeout=WAIT)
            assert states is not None
    assert observer.next() is None


def test_observe_one_has_the_fish_of_the_first_seed(node: Node) -> None:
    def make_fish(seed: millpond.Event) -> Fish[int]:
        return counting(seed.payload, f"FROM '{seed.payload}'")

    with node.observe_one("FROM 'seed'", make_fish) as observer:
        with pytest.raises(millpond.Timeout):
            observer.next(timeout=0.01)
        node.publish_all([("a", ["seed"]), (1, ["a"]), ("b", ["seed"]), (2, ["a"])])
        assert until(observer, lambda count: count == 2).value == 2


def test_an_older_seed_takes_the_place_also_when_it_has_no_fish(
    open_node: Open, online: dict[str, Any]
) -> None:
    def make_fish(seed: millpond.Event) -> Fish[int] | None:
        return None if seed.payload == "none" else counting(seed.payload, ALL)

    oldest, older, node = (open_node(**online) for _ in range(3))
    oldest.publish("none", ["seed"])
    older.publish_all([(1, ()), ("older", ["seed"])])
    node.publish_all([(1, ()), (2, ()), ("young", ["seed"])])
    with node.observe_one("FROM 'seed'", make_fish) as observer:
        assert until(observer, lambda count: count == 3)._fish.id == "young"
        node.connect(older.ticket(), timeout=WAIT)
        assert until(observer, lambda count: count == 5)._fish.id == "older"
        node.connect(oldest.ticket(), timeout=WAIT)
        node.wait_for(oldest.offsets(), timeout=WAIT)
        # Of a fish of which nothing is shown any more no state comes, whatever is published.
        with pytest.raises(millpond.Timeout):
            while True:
                assert observer.next(timeout=1) is not None
        node.publish(3)
        with pytest.raises(millpond.Timeout):
            observer.next(timeout=0.1)


def test_an_error_in_make_fish_ends_the_group_with_its_cause(node: Node) -> None:
    def make_fish(seed: millpond.Event) -> Fish[int]:
        raise LookupError(f"no fish for {seed.payload}")

    node.publish(7, ["seed"])
    with node.observe_all("FROM 'seed'", make_fish) as observer:
        with pytest.raises(millpond.UserCode, match="no fish for 7") as caught:
            observer.next(timeout=WAIT)
        assert caught.value.reason == "make_fish"
        assert isinstance(caught.value.__cause__, LookupError)


def test_an_error_of_a_fish_of_a_group_has_its_cause(node: Node) -> None:
    def make_fish(_seed: millpond.Event) -> Fish[Any]:
        return Fish("bad", 1, ALL, 0, lambda state, event: state / event.payload)

    node.publish(0, ["seed"])
    with node.observe_all("FROM 'seed'", make_fish) as observer:
        with pytest.raises(millpond.UserCode) as caught:
            while observer.next(timeout=WAIT) is not None:
                pass
        assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_a_fish_says_whether_its_state_may_be_taken_back() -> None:
    assert not counting().monotonicity().is_monotone
    growing = Fish("seen", 1, ALL, [], lambda state, _: state, merge=lambda a, b: a + b)
    said = growing.monotonicity()
    assert (said.is_monotone, said.verdict) == (False, "not_monotone")
    assert "check_grow_only" in said.reason


def test_ctrl_c_ends_a_wait_for_a_state(tmp_path: Path, secret: str) -> None:
    code = """
    import signal
    signal.signal(signal.SIGINT, signal.default_int_handler)
    fish = millpond.Fish("count", 1, ALL, 0, lambda count, _: count + 1)
    with millpond.open(path, **options) as node, node.observe(fish) as states:
        assert next(states).value == 0
        main = threading.main_thread().ident
        threading.Timer(0.1, signal.pthread_kill, [main, signal.SIGINT]).start()
        try:
            states.next()
        except KeyboardInterrupt:
            node.publish(1)
            assert next(states).value == 1
            print("interrupted")
    """
    assert run(code, tmp_path / "log", secret) == (0, "interrupted\n", "")


def test_the_interpreter_ends_while_fish_are_observed(tmp_path: Path, secret: str) -> None:
    code = """
    node = millpond.open(path, **options)
    def step(count, event):
        return sum(range(1000)) * 0 + count + 1
    states = node.observe(millpond.Fish("count", 1, ALL, 0, step))
    node.publish_all([(number, ()) for number in range(20000)])
    next(states)
    threading.Thread(target=list, args=[node.observe(states._fish)], daemon=True).start()
    """
    for number in range(10):
        assert run(code, tmp_path / str(number), secret) == (0, "", "")


def test_a_forked_child_is_refused_and_its_parent_goes_on(tmp_path: Path, secret: str) -> None:
    code = """
    import warnings; warnings.simplefilter("ignore", DeprecationWarning)
    node = millpond.open(path, **options)
    fish = millpond.Fish("count", 1, ALL, 0, lambda count, _: count + 1)
    states = node.observe(fish)
    next(states)
    pid = os.fork()
    if pid == 0:
        wrong = 0
        for call in (lambda: node.observe(fish), lambda: states.next(), lambda: node.state(fish),
                     lambda: node.run(fish, lambda _: []), millpond.Session,
                     lambda: node.account("a").withdraw(1)):
            try:
                call()
                wrong += 1
            except millpond.ForkedProcess:
                pass
        os._exit(wrong)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    node.publish(1)
    assert next(states).value == 1
    node.close()
    """
    assert run(code, tmp_path / "log", secret) == (0, "", "")
