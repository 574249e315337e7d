"""Sections as text for people: a table that fits the terminal, and below it the best run of each."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from rich.cells import cell_len, chop_cells

from trialmaker.analysis.headline import Headline
from trialmaker.analysis.query import SHORT_NAMES, Value
from trialmaker.analysis.run_table import Table, cell_text
from trialmaker.analysis.sections import Section, param_text, short_name
from trialmaker.analysis.store.runs import TEST_METRIC
from trialmaker.analysis.text_table import Column, fit, split_head
from trialmaker.errors import printable

REQUIRED_COLUMNS = ("id", "run", "best", TEST_METRIC, "seconds")
PROPERTIES = ("id", "run", "status", "output", "experiment", "group")  # texts that are shown as they are
MEASURED = ("best", TEST_METRIC, "mean", "spread", "lowest", "highest")
HEADS = {name: head for head, name in SHORT_NAMES.items()}
WORDS = {"mostly": "mostly", "other": "not", "others": "others:"}  # by the kind of a difference
INDENT = "  "
ALL, WIDER = "--columns all", "in a wider terminal"  # what shows the columns that do not fit
MAX_DIFFERENCES = 6  # that are named


def render_section(section: Section, digests: Mapping[str, str], width: int | None, columns: Sequence[str] = ()) -> str:
    """Return a section's title and table.

    Args:
        section: the section.
        digests: the digests of the data by the run's id.
        width: that no line may exceed; None for all columns in full.
        columns: the only columns to show; none for all that differ.
    """
    head = "\n".join(wrap([title(section)], width))
    table = section.table(digests, columns) if columns else _with_short_status(section.table(digests))
    return f"{head}\n{render_table(table, width, way_on=WIDER if columns else ALL)}"


def title(section: Section) -> str:
    """Return a line that names a section."""
    lowest = " (the lowest)" if section.objective.direction == "minimize" else ""
    return cell_text(f"{section.data}: {section.count}, best by {section.objective.name}{lowest}")


def _with_short_status(table: Table) -> Table:
    """Return a table whose status is a word in small letters for the runs that are not finished."""
    at = table.columns.index("status") if "status" in table.columns else None
    marks = {"FINISHED": None}
    rows = [[marks.get(str(cell), str(cell).lower()) if here == at else cell for here, cell in enumerate(row)]
            for row in table.rows]  # fmt: skip
    return Table(table.columns, rows)


def render_table(table: Table, width: int | None, required: Sequence[str] = REQUIRED_COLUMNS, way_on: str = ALL) -> str:
    """Return a table that fits a width; the last line says how many columns do not.

    Args:
        table: the table.
        width: that no line may exceed; None for all columns in full.
        required: the columns that are shown in any case.
        way_on: how to see the columns that do not fit.
    """
    text, hidden = fit(display_columns(table, required), width)
    return text + (f"\n{hidden} more: {way_on}" if hidden else "")


def display_columns(table: Table, required: Sequence[str] = REQUIRED_COLUMNS) -> list[Column]:
    """Return a table's columns with short headings and values as people read them."""
    return [
        Column(
            split_head(printable(head)),
            [_cell(name, row[at]) for row in table.rows],
            is_numeric=table.is_numeric(at),
            is_required=name in required,
            is_shrinkable=name == "run",
        )
        for at, (name, head) in enumerate(zip(table.columns, _heads(table.columns), strict=True))
    ]


def render_headline(headline: Headline, width: int) -> str:
    """Return the lines about the best run of a section; a command goes on over lines as a shell reads it."""
    run = headline.run
    differences = [f"{one.name}={one.value} ({WORDS[one.kind]} {one.usual})" for one in headline.differences]
    hidden = len(differences) - MAX_DIFFERENCES
    differences[MAX_DIFFERENCES:] = [f"and {hidden} more"] * (hidden > 0)
    lines = [
        *wrap([f"best of {headline.section.heading}:", run.run_id[:8], cell_text(run.name)], width),
        *wrap([", ".join(f"{name} {value:.4f}" for name, value in headline.metrics.items())], width, INDENT),
        *(wrap(["note:", *headline.note.split()], width, INDENT) if headline.note else ()),
        *(wrap(["differs in:", *_separated(differences)], width, INDENT) if differences else ()),
        *_command_lines("repeat:", headline.command, width),
    ]
    if headline.deployment:
        lines += _command_lines("deploy:", headline.deployment, width)
    else:
        way_on = (
            "with --dry-run, the command above prints one that trains it"
            if headline.is_rerun
            else "the command above trains it again"
        )
        text = f"deploy: no model of this run is published here: {way_on}"
        lines += wrap(text.split(), width, INDENT)
    return "\n".join(lines)


def wrap(pieces: Sequence[str], width: int | None, indent: str = "") -> list[str]:
    """Return pieces of text on lines of a width; only pieces that are longer than a line are divided."""
    if width is None:
        return [indent + " ".join(map(printable, pieces))]
    room = width - len(indent + INDENT)
    parts = [part for piece in pieces for part in chop_cells(printable(piece), room)]
    return list(_flow(parts, width, indent, indent + INDENT))


def _heads(names: Sequence[str]) -> list[str]:
    """Return a short heading for each column: the last part of its name where no other column ends in it."""
    heads = [HEADS.get(name, short_name(name).rpartition(".")[2]) for name in names]
    counts = Counter(heads)
    return [name if counts[head] > 1 else head for name, head in zip(names, heads, strict=True)]


def _cell(name: str, value: Value) -> str:
    if name == "seconds" and isinstance(value, float | int):
        return f"{value:.1f}"
    if name in MEASURED and isinstance(value, float):
        return f"{value:.4f}" if abs(value) >= 1e-3 or not value else f"{value:.1e}"
    return cell_text(value) if value is None or name in PROPERTIES else param_text(value)


def _separated(texts: Sequence[str]) -> list[str]:
    return [f"{text}," for text in texts[:-1]] + list(texts[-1:])


def _command_lines(label: str, command: str, width: int) -> list[str]:
    """Return a command on lines that a shell reads as one; a word that is longer than the width stays whole."""
    words = [label, *_shell_words(printable(command))]
    return list(_flow(words, width, INDENT, INDENT * 2, continued=" \\"))


def _flow(pieces: Sequence[str], width: int, first: str, rest: str, continued: str = "") -> Iterator[str]:
    """Yield lines of pieces, separated by blanks; ``continued`` ends all lines but the last."""
    line = first + pieces[0]
    for piece in pieces[1:]:
        if cell_len(f"{line} {piece}{continued}") > width:
            yield line + continued
            line = rest + piece
        else:
            line = f"{line} {piece}"
    yield line


def _shell_words(command: str) -> Iterator[str]:
    """Yield the words of a command as they are quoted in it."""
    word = ""
    for part in command.split(" "):
        word = f"{word} {part}" if word else part
        if word.count("'") % 2 == 0:
            yield word
            word = ""
    if word:
        yield word
