"""Runs grouped by configuration as tables, one for each data set, and how sure it is that the best is better."""

from collections.abc import Mapping, Sequence

from trialmaker.analysis import latex_table, seed_statistics, text_report
from trialmaker.analysis.query import value_of
from trialmaker.analysis.run_table import Table, cell_text, counted, differing_properties
from trialmaker.analysis.sections import by_data, by_objective, differing_within_models
from trialmaker.analysis.seed_statistics import Comparison, Group
from trialmaker.analysis.store.runs import Run
from trialmaker.errors import UserError

REQUIRED = ("group", "mean", "spread", "seeds")


def render(runs: Sequence[Run], metric: str, form: str, digests: Mapping[str, str], width: int | None) -> str:
    """Return the tables, and for people the comparisons below each.

    Args:
        runs: see ``seed_statistics.comparable_runs``.
        metric: the full name of a metric or column.
        form: one of ``run_table.FORMATS``.
        digests: the digests of the data by the run's id.
        width: that no line of text may exceed; None for all columns.

    Raises:
        UserError: no run has the metric, or it is not a number.
    """
    measured = [run for run in runs if value_of(run, metric, digests) is not None]
    if not measured:
        raise UserError(f"{metric}: no finished run with a seed has it")
    tables, texts = [], []
    for data, members in _sections(measured, digests).items():
        maximize = seed_statistics.is_maximized(metric, members)
        groups = seed_statistics.group_runs(members, metric, maximize=maximize, digests=digests)
        comparisons = seed_statistics.compare_with_best(groups, maximize=maximize)
        table = seed_statistics.build_table(groups, metric, comparisons if form in ("csv", "json") else None)
        tables.append((data, table))
        title = cell_text(f"{data}: {counted(len(groups), 'configuration')}, {metric}")
        texts.append((title, _display_table(groups, digests), comparisons))
    if form == "text":
        return "\n\n".join(_text(*one, width) for one in texts)
    if form == "latex":
        return "\n\n".join(latex_table.render(title, text_report.display_columns(table)) for title, table, _ in texts)
    lines = [f"\n\n{comparison}" for *_, comparisons in texts for comparison in comparisons if form == "markdown"]
    return _joined(tables).as_format(form) + "".join(lines)


def _sections(runs: Sequence[Run], digests: Mapping[str, str]) -> dict[str, list[Run]]:
    """Return runs by the name of their data set, which is followed by the objective where runs of it have several."""
    sections = {}
    for data, members in by_data(runs, digests).items():
        objectives = by_objective(members)
        for objective, rows in objectives.items():
            name = f"{data} · {objective.name} ({objective.direction})" if len(objectives) > 1 else data
            sections[name] = rows
    return sections


def _display_table(groups: Sequence[Group], digests: Mapping[str, str]) -> Table:
    """Return a table with the numbers of each group, and the parameters that make the groups different."""
    runs = [group.run for group in groups if group.run]
    names = [name for name in differing_properties(runs) if name == "experiment"]
    names += [name for name in differing_within_models(runs) if name != "seed"]
    rows = [
        [
            *(group.letter, group.mean, group.spread, len(group.values), min(group.values.values())),
            *(max(group.values.values()), *(value_of(run, name, digests) for name in names)),
        ]
        for group, run in zip(groups, runs, strict=True)
    ]
    return Table(["group", "mean", "spread", "seeds", "lowest", "highest", *names], rows)


def _text(title: str, table: Table, comparisons: Sequence[Comparison], width: int | None) -> str:
    lines = [*text_report.wrap(title.split(), width), text_report.render_table(table, width, REQUIRED)]
    for line in _verdicts(comparisons):
        lines += text_report.wrap(line.split(), width)
    return "\n".join(lines)


def _verdicts(comparisons: Sequence[Comparison]) -> list[str]:
    """Return a line for each comparison, but one for all groups that have too few seeds in common with the best."""
    few = [comparison for comparison in comparisons if comparison.seeds < 2]
    lines = [str(comparison) for comparison in comparisons if comparison.seeds > 1 or len(few) == 1]
    if len(few) > 1:
        letters = ", ".join(comparison.other.letter for comparison in few)
        law = f"have at most 1 seed in common with {few[0].best.letter}: run them with the same seeds, at least 2"
        lines.append(f"{letters} {law}")
    return lines


def _joined(tables: Sequence[tuple[str, Table]]) -> Table:
    """Return tables of the same columns as one, where there are several with the data set as the first column."""
    if len(tables) == 1:
        return tables[0][1]
    return Table(["data", *tables[0][1].columns], [[data, *row] for data, table in tables for row in table.rows])
