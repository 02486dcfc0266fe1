"""The plugin for pytest: how it lives with what else pytest does."""

from __future__ import annotations

from pathlib import Path

import pytest

import millpond


@pytest.fixture
def inner(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """Tests with the plugin, of which few further runs begin."""
    for name in ("MILLPOND_SEED", "MILLPOND_WITHOUT"):
        monkeypatch.delenv(name, raising=False)
    pytester.makeconftest('pytest_plugins = ["_millpond_pytest"]')
    pytester.syspathinsert(str(Path(millpond.__file__).parents[1]))
    return pytester


def run(inner: pytest.Pytester, *options: str) -> pytest.RunResult:
    """Runs them."""
    return inner.runpytest_subprocess("-p", "no:cacheprovider", *options)


STORM = """
    import pytest
    from millpond.testing import Lab

    runs = []

    @pytest.mark.millpond(seeds=1)
    def test_storm(millpond_lab):
        runs.append(millpond_lab.chaos(60))
        assert all(what != "node 1 crashes" for _, what in millpond_lab.befell)

    def test_once():
        assert len(runs) == 1
"""


def test_subtests_are_reported_once(inner: pytest.Pytester) -> None:
    inner.makepyfile(
        """
        import pytest

        runs = []

        @pytest.mark.millpond(seeds=1)
        def test_parts(millpond_lab, subtests):
            runs.append(millpond_lab.chaos(60))
            with subtests.test("a part"):
                assert False, "of the part"
            assert not millpond_lab.befell

        def test_once():
            assert len(runs) == 1
        """
    )
    result = run(inner)
    result.assert_outcomes(passed=1, failed=2)
    assert result.stdout.str().count("SUBFAILED") == 1


def test_nothing_is_run_again_under_a_debugger(inner: pytest.Pytester) -> None:
    inner.makeconftest(
        """
        pytest_plugins = ["_millpond_pytest"]

        def pytest_collection_finish(session):
            session.config.option.trace = True
        """
    )
    inner.makepyfile(STORM)
    run(inner).assert_outcomes(passed=1, failed=1)


def test_a_lab_of_a_wider_fixture_proves_nothing(inner: pytest.Pytester) -> None:
    inner.makepyfile(
        """
        import pytest
        from millpond.testing import Lab

        @pytest.fixture(scope="module")
        def lab():
            return Lab(seed=1)

        @pytest.mark.millpond(seeds=1)
        def test_storm(lab, millpond_seed):
            lab.chaos(60)
            assert not lab.befell

        def test_last(lab):
            pass
        """
    )
    result = run(inner)
    result.assert_outcomes(passed=1, failed=1)
    said = result.stdout.str()
    assert "MILLPOND_SEED=1 replays it" in said and "that befell" not in said


def test_another_assertion_is_another_failure_and_labs_have_the_seed_of_the_test(
    inner: pytest.Pytester,
) -> None:
    inner.makepyfile(
        """
        import pytest
        from millpond.testing import Lab

        @pytest.mark.millpond(seeds=3)
        def test_storm(millpond_seed):
            lab = Lab()
            assert lab.seed == millpond_seed, "another seed"
            lab.chaos(60)
            assert lab.befell, "it is a storm"
            assert all(what != "node 1 crashes" for _, what in lab.befell)
        """
    )
    result = run(inner)
    result.assert_outcomes(failed=3)
    said = result.stdout.str()
    assert said.count("1 of the ") == said.count("] node 1 crashes\n") == 3
    assert "another seed\n" not in said


def test_what_a_failure_takes_is_said_also_where_captured_output_is_not(
    inner: pytest.Pytester,
) -> None:
    inner.makepyfile(STORM)
    said = run(inner, "--show-capture=no").stdout.str()
    assert "MILLPOND_SEED=1 replays it" in said and "] node 1 crashes" in said


@pytest.mark.parametrize(
    "waits", ["asyncio.run(asyncio.Event().wait())", "threading.Event().wait()"]
)
def test_a_further_run_that_waits_for_what_never_comes_is_ended(
    inner: pytest.Pytester, waits: str
) -> None:
    inner.makeconftest(
        """
        import millpond._trial

        pytest_plugins = ["_millpond_pytest"]
        millpond._trial.SHRINK_SECONDS_MAX = 0.9
        """
    )
    inner.makepyfile(
        f"""
        import asyncio
        import threading

        import pytest

        runs, put_away = [], []

        @pytest.fixture
        def kept(millpond_lab):
            yield
            put_away.append(millpond_lab)

        @pytest.mark.millpond(seeds=1)
        def test_waits(millpond_lab, kept):
            runs.append(millpond_lab.chaos(20))
            if len(runs) > 1:
                {waits}
            assert False, "as asked"

        def test_after():
            assert len(put_away) == len(runs) == 2
        """
    )
    result = run(inner)
    result.assert_outcomes(passed=1, failed=1)
    assert "as asked" in result.stdout.str()


def test_who_stops_the_search_is_told_the_failure_that_was_found(
    inner: pytest.Pytester,
) -> None:
    inner.makepyfile(
        """
        import pytest

        runs = []

        @pytest.mark.millpond(seeds=1)
        def test_storm(millpond_lab):
            runs.append(millpond_lab.chaos(20))
            if len(runs) > 1:
                raise KeyboardInterrupt
            assert not millpond_lab.befell
        """
    )
    result = run(inner)
    result.assert_outcomes(failed=1)
    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert "MILLPOND_SEED=1 replays it" in result.stdout.str()


@pytest.mark.parametrize(
    "environment",
    [{"MILLPOND_WITHOUT": "3"}, {"MILLPOND_WITHOUT": "3-x", "MILLPOND_SEED": "1"}],
)
def test_an_environment_that_says_nothing_is_refused(
    inner: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    inner.makepyfile(STORM)
    result = run(inner)
    said = result.stdout.str() + result.stderr.str()
    assert "INTERNALERROR" not in said and "MILLPOND_" in said
    assert result.ret in (pytest.ExitCode.USAGE_ERROR, pytest.ExitCode.INTERRUPTED)


def test_a_seed_may_be_chosen_by_a_marker_or_asked_for_late(
    inner: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner.makepyfile(
        """
        import pytest
        from millpond.testing import Lab

        @pytest.mark.parametrize("millpond_seed", [77])
        def test_chosen(millpond_seed):
            assert millpond_seed == 77 and Lab().seed == 77

        @pytest.mark.parametrize("other, millpond_seed", [(1, 78)], indirect=["millpond_seed"])
        def test_through_the_fixture(other, millpond_lab):
            assert millpond_lab.seed == 78

        def test_late(request):
            seed = request.getfixturevalue("millpond_seed")
            lab = Lab(seed=seed)
            lab.chaos(20)
            assert 1 not in dict(lab.befell)
            assert False, "as asked"

        def test_after():
            assert Lab(seed=7).seed == 7
        """
    )
    monkeypatch.setenv("MILLPOND_SEED", "3")
    monkeypatch.setenv("MILLPOND_WITHOUT", "1-5")
    result = run(inner)
    result.assert_outcomes(passed=3, failed=1)
    said = result.stdout.str()
    assert "as asked" in said and "MILLPOND_SEED=3 MILLPOND_WITHOUT=1-5 replays it" in said


def test_another_pytest_is_not_ended_by_the_plugin(inner: pytest.Pytester) -> None:
    inner.makeconftest(
        """
        import sys
        import types

        import pytest

        own = pytest.hookimpl

        def hookimpl(*given, **named):
            assert "wrapper" not in named
            return own(*given, **named)

        pytest.hookimpl = hookimpl
        del pytest.StashKey
        before = sys.modules["_pytest.runner"]
        sys.modules["_pytest.runner"] = types.ModuleType("_pytest.runner")
        import _millpond_pytest
        assert _millpond_pytest._protocol() is None
        pytest_plugins = ["_millpond_pytest"]

        def pytest_collection_finish():
            assert sys.modules["_pytest.runner"] is not before
        """
    )
    inner.makepyfile(STORM)
    result = run(inner)
    result.assert_outcomes(passed=1, failed=1)
    assert "MILLPOND_SEED=1 replays it" in result.stdout.str()
