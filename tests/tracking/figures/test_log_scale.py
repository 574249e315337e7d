"""The logarithmic scale of losses and accuracies."""

import pytest

from trialmaker.tracking.figures.log_scale import log_scale


@pytest.mark.parametrize(
    ("accuracies", "labels"),
    [
        ([0.5, 0.985], ["98 %", "95 %", "90 %", "80 %", "50 %"]),
        ([0.9, 0.998, 0.9991], ["99.9 %", "99.8 %", "99.5 %", "99 %", "98 %", "95 %", "90 %"]),
        ([0.9, 0.99, 1.0], ["100 %", "99 %", "98 %", "95 %", "90 %"]),
        ([0.4, 0.45, 0.5], ["55 %", "50 %", "45 %", "40 %", "35 %"]),
        ([0.5, 0.99999998], ["99.99999 %", "99.9999 %", "99.999 %", "99.99 %", "99.9 %", "99 %", "90 %"]),
        ([1.0], ["100 %"]),
        ([0.0, 1e-4], ["0.015 %", "0.01 %", "0.005 %", "0 %"]),
    ],
)
def test_the_last_tenth_of_a_percent_has_its_place(accuracies: list[float], labels: list[str]) -> None:
    assert list(log_scale(accuracies, of_accuracy=True).ticks(accuracies).values()) == labels


def test_better_is_up_for_accuracies_and_down_for_losses() -> None:
    accuracies, losses = [0.9, 0.99, 0.999], [1.0, 0.1, 0.01]
    assert log_scale(accuracies, of_accuracy=True).positions(accuracies).round(6).tolist() == [1, 2, 3]
    assert log_scale(losses, of_accuracy=False).positions(losses).round(6).tolist() == [0, -1, -2]


def test_what_has_no_place_on_the_scale_lies_below_all_else() -> None:
    losses = [0.0, 0.02, 2.0]
    scale = log_scale(losses, of_accuracy=False)
    assert scale.floor == 0.01 and scale.positions(losses)[0] == -2
    assert list(scale.ticks(losses).values()) == ["0", "0.02", "0.05", "0.1", "0.2", "0.5", "1", "2"]
