"""SQLite databases that somebody else has made: checked to hold plain tables before anything is asked of them.

A view may be endless, a trigger acts when its table is written to, a generated column or a virtual table computes when
it is read, and a condition, a default or an index's expression when a row is written or checked: in one call of
SQLite's that nothing interrupts. No store of MLflow's and no study of Optuna's has more than comparisons with literals,
but for two tables that nobody here reads. The project's own output is its owner's, whatever is added to its store.
"""

import re
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path

from trialmaker.platform import paths

MAX_VALUE_BYTES = 1 << 24  # of a text or blob, as the longest that MLflow has room for
SHORTEST_SECONDS = 60.0  # for all that is read of a database
BYTES_PER_SECOND = 500_000  # at which the slowest disk is read; a tenth of what merging takes
PROGRESS_INSTRUCTIONS = 10_000  # of SQLite's virtual machine, between two looks at the clock
QUOTED = re.compile(r"""'[^']*'|"[^"]*\"""")  # of a doubled quote's two halves, each is one
# What MLflow's and Optuna's tables compute, once literals are '' and quoted names q: nothing that calls a function.
LITERAL = r"(?:''|[+-]?[0-9.]+|NULL|TRUE|FALSE)"
CHECKED = rf"CHECK \( ?\w+ ?(?:= ?{LITERAL}|IN \( ?{LITERAL}(?: ?, ?{LITERAL})* ?\)) ?\)"
DEFAULTS = rf"DEFAULT (?:{LITERAL}|\( ?{LITERAL} ?\))(?=[ ,)])"
DIFFERENCE = r"GENERATED ALWAYS AS \(\w+ - \w+\) STORED"
HARMLESS = re.compile(rf"\b(?:{CHECKED}|{DEFAULTS}|{DIFFERENCE})", re.IGNORECASE | re.ASCII)
PLAIN_TABLE = re.compile(r"CREATE TABLE (?!.*\b(?:CHECK|DEFAULT|AS|SELECT)\b)[\w ,()]+", re.IGNORECASE | re.ASCII)
SORTED_COLUMN = r"\w+(?: ASC| DESC)?"
PLAIN_INDEX = re.compile(
    rf"CREATE (?:UNIQUE )?INDEX \w+ ON \w+ ?\( ?{SORTED_COLUMN}(?: ?, ?{SORTED_COLUMN})* ?\)", re.IGNORECASE | re.ASCII
)
PLAIN_TRIGGER = re.compile(
    r"CREATE TRIGGER prevent_secrets_aad_mutation BEFORE UPDATE ON secrets FOR EACH ROW WHEN OLD.secret_id != "
    r"NEW.secret_id OR OLD.secret_name != NEW.secret_name BEGIN SELECT RAISE\(ABORT, ''\); END"
)
PLAIN_SQL = {"table": PLAIN_TABLE, "index": PLAIN_INDEX, "trigger": PLAIN_TRIGGER}
COMPUTED_TABLE = "spans"  # of MLflow's: one of its columns is a difference
INTEGER_TYPES = ("INT", "BOOL")  # what declared types of whole numbers hold
REAL_TYPES = ("FLOA", "DOUB", "REAL")
TEXT_LIMITS = {"VARCHAR": 1 << 16}  # characters, by the begin of a text's declared type; MLflow takes 8,000


class DoubtfulDatabase(sqlite3.DatabaseError):
    """A database that is not what it should be; the message says why."""


def guard(connection: sqlite3.Connection, size: int) -> None:
    """Bound what is read over a connection in time, and each value in size; what its schema says is not trusted.

    Args:
        connection: to the database, or to one that it is attached to.
        size: of the database, bytes.
    """
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_VALUE_BYTES)
    connection.set_progress_handler(overtime(size), PROGRESS_INSTRUCTIONS)


def overtime(size: int) -> Callable[[], bool]:
    """Return what tells SQLite, from now on, whether a database of so many bytes has been read for too long."""
    deadline = time.monotonic() + SHORTEST_SECONDS + size / BYTES_PER_SECOND
    return lambda: time.monotonic() > deadline


