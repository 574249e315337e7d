"""The simulation of several instances: what can be reckoned by hand, and the same figures for the same seed."""

import numpy as np
import pytest

from scaling_simulation import (
    EARLIER_TRIALS,
    NETWORKS,
    PROXY,
    TRAININGS,
    Network,
    Proxy,
    Training,
    simulate_steps,
    simulate_study,
    speed_ups,
    step_seconds,
    study_shares,
    training_rows,
    waits,
)
from support.entry import PROJECT

NETWORK = Network(latency=0.001, bandwidth=1e6)


def test_a_ring_sends_each_part_of_the_sum_round_twice() -> None:
    assert NETWORK.all_reduce_seconds(1, 1000) == 0
    assert NETWORK.all_reduce_seconds(2, 1000) == pytest.approx(2 * (0.001 + 500 / 1e6))
    assert NETWORK.all_reduce_seconds(5, 1000) == pytest.approx(8 * (0.001 + 200 / 1e6))


def test_all_wait_for_the_slowest_and_for_the_collective() -> None:
    assert simulate_steps(np.array([[1.0, 2.0], [3.0, 1.0]]), 0.5) == 3.0
    assert waits(3, 4, 1.0, 0.0).tolist() == [[1.0] * 4] * 3


def test_a_step_is_divided_but_for_what_is_fixed_and_the_collectives() -> None:
    training = Training("t", step_seconds=1.0, fixed_seconds=0.1, size=1000, norms=2, spread=0.0)
    assert step_seconds(training, NETWORK, 1, seed=0) == pytest.approx(1.0)
    small = NETWORK.all_reduce_seconds(3, 1_032)
    expected = 0.1 + 0.9 / 3 + NETWORK.all_reduce_seconds(3, 1000) + 4 * small
    assert step_seconds(training, NETWORK, 3, seed=0) == pytest.approx(expected)


def test_workers_beside_a_free_proxy_do_not_wait_and_those_of_a_busy_one_share_its_capacity() -> None:
    free = Proxy(call_seconds=0.0, latency=0.0, calls=10)
    assert simulate_study(free, 4, 2.0, 200, 0.0, seed=0) == pytest.approx(4 / 2.0, rel=0.02)
    busy = Proxy(call_seconds=0.01, latency=0.0, calls=10)
    assert busy.trials_per_second(1000) == pytest.approx(10)
    assert simulate_study(busy, 100, 2.0, 1000, 0.0, seed=0) == pytest.approx(10, rel=0.05)


def test_a_call_takes_longer_the_more_trials_a_study_has() -> None:
    proxy = Proxy(call_seconds=0.01, latency=0.0, calls=10, growth=1e-5)
    assert proxy.trials_per_second(1000) == pytest.approx(5)
    assert simulate_study(proxy, 100, 2.0, 100, 0.0, seed=0, earlier_trials=1000) == pytest.approx(4.5, rel=0.06)


def test_the_same_seed_gives_the_same_figures_and_another_one_others() -> None:
    assert speed_ups(TRAININGS[0], NETWORKS["1 Gbit/s"], 1) == speed_ups(TRAININGS[0], NETWORKS["1 Gbit/s"], 1)
    proxy = Proxy(call_seconds=0.001, latency=0.001, calls=5)
    first, again, other = (simulate_study(proxy, 8, 1.0, 100, 0.3, seed) for seed in (0, 0, 1))
    assert first == again != other


def test_more_workers_never_do_a_larger_share_beyond_the_capacity() -> None:
    shares = study_shares(Proxy(call_seconds=0.001, latency=0.0, calls=10), 1.0, seed=0)
    assert shares[1] > 0.95 and shares[1000] < 0.15


def test_the_page_shows_what_the_simulation_says() -> None:
    page = (PROJECT / "docs" / "several_instances.md").read_text(encoding="utf-8")
    assert [row for row in training_rows(seed=0) if row not in page] == []
    for trials in EARLIER_TRIALS:
        assert f"{PROXY.trials_per_second(trials):.1f} after {trials:,}" in page
    pays = [2 * training.collective_seconds(network, 2) for training in TRAININGS[:2] for network in NETWORKS.values()]
    assert [text for seconds in pays if (text := f"| {1000 * seconds:.0f} ms (") not in page] == []
