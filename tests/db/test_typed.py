"""What mypy knows of statements: small programs, right and wrong, on statements of notes.

mypy runs once, for all of them together.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from service.db.calls import typed
from service.db.header import parse
from service.db.statements import load, load_shapes
from service.db.typed import QueriesOne
from service.dev.statement_types import FOLDER, modules, shapes_module, typed_module

ROOT = Path(__file__).parents[2]

SHAPES = """
Words: title text, body text?
Note:  id uuid, Words, at timestamptz
Place: x float8, y float8
"""
STATEMENTS = {
    "notes/get": "-- params: owner_id text, id uuid\n-- returns: maybe Note",
    "notes/add": "-- params: owner_id text, id uuid, Words\n-- returns: one (id uuid, n int8)",
    "notes/rewrite": "-- params: owner_id text, Words\n-- returns: count",
    "notes/clear": "-- params: owner_id text\n-- returns: count",
    "notes/list": (
        "-- params: owner_id text, size int8, after int8?\n-- returns: many (total int8, Note?)"
    ),
    "notes/pairs": "-- params: owner_id text\n-- returns: many (n int8, Words?, Place?)",
    "notes/near": "-- params: owner_id text, Place?\n-- returns: maybe Words?",
    "notes/total": "-- global: counts all\n-- returns: one (total int8)",
    "check/tables": "-- global: the catalogue\n-- returns: many (name text)",
}
HEAD = """\
from datetime import datetime
from typing import TypedDict, assert_type
from uuid import UUID

from notes.db.shapes import *
from notes.db.typed import *
from service.db.queries import Queries, Transaction
from service.owner import NOBODY, OwnerId


class Longer(Words):
    size: int


me: OwnerId
id: UUID
words: Words
longer: Longer
one: QueriesOne
maybe: QueriesMaybe
many: QueriesMany
count: QueriesCount
my_one: CallsOne
my_maybe: CallsMaybe
my_many: CallsMany
my_count: CallsCount
real: Queries
tx: Transaction

"""
RIGHT = {
    "a row's columns": """
        row = await maybe("notes/get", me, id=id)
        assert row is not None
        assert_type(row["title"], str)
        assert_type(row["body"], str | None)
        assert_type(row["id"], UUID)
        assert_type(row["at"], datetime)
    """,
    "one": 'assert_type((await one("notes/add", me, id=id, title="a", body=None))["n"], int)',
    "count": 'assert_type(await count("notes/clear", me), int)',
    "global": 'assert_type((await one("notes/total", NOBODY))["total"], int)',
    "a shape's values": 'await one("notes/add", me, id=id, **words)',
    "nothing but a shape": 'await count("notes/rewrite", me, **words)',
    "a nullable parameter": 'await many("notes/list", me, size=1, after=None)',
    "a shape that may be absent": """
        for row in await many("notes/list", me, size=1, after=2):
            assert_type(row["total"], int)
            assert_type(row["title"], str | None)
            if row["id"] is not None:
                assert_type(row["title"], str)
                note: Note = row
            else:
                assert_type(row["title"], None)
    """,
    "only those that are there": """
        rows = await many("notes/list", me, size=1, after=2)
        notes: list[Note] = [row for row in rows if row["id"] is not None]
    """,
    "two that may be absent": """
        for row in await many("notes/pairs", me):
            if row["title"] is not None:
                words: Words = row
                assert_type(row["x"], float | None)
            if row["x"] is not None and row["title"] is not None:
                assert_type(row, NotesPairsWithWordsWithPlace)
    """,
    "an absent shape among the parameters": 'await maybe("notes/near", me, x=None, y=None)',
    "no owner in an owner's calls": """
        assert_type((await my_one("notes/add", id=id, **words))["id"], UUID)
        assert_type(await my_maybe("notes/get", id=id), Note | None)
        assert_type(await my_many("notes/list", size=1, after=None), list[NotesListRow])
        assert_type(await my_count("notes/clear"), int)
    """,
    "the service's own": """
        assert_type((await real.one("schema/ping", NOBODY))["answer"], int)
        assert_type(await real.count("owners/sweep", me), int)
        assert_type(await real.alone(me).count("owners/sweep"), int)
        assert_type(await tx.count("owners/sweep"), int)
    """,
}
"""Programs that mypy has nothing to say of."""


class Wrong(NamedTuple):
    """A program, the name that mypy's error has, and what must be in its message."""

    program: str
    code: str | tuple[str, ...]
    says: str = ""