def check_file(path: Path) -> None:
    """Check a database file that will be opened by others, such as MLflow; one that is missing or one's own passes.

    Raises:
        sqlite3.DatabaseError: it holds more than plain tables, or is no database.
        OSError: it is no regular file.
    """
    if paths.is_own_output(path.parent):
        return
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise OSError(f"{path} is no regular file")
    if path.exists():
        with closing(sqlite3.connect(path, timeout=20)) as connection:
            guard(connection, path.stat().st_size)
            check_tables(connection)


def check_tables(connection: sqlite3.Connection, schema: str = "main") -> None:
    """Check that a database holds tables and indexes, and nothing that acts or computes; this computes nothing itself.

    Raises:
        DoubtfulDatabase: it holds something else.
    """
    for kind, name, text in connection.execute(f"SELECT type, name, sql FROM {schema}.sqlite_master"):
        if text is not None and not (kind in PLAIN_SQL and PLAIN_SQL[kind].fullmatch(_skeleton(text))):
            raise DoubtfulDatabase(
                f"holds {'an' if kind == 'index' else 'a'} {kind}, {name}, and not only plain tables"
            )
    tables = f"SELECT name, type FROM pragma_table_list WHERE schema = '{schema}'"
    for name, kind in connection.execute(tables).fetchall():
        columns = connection.execute(f"SELECT 1 FROM pragma_table_xinfo(?, '{schema}') WHERE hidden <> 0", (name,))
        if kind != "table" or (name != COMPUTED_TABLE and columns.fetchone()):
            raise DoubtfulDatabase(f"its {name} is {'a table that computes its columns' if kind == 'table' else kind}")


def _skeleton(text: str) -> str:
    """Return an object's SQL without its literals, and without what it may compute."""
    unquoted = QUOTED.sub(lambda quoted: "''" if quoted[0].startswith("'") else "q", text)
    return HARMLESS.sub(" ", " ".join(unquoted.split()))


def check_values(
    connection: sqlite3.Connection, schema: str, table: str, types: Mapping[str, str], repeated: Sequence[str] = ()
) -> None:
    """Check that a table has columns, and that each value in them is of its column's type: of texts, that it is UTF-8.

    Args:
        connection: to the database.
        schema: the database's name.
        table: the table's name.
        types: the declared type of each column that it should have.
        repeated: the columns of a long table whose texts are few, and read once each; none for another table.

    Raises:
        DoubtfulDatabase: it lacks a column, or holds another value.
        sqlite3.Error: a value is too long, or is no text.
    """
    present = {name for (name,) in connection.execute(f"SELECT name FROM pragma_table_info('{table}', '{schema}')")}
    if missing := sorted(types.keys() - present):
        raise DoubtfulDatabase(f"its table {table} lacks {', '.join(missing)}")
    wrong = " OR ".join(_condition(name, declared.upper()) for name, declared in types.items())
    if connection.execute(f"SELECT 1 FROM {schema}.{table} WHERE {wrong} LIMIT 1").fetchone():
        raise DoubtfulDatabase(f"its table {table} holds values that are not of their column's type")
    texts = [name for name, declared in types.items() if _kinds(declared.upper()) == ("text",)]
    chosen = f"DISTINCT {', '.join(repeated)}" if repeated else ", ".join(texts)
    for _ in connection.execute(f"SELECT {chosen} FROM {schema}.{table}") if texts else ():
        pass  # sqlite3 raises for what is not UTF-8


def _kinds(declared: str) -> tuple[str, ...]:
    if declared.startswith(INTEGER_TYPES) or "INT" in declared:
        return ("integer",)
    return ("real", "integer") if declared.startswith(REAL_TYPES) else ("text",)


def _condition(name: str, declared: str) -> str:
    """Return the SQL condition of a value that is not of a column's declared type."""
    kinds = ", ".join(f"'{kind}'" for kind in (*_kinds(declared), "null"))
    limit = next((limit for begin, limit in TEXT_LIMITS.items() if declared.startswith(begin)), 0)
    return f"typeof({name}) NOT IN ({kinds})" + (f" OR length({name}) > {limit}" if limit else "")
