"""The testing kit: what it says of a scenario that fails, and the plugin for pytest."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

import millpond
from millpond.testing import Lab, explore


def power_of_node_1(lab: Lab) -> bool:
    """Whether node 1 lost its power while nobody reached it."""
    is_cut_off = False
    for _, what in lab.befell:
        if "is cut into" in what:
            is_cut_off = "[1]" in what
        elif what == "the network is healed":
            is_cut_off = False
        elif what == "node 1 loses its power" and is_cut_off:
            return True
    return False


def scenario(seed: int) -> None:
    """Fails where node 1 loses its power after it was cut off."""
    lab = Lab(seed=seed)
    for turn in range(20):
        lab.chaos(2)
        for node in filter(lab.is_up, lab.nodes):
            lab.node(node).publish(turn, ["number"])
    assert not power_of_node_1(lab), "no steel"


async def slow_scenario(seed: int) -> None:
    """The same on an event loop."""
    await asyncio.sleep(0)
    await asyncio.create_task(asyncio.to_thread(scenario, seed))


@pytest.mark.parametrize("fails", [scenario, slow_scenario])
def test_a_failure_says_the_two_befalls_that_it_takes_and_they_replay_it(
    fails: Callable[[int], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MILLPOND_SEED", raising=False)
    with pytest.raises(AssertionError, match="no steel") as raised:
        explore(fails)
    hint, found = raised.value.__notes__
    assert "replays it with this version" in hint and "(schedule " in hint
    first, cut, power, replay = found.splitlines()
    assert first.startswith("2 of the ") and "[1]" in cut and "node 1 loses its power" in power
    for variable in replay.split(" replays that")[0].split():
        monkeypatch.setenv(*variable.split("=", 1))
    with pytest.raises(AssertionError) as replayed:
        explore(fails)
    assert "MILLPOND_WITHOUT=" in replayed.value.__notes__[0]
    assert len(replayed.value.__notes__) == 1, "nothing smaller is looked for"
    lab = Lab()
    lab.chaos(40)
    assert [what in cut or what in power for _, what in lab.befell] == [True, True]
    monkeypatch.delenv("MILLPOND_SEED")
    with pytest.raises(millpond.InvalidArgument):
        explore(fails)


def test_a_failure_is_not_made_smaller_where_nobody_wants_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("MILLPOND_SEED", raising=False)
    runs: list[int] = []

    def fails(seed: int) -> None:
        runs.append(seed)
        scenario(seed)

    def leaves(seed: int) -> None:
        runs.append(seed)
        Lab(seed=seed).chaos(20)
        raise SystemExit

    with pytest.raises(AssertionError) as raised:
        explore(fails, shrink=False)
    assert runs == list(range(1, len(runs) + 1)) and len(raised.value.__notes__) == 1
    monkeypatch.setenv("MILLPOND_WITHOUT", "")
    with pytest.raises(AssertionError) as raised:
        explore(fails)
    assert len(raised.value.__notes__) == 1
    monkeypatch.delenv("MILLPOND_WITHOUT")
    runs.clear()
    with pytest.raises(SystemExit):
        explore(leaves)
    assert runs == [1]


def test_a_further_run_that_waits_for_what_never_comes_is_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("millpond._trial.SHRINK_SECONDS_MAX", 0.9)
    runs: list[int] = []

    async def waits(seed: int) -> None:
        Lab(seed=seed).chaos(20)
        runs.append(seed)
        if len(runs) > 1:
            await asyncio.Event().wait()
        raise ValueError("as asked")

    with pytest.raises(ValueError, match="as asked"):
        explore(waits, 1)
    assert len(runs) > 1


def test_a_test_is_not_run_again_where_one_time_is_for_all_of_its_runs(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MILLPOND_SEED", raising=False)
    pytester.makeconftest(
        """
        pytest_plugins = ["_millpond_pytest"]

        def pytest_configure(config):
            config.pluginmanager.register(object(), "timeout")
        """
    )
    pytester.makepyfile(
        """
        import pytest

        runs = []

        @pytest.mark.millpond(seeds=1)
        def test_storm(millpond_lab):
            runs.append(millpond_lab.chaos(20))
            assert len(runs) > 1

        def test_once():
            assert len(runs) == 1
        """
    )
    pytester.syspathinsert(str(Path(millpond.__file__).parents[1]))
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=1, failed=1)


def test_what_befalls_can_be_left_out_by_its_number() -> None:
    def befell(*without: int) -> list[tuple[int, str]]:
        lab = Lab(seed=3, without=without)
        lab.chaos(30)
        return lab.befell

    (first, _), *others = befell()
    assert first not in dict(befell(first))
    rest = dict(befell(first))
    assert all(rest.get(number, what) == what for number, what in others)
    assert befell(*range(1, 100)) == []


def test_the_plugin_says_what_a_failure_takes_also_of_a_fixture_and_of_an_async_test(
    pytester: pytest.Pytester,
) -> None:
    pytester.makeconftest('pytest_plugins = ["_millpond_pytest"]')
    pytester.makepyfile(
        """
        import asyncio

        import pytest

        def storm(lab):
            lab.chaos(60)
            assert all(what != "node 1 crashes" for _, what in lab.befell)

        @pytest.fixture(scope="module")
        def once():
            return [0]

        @pytest.fixture
        def stormy(millpond_lab, once, tmp_path):
            assert not list(tmp_path.iterdir())
            (tmp_path / "a").write_text("a")
            once[0] += 1
            storm(millpond_lab)

        @pytest.mark.millpond(seeds=1)
        def test_setup(stormy):
            pass

        async def late(lab):
            await asyncio.sleep(0)
            storm(lab)

        @pytest.mark.millpond(seeds=1)
        def test_async(millpond_lab):
            asyncio.run(late(millpond_lab))

        @pytest.mark.millpond(seeds=1)
        def test_own_lab(millpond_seed):
            from millpond.testing import Lab
            storm(Lab(seed=millpond_seed))

        @pytest.mark.millpond(seeds=1, shrink=False)
        def test_whole(millpond_lab):
            storm(millpond_lab)

        def test_counted(once):
            # The last test of the module: the fixture was there all the time.
            assert 1 < once[0] <= 65
        """
    )
    pytester.syspathinsert(str(Path(millpond.__file__).parents[1]))
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=1, failed=3, errors=1)
    said = result.stdout.str()
    assert said.count("1 of the ") == 3 and said.count("] node 1 crashes\n") == 3
    assert said.count("MILLPOND_SEED=1 MILLPOND_WITHOUT=") == 3
    assert said.count("MILLPOND_SEED=1 replays it") == 4


def test_the_plugin_does_not_import_millpond_before_somebody_asks(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(
        """
        import sys

        def test_a(pytestconfig):
            assert pytestconfig.pluginmanager.has_plugin("_millpond_pytest")
            assert "millpond" not in sys.modules

        def test_b(request):
            assert request.getfixturevalue("millpond_lab").seed == 1
            assert "millpond" in sys.modules
        """
    )
    pytester.syspathinsert(str(Path(millpond.__file__).parents[1]))
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-p", "_millpond_pytest")
    result.assert_outcomes(passed=2)


def test_the_fixture_names_the_seed_that_fails(pytester: pytest.Pytester) -> None:
    pytester.makeconftest('pytest_plugins = ["_millpond_pytest"]')
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.millpond(seeds=3)
        def test_a(millpond_lab):
            assert millpond_lab.seed != 2
        """
    )
    pytester.syspathinsert(str(Path(millpond.__file__).parents[1]))
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["*MILLPOND_SEED=2 replays it*"])