OVERLOAD = "call-overload"
NOT_THE_ONLY = ("call-overload", "arg-type")
"""By how many statements of a kind the service has just now."""
WRONG = {
    "an unknown statement": Wrong('await maybe("notes/gte", me, id=id)', OVERLOAD),
    "the wrong call": Wrong('await one("notes/get", me, id=id)', OVERLOAD),
    "count for rows": Wrong('await count("notes/list", me, size=1, after=None)', OVERLOAD),
    "rows for count": Wrong('await many("notes/clear", me)', OVERLOAD),
    "a missing parameter": Wrong('await maybe("notes/get", me)', OVERLOAD),
    "a surplus parameter": Wrong('await maybe("notes/get", me, id=id, n=1)', OVERLOAD, '"n"'),
    "a misspelt parameter": Wrong('await maybe("notes/get", me, ib=id)', OVERLOAD, '"ib"'),
    "a parameter of another type": Wrong('await maybe("notes/get", me, id="1")', OVERLOAD),
    "NULL where there is none": Wrong(
        'await many("notes/list", me, size=None, after=None)', OVERLOAD, '"None", "None"'
    ),
    "a value of a shape missing": Wrong('await one("notes/add", me, id=id, title="a")', OVERLOAD),
    "a value twice": Wrong('await one("notes/add", me, id=id, title="", **words)', OVERLOAD),
    "values of another shape": Wrong('await one("notes/add", me, id=id, **longer)', OVERLOAD),
    "nobody in an owner's place": Wrong('await maybe("notes/get", NOBODY, id=id)', OVERLOAD),
    "an owner in nobody's place": Wrong('await one("notes/total", me)', OVERLOAD),
    "a text for an owner": Wrong('await maybe("notes/get", "alice", id=id)', OVERLOAD),
    "no owner": Wrong('await maybe("notes/get", id=id)', OVERLOAD),
    "an owner too much": Wrong('await my_maybe("notes/get", me, id=id)', OVERLOAD),
    "an owner by name": Wrong('await count("notes/clear", owner_id=me)', OVERLOAD),
    "a global statement among an owner's": Wrong(
        'await my_one("notes/total")', "arg-type", "Literal['notes/add']"
    ),
    "what others run": Wrong('await many("check/tables", NOBODY)', OVERLOAD),
    "a column that is not there": Wrong(
        '(await one("notes/total", NOBODY))["totla"]', "typeddict-item", 'has no key "totla"'
    ),
    "a column of another row": Wrong(
        '[row["n"] for row in await many("notes/list", me, size=1, after=None)]',
        "typeddict-item",
        'has no key "n"',
    ),
    "a row that may be missing": Wrong(
        '(await maybe("notes/get", me, id=id))["title"]', "index", "is not indexable"
    ),
    "a nullable column as if it were not": Wrong(
        """
        row = await maybe("notes/get", me, id=id)
        assert row is not None
        row["body"].upper()
        """,
        "union-attr",
        'Item "None" of "str | None"',
    ),
    "a shape that may be absent as if it were not": Wrong(
        """
        rows = await many("notes/list", me, size=1, after=None)
        notes: list[Note] = [row for row in rows]
        """,
        "misc",
        "List comprehension has incompatible type",
    ),
    "a nullable value for a parameter": Wrong(
        'await count("notes/rewrite", me, title=words["body"], body=None)', OVERLOAD
    ),
    "what a record cannot": Wrong('(await one("notes/total", NOBODY)).total', "attr-defined"),
    "the service's: one": Wrong('await real.one("schema/pong", NOBODY)', NOT_THE_ONLY),
    "the service's: maybe": Wrong('await real.maybe("owners/got", me)', NOT_THE_ONLY),
    "the service's: many": Wrong('await real.many("schema/apply", NOBODY)', NOT_THE_ONLY),
    "the service's: count": Wrong('await real.count("owners/weep", me)', NOT_THE_ONLY),
    "a transaction's: one": Wrong('await tx.one("schema/ping")', NOT_THE_ONLY),
    "a transaction's: maybe": Wrong('await tx.maybe("owners/got")', NOT_THE_ONLY),
    "a transaction's: many": Wrong('await tx.many("owners/get")', NOT_THE_ONLY),
    "a transaction's: count": Wrong('await tx.count("owners/weep")', NOT_THE_ONLY),
    "one owner's": Wrong('await real.alone(me).count("owners/weep")', NOT_THE_ONLY),
    "another owner": Wrong('await tx.count("owners/sweep", me)', NOT_THE_ONLY),
}
"""Programs that mypy refuses, each for one reason."""


