"""Tables for papers."""

from collections.abc import Sequence

from trialmaker.analysis.text_table import Column

ESCAPES = str.maketrans(
    {char: f"\\{char}" for char in "&%$#_{}"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    | {"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", "±": r"$\pm$", "·": r"\textperiodcentered{}"}
)


def render(title: str, columns: Sequence[Column]) -> str:
    """Return a table as a LaTeX ``tabular`` with the rules of the package booktabs, below a comment with its title."""
    alignment = "".join("r" if one.is_numeric else "l" for one in columns)
    head, *rows = (
        _guarded(" & ".join(cell.translate(ESCAPES) for cell in line)) + r" \\"
        for line in zip(
            *([one.head.replace("_\n", "_").replace("\n", " "), *one.cells] for one in columns), strict=True
        )
    )
    lines = [f"% {title}", rf"\begin{{tabular}}{{{alignment}}}", r"\toprule", head, r"\midrule", *rows, r"\bottomrule"]
    return "\n".join([*lines, r"\end{tabular}"])


def _guarded(row: str) -> str:
    r"""Return a row that the ``\\`` or rule before it does not read as its argument."""
    return "{}" + row if row.startswith(("[", "*")) else row