def test_the_fixture_says_the_seed_of_what_fails_in_a_setup_and_refuses_what_it_does_not_know(
    pytester: pytest.Pytester,
) -> None:
    pytester.makeconftest('pytest_plugins = ["_millpond_pytest"]')
    pytester.makepyfile(
        test_own="""
        import pytest

        @pytest.fixture
        def stocked(millpond_lab):
            assert millpond_lab.seed != 2

        @pytest.mark.millpond(seeds=2)
        def test_a(stocked):
            pass

        def test_late(request):
            assert request.getfixturevalue("millpond_lab").seed == 1
        """,
        test_wrong="""
        import pytest

        @pytest.mark.millpond(seed=7)
        def test_b(millpond_lab):
            pass
        """,
    )
    pytester.syspathinsert(str(Path(millpond.__file__).parents[1]))
    own = pytester.runpytest_subprocess("-p", "no:cacheprovider", "test_own.py")
    own.assert_outcomes(passed=2, errors=1)
    own.stdout.fnmatch_lines(["*MILLPOND_SEED=2 replays it*"])
    wrong = pytester.runpytest_subprocess("-p", "no:cacheprovider", "test_wrong.py")
    assert wrong.ret != 0
    wrong.stdout.fnmatch_lines(["*takes nodes=*, seeds=*, shrink=*"])
