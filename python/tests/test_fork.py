"""A forked child cannot use its parent's nodes, says so at once, and does no harm."""

from __future__ import annotations

from pathlib import Path

from support import run


def test_every_call_in_a_forked_child_says_so_and_the_parent_goes_on(
    tmp_path: Path, secret: str
) -> None:
    code = """
    import warnings; warnings.simplefilter("ignore", DeprecationWarning)
    node = millpond.open(path, **options)
    node.publish(1)
    events, cursor = node.subscribe(ALL), node.query(ALL)
    statuses = node.subscribe_status()
    calls = {
        "publish": lambda: node.publish(2),
        "query": lambda: node.query(ALL),
        "subscribe": lambda: node.subscribe(ALL),
        "connect": lambda: node.connect("nobody", timeout=1),
        "ticket": node.ticket,
        "offsets": node.offsets,
        "status": node.status,
        "metrics": node.metrics,
        "verify": node.verify,
        "compact": node.compact,
        "stats": node.stats,
        "set_network": lambda: node.set_network(True),
        "set_secrets": lambda: node.set_secrets(options["swarm"]),
        "next of a subscription": events.next,
        "next of a cursor": cursor.next,
        "completeness of a cursor": lambda: cursor.completeness,
        "next of a status subscription": statuses.next,
        "close of a subscription": events.close,
        "close": node.close,
        "open": lambda: millpond.open(path + "2", **options),
        "aio": lambda: asyncio.run(aio.Node(node._native).publish(3)),
    }
    pid = os.fork()
    if pid == 0:
        wrong = []
        for name, call in calls.items():
            try:
                call()
            except millpond.ForkedProcess as error:
                assert error.code == 18
            else:
                wrong.append(name)
        print(wrong, node.id[:0], flush=True)
        sys.exit(1 if wrong else 0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    node.publish(4)
    assert [event.payload for event in node.query(ALL)] == [1, 4]
    node.close()
    """
    assert run(code, tmp_path / "log", secret) == (0, "[] \n", "")


def test_children_of_a_pool_that_forks_and_of_one_that_spawns_end_cleanly(
    tmp_path: Path, secret: str
) -> None:
    code = """
    import multiprocessing, warnings; warnings.simplefilter("ignore", DeprecationWarning)
    node = millpond.open(path, **options)
    events = node.subscribe(ALL)
    threading.Thread(target=list, args=[events], daemon=True).start()
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.map(abs, [-1, -2]) == [1, 2]
    node.publish(1)
    node.close()
    """
    assert run(code, tmp_path / "log", secret) == (0, "", "")


def test_a_child_that_execs_or_forks_before_opening_works(tmp_path: Path, secret: str) -> None:
    code = """
    import warnings; warnings.simplefilter("ignore", DeprecationWarning)
    pid = os.fork()
    with millpond.open(path + str(pid == 0), **options) as node:
        node.publish(1)
        assert len(node.query(ALL).to_list()) == 1
    if pid:
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    """
    assert run(code, tmp_path / "log", secret) == (0, "", "")
