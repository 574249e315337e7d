"""How far several instances carry, up to 1,000, by simulation: steps wait for the slowest, trials for one proxy.

python benchmarks/scaling_simulation.py [--seed 0]

The same seed gives the same figures. The constants are those that ``collectives.py``, ``storage_calls.py`` and
``instances.py`` measure here; docs/several_instances.md says what follows.
"""

import argparse
import heapq
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

NORM_BYTES = 1_032  # two moments of 64 channels, and a count, in float64
COUNTS = (1, 2, 3, 4, 8, 16, 32, 64, 128, 256, 512, 1000)
Array = npt.NDArray[np.float64]


# ---- steps


@dataclass(frozen=True)
class Network:
    """What joins the instances.

    Args:
        latency: seconds that a message takes, however short.
        bandwidth: bytes per second that an instance sends.
    """

    latency: float
    bandwidth: float

    def all_reduce_seconds(self, instances: int, size: int) -> float:
        """Return how long a ring needs to sum ``size`` bytes of each instance: 2(n-1) messages of a n-th of them."""
        messages = 2 * (instances - 1)
        return messages * (self.latency + size / instances / self.bandwidth)


@dataclass(frozen=True)
class Training:
    """A training with a fixed global batch.

    Args:
        step_seconds: of one instance that computes the whole batch.
        fixed_seconds: of each step, whatever its part of the batch.
        size: bytes of all gradients.
        norms: layers of batch normalization; each has a short collective of its own in each direction.
        spread: standard deviation of the logarithm of an instance's seconds, drawn anew for each step.
    """

    name: str
    step_seconds: float
    fixed_seconds: float
    size: int
    norms: int = 0
    spread: float = 0.05

    def collective_seconds(self, network: Network, instances: int) -> float:
        """Return how long the collectives of one step take together."""
        if instances == 1:
            return 0.0
        large, small = (network.all_reduce_seconds(instances, size) for size in (self.size, NORM_BYTES))
        return large + 2 * self.norms * small


def waits(instances: int, steps: int, seconds: float, spread: float, seed: int = 0) -> Array:
    """Return seconds of shape [instances, steps]: lognormal, with that median, the same for the same seed."""
    return seconds * np.exp(np.random.default_rng(seed).normal(0, spread, (instances, steps)))


def simulate_steps(seconds: Array, reduction: float) -> float:
    """Return the mean seconds of a step: all instances wait for the slowest, then for the collective.

    Args:
        seconds: of each instance's own computation, shape [instances, steps].
        reduction: seconds of the collective.
    """
    return float(seconds.max(axis=0).mean()) + reduction


def step_seconds(training: Training, network: Network, instances: int, seed: int, steps: int = 400) -> float:
    """Return the mean seconds of a step over so many instances."""
    own = training.fixed_seconds + (training.step_seconds - training.fixed_seconds) / instances
    drawn = waits(instances, steps, own, training.spread, seed)
    return simulate_steps(drawn, training.collective_seconds(network, instances))


# ---- studies


@dataclass(frozen=True)
class Proxy:
    """What serves a study's storage, one call after another.

    Args:
        call_seconds: of its work for one call, in a new study.
        latency: seconds between a worker and it, there and back.
        calls: of one trial.
        growth: how much longer a call takes for each trial that the study has, in seconds.
    """

    call_seconds: float
    latency: float
    calls: int
    growth: float = 0.0

    def seconds(self, trials: int) -> float:
        """Return the seconds of a call in a study of so many trials."""
        return self.call_seconds + self.growth * trials

    def trials_per_second(self, trials: int) -> float:
        """Return how many trials it can serve at most, in a study that has so many."""
        return 1 / (self.calls * self.seconds(trials))


