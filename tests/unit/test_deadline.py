"""How long a request may last."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from mi_ldap.deadline import DEFAULT_S, deadline, remaining_s


def test_without_a_deadline_the_default_is_left() -> None:
    assert remaining_s() == DEFAULT_S


def test_a_deadline_runs_down_to_nothing() -> None:
    with deadline(0.02):
        assert 0 < remaining_s() <= 0.02
        time.sleep(0.03)
        assert remaining_s() == 0
    assert remaining_s() == DEFAULT_S


def test_an_inner_deadline_ends_with_its_block() -> None:
    with deadline(10):
        with deadline(1):
            assert remaining_s() <= 1
        assert 9 < remaining_s() <= 10


def test_a_deadline_ends_with_an_exception_too() -> None:
    with pytest.raises(KeyError), deadline(1):
        raise KeyError
    assert remaining_s() == DEFAULT_S


def test_a_deadline_is_its_threads_own() -> None:
    with deadline(1), ThreadPoolExecutor(1) as pool:
        assert pool.submit(remaining_s).result() == DEFAULT_S