def written(program: str, number: int) -> str:
    lines = [line.removeprefix("        ") for line in program.strip("\n").splitlines()]
    body = "\n    ".join(line.rstrip() for line in lines)
    return f"async def program_{number}() -> None:\n    {body}\n"


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """The errors of each program."""
    folder = tmp_path_factory.mktemp("typed")
    sql, package = folder / "sql", folder / "notes"
    sql.mkdir()
    (sql / "shapes.txt").write_text(SHAPES)
    for name, header in STATEMENTS.items():
        source = f"-- {name}: a test.\n{header}\n--\n"
        parameters = parse(source, load_shapes(sql)).parameters
        file = sql / f"{name}.sql"
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"{source}SELECT {', '.join(f':{each.name}' for each in parameters)};\n")
    (package / "db").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "db" / "__init__.py").touch()
    (package / "owner.py").write_text(
        "from service.owner import Nobody as Nobody, OwnerId as OwnerId\n"
    )
    statements = load(sql)
    (package / "db" / "shapes.py").write_text(shapes_module(statements, load_shapes(sql)))
    (package / "db" / "typed.py").write_text(typed_module(statements))

    programs = {**RIGHT, **{name: wrong.program for name, wrong in WRONG.items()}}
    text, ends = HEAD, []
    for number, program in enumerate(programs.values()):
        text += written(program, number)
        ends.append(text.count("\n"))
    (folder / "programs.py").write_text(text)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "mypy",
            "--no-error-summary",
            folder / "programs.py",
        ],
        cwd=ROOT,
        env={**os.environ, "MYPYPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert not done.stderr
    errors: dict[str, list[str]] = {name: [] for name in programs}
    for line in done.stdout.splitlines():
        place, kind, message = line.split(": ", 2)
        if kind == "error":
            where, _, row = place.rpartition(":")
            assert where.endswith("programs.py"), line
            case = next(case for case, end in zip(programs, ends, strict=True) if int(row) <= end)
            errors[case].append(message)
    return errors


@pytest.mark.parametrize("program", RIGHT)
def test_mypy_accepts_calls_and_rows_that_fit(program: str, found: dict[str, list[str]]) -> None:
    """Mypy accepts each call with its statement's parameters, and rows by their columns."""
    assert found[program] == []


@pytest.mark.parametrize("program", WRONG)
def test_mypy_refuses_calls_and_rows_that_do_not_fit(
    program: str, found: dict[str, list[str]]
) -> None:
    """Mypy refuses each difference between a call and its statement, or a row and its use."""
    wrong = WRONG[program]
    codes = wrong.code if isinstance(wrong.code, tuple) else (wrong.code,)
    assert any(
        error.endswith(tuple(f"[{code}]" for code in codes)) and wrong.says in error
        for error in found[program]
    ), found[program]


def test_types_cost_nothing_at_run_time() -> None:
    """The method that runs is the untyped one, without a wrapper."""

    async def call(*_: Any, **__: Any) -> Any:
        """Do nothing."""

    run: object = call
    assert typed(QueriesOne)(call) is run


@pytest.mark.parametrize("file", ["shapes.py", "typed.py"])
def test_the_generated_types_are_up_to_date(file: str) -> None:
    """Both modules are what `make index` would make of the headers now."""
    assert (FOLDER / file).read_text("utf-8") == modules()[FOLDER / file]