def simulate_study(
    proxy: Proxy, workers: int, trial_seconds: float, trials: int, spread: float, seed: int, earlier_trials: int = 0
) -> float:
    """Return the trials per second of workers that share one proxy; each trial's calls are spread over its time.

    A worker computes for a part of the trial, calls, waits for the answer, computes on. The proxy serves calls in the
    order of their arrival. The first fifth of the calls, while the workers still fall into step, does not count.

    Args:
        trials: so many are simulated.
        spread: standard deviation of the logarithm of a trial's seconds.
        earlier_trials: so many does the study have already.
    """
    draw = np.random.default_rng(seed)
    durations = trial_seconds * np.exp(draw.normal(0, spread, trials + workers)) / proxy.calls
    arrivals = [(float(start), worker) for worker, start in enumerate(draw.uniform(0, durations[:workers]))]
    heapq.heapify(arrivals)
    trial_of, calls_left, begun = list(range(workers)), [proxy.calls] * workers, workers
    total, free_at, counted_from = trials * proxy.calls, 0.0, 0.0
    for call in range(total):
        arrival, worker = heapq.heappop(arrivals)
        free_at = max(arrival + proxy.latency / 2, free_at) + proxy.seconds(earlier_trials + begun)
        if call == total // 5:
            counted_from = free_at
        calls_left[worker] -= 1
        if not calls_left[worker]:
            trial_of[worker], calls_left[worker] = begun, proxy.calls
            begun += 1
        heapq.heappush(arrivals, (free_at + proxy.latency / 2 + durations[trial_of[worker]], worker))
    return (total - total // 5) / proxy.calls / (free_at - counted_from)


# ---- tables

# as measured by collectives.py, with what a real switch adds
NETWORKS = {
    "10 Gbit/s": Network(450e-6, 600e6),
    "1 Gbit/s": Network(450e-6, 115e6),
    "100 Mbit/s": Network(450e-6, 12e6),
}
# of one thread each; the last is no model of ours
TRAININGS = (
    Training("MLP, batch 128", 0.0005, 0.00013, 473_000),
    Training("CNN, batch 128", 0.029, 0.0015, 1_690_000, norms=3),
    Training("CNN, batch 1,024", 0.246, 0.005, 1_690_000, norms=3),
    Training("25 million weights, 10 s a step", 10.0, 0.03, 100_000_000),
)
FIXED_CALLS, EPOCHS = 22, 10  # of a trial
WRITES_PER_SECOND, READS_PER_SECOND = 1, 4  # at most, of its reports, and of the values that a pruner compares with
PROXY = Proxy(call_seconds=0.0005, latency=0.001, calls=FIXED_CALLS + 2 * EPOCHS, growth=1.3e-6)
EARLIER_TRIALS = (0, 1000, 10_000)
TRIAL_SECONDS = (1.0, 10.0, 60.0, 600.0)


def speed_ups(training: Training, network: Network, seed: int) -> dict[int, float]:
    """Return how many times the steps per second of one instance so many make."""
    alone = step_seconds(training, network, 1, seed)
    return {count: alone / step_seconds(training, network, count, seed) for count in COUNTS}


def study_shares(proxy: Proxy, trial_seconds: float, seed: int, earlier_trials: int = 0) -> dict[int, float]:
    """Return what part so many workers do of the trials that they would do without a proxy."""
    free, shares = replace(proxy, latency=0.0, call_seconds=0.0, growth=0.0), {}
    for workers in COUNTS:
        trials = max(6 * workers, 60)
        rate, own = (
            simulate_study(one, workers, trial_seconds, trials, 0.3, seed, earlier_trials) for one in (proxy, free)
        )
        shares[workers] = rate / own
    return shares


def training_rows(seed: int) -> Iterator[str]:
    """Yield a line for each training and network: the speed-up by instances, the best, and where the half is lost."""
    for training in TRAININGS:
        for name, network in NETWORKS.items():
            gains = speed_ups(training, network, seed)
            best = max(gains, key=gains.__getitem__)
            half = max(count for count, gain in gains.items() if gain >= count / 2)
            cells = " | ".join(f"{gain:.2f}" for gain in gains.values())
            yield f"| {training.name} | {name} | {cells} | {best:,} | {half:,} |"


def trial_calls(seconds: float) -> int:
    """Return the calls of a trial of ten epochs with a pruner, of which short epochs share some."""
    writes, reads = (min(EPOCHS, round(limit * seconds)) for limit in (WRITES_PER_SECOND, READS_PER_SECOND))
    return FIXED_CALLS + writes + reads


def study_rows(proxy: Proxy, seed: int) -> Iterator[str]:
    """Yield a line for each size of the study and length of a trial: the share of what free workers would do."""
    for earlier in EARLIER_TRIALS:
        for seconds in TRIAL_SECONDS:
            shares = study_shares(replace(proxy, calls=trial_calls(seconds)), seconds, seed, earlier)
            most = max((workers for workers, share in shares.items() if share >= 0.9), default=0)
            cells = " | ".join(f"{share:.2f}" for share in shares.values())
            yield f"| {earlier:,} | {seconds:.0f} s | {cells} | {most:,} |"


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seed", type=int, default=0)
    seed = parser.parse_args().seed
    heads = " | ".join(f"{count:,}" for count in COUNTS)
    print(f"| training | network | {heads} | fastest | at half |")
    print(*training_rows(seed), sep="\n")
    capacity = ", ".join(f"{PROXY.trials_per_second(n):.1f} after {n:,}" for n in EARLIER_TRIALS)
    print(f"\nthe proxy serves, in trials per second: {capacity}\n\n| trials before | a trial | {heads} | up to |")
    print(*study_rows(PROXY, seed), sep="\n")


if __name__ == "__main__":
    main()
