"""Shapes: columns that several headers share, declared once."""

from pathlib import Path

import pytest

from service.db import SQL
from service.db.fields import Field, ShapeError, Use, shapes_of
from service.db.header import HeaderError, parse
from service.db.statements import StatementsError, load, load_shapes, shipped

TITLE = "-- tasks/list: one page, newest first.\n"
SHAPES = shapes_of(
    [
        "-- What a note says.",
        "Words: title text,",
        "       body text?",
        "",
        "Note:  id uuid, Words",
    ]
)


def spelt(fields: tuple[Field, ...]) -> list[str]:
    return list(map(str, fields))


def test_a_shape_stands_for_its_columns() -> None:
    """A shape stands for its columns, in parameters and in results, shapes within shapes
    included.
    """
    header = parse(
        f"{TITLE}-- params: owner_id text, id uuid, Words\n-- returns: many (n int8, Note)\n",
        SHAPES,
    )
    assert spelt(header.parameters) == ["owner_id text", "id uuid", "title text", "body text?"]
    assert spelt(header.columns) == ["n int8", "id uuid", "title text", "body text?"]
    assert [part.shape for part in header.takes if isinstance(part, Use)] == ["Words"]


def test_an_optional_shape_is_null_as_a_whole() -> None:
    """`Note?` makes every column nullable; whether the columns are, where it is there, is kept."""
    header = parse(f"{TITLE}-- params: owner_id text\n-- returns: many (n int8, Note?)\n", SHAPES)
    assert spelt(header.columns) == ["n int8", "id uuid?", "title text?", "body text?"]
    note = header.gives[1]
    assert isinstance(note, Use)
    assert (note.optional, spelt(note.fields)) == (True, ["id uuid", "title text", "body text?"])


@pytest.mark.parametrize("returns", ["maybe Note", "maybe (Note)", "maybe  ( Note )"])
def test_a_shape_alone_needs_no_parentheses(returns: str) -> None:
    """A row of one shape needs no parentheses."""
    header = parse(f"{TITLE}-- params: owner_id text\n-- returns: {returns}\n", SHAPES)
    assert (header.rows, spelt(header.columns)) == (
        "maybe",
        ["id uuid", "title text", "body text?"],
    )


@pytest.mark.parametrize(
    ("returns", "message"),
    [
        ("maybe Notes", "no shape Notes in shapes.txt; there is Words, Note"),
        ("many (id uuid, Note)", "id is listed twice"),
        ("many (Note, Note)", "id is listed twice"),
        ("many (Note, Words?)", "title is listed twice"),
        ("many (Note[])", "cannot read 'Note[]'"),
        ("many (n Note)", "cannot read 'n Note'"),
        ("count Note", "`count` has no columns"),
        ("many (class int4)", "'class' cannot be a name in Python; rename it with AS"),
        ("many (__n int4)", "'__n' cannot be a name in Python; rename it with AS"),
        ("many (n numeric)", "n: unknown type 'numeric'; known: bool, "),
    ],
)
def test_a_header_without_meaning_is_refused_by_name(returns: str, message: str) -> None:
    """A header without a meaning is refused on the line of its `returns`, with the column or the
    shape.
    """
    with pytest.raises(HeaderError) as raised:
        parse(f"{TITLE}-- params: owner_id text\n-- returns: {returns}\n", SHAPES)
    assert raised.value.line == 3
    assert str(raised.value).startswith(message)


def test_the_owner_is_in_no_shape() -> None:
    """owner_id is in no shape: readers see it lead the parameters of each header."""
    shapes = shapes_of(["Mine: owner_id text, id uuid"])
    with pytest.raises(HeaderError, match="owner_id must be the first parameter"):
        parse(f"{TITLE}-- params: Mine\n-- returns: count\n", shapes)


@pytest.mark.parametrize(
    ("lines", "line", "message"),
    [
        (["A: id uuid", "", "b: id uuid"], 3, "a shape's name is like NewTask, not 'b'"),
        (["A_b: id uuid"], 1, "a shape's name is like NewTask, not 'A_b'"),
        (["A: id uuid", "A: n int4"], 2, "the shape A is declared twice"),
        (["A:"], 1, "write `Name: column type, …`"),
        (["A id uuid"], 1, "write `Name: column type, …`"),
        (["A: id uuid,", "n int4,"], 1, "the declaration ends in a comma"),
        (["A: id uuid,", "", "B: n int4"], 1, "A: cannot read"),
        (["A: id uuid, B", "B: n int4"], 1, "A: no shape B in shapes.txt; there is none"),
        (["A: id uuid, A"], 1, "A: no shape A in shapes.txt; there is none"),
        (["A: id uuid, id int4"], 1, "A: id is listed twice"),
        (["A: id"], 1, "A: cannot read 'id'; write `name type`"),
        (["A: id serial"], 1, "A: id: unknown type 'serial'"),
    ],
)
def test_a_malformed_declaration_is_refused(lines: list[str], line: int, message: str) -> None:
    """A malformed declaration is refused on its first line; a shape may use only those above it."""
    with pytest.raises(ShapeError) as raised:
        shapes_of(lines)
    assert raised.value.line == line
    assert str(raised.value).startswith(message)


def test_a_folders_shapes_serve_all_its_statements(tmp_path: Path) -> None:
    """`shapes.txt` counts for all statements of the folder; faults are given with file and line."""
    (tmp_path / "sql" / "t").mkdir(parents=True)
    statement = "-- t/a: a test.\n-- params: owner_id text\n-- returns: one Note\nSELECT :owner_id;"
    (tmp_path / "sql" / "t" / "a.sql").write_text(statement)
    shapes = tmp_path / "sql" / "shapes.txt"

    with pytest.raises(StatementsError, match=r"^sql/t/a\.sql:3:1: no shape Note in shapes\.txt"):
        load(tmp_path / "sql")
    shapes.write_text("\nNote: id uuid, Words\n")
    with pytest.raises(StatementsError, match=r"^sql/shapes\.txt:2:1: Note: no shape Words"):
        load(tmp_path / "sql")
    shapes.write_bytes(b"Note: id \xff")
    with pytest.raises(StatementsError, match=r"^sql/shapes\.txt:1:10: not UTF-8"):
        load(tmp_path / "sql")
    shapes.write_text("Note: id uuid")
    assert spelt(load(tmp_path / "sql")["t/a"].header.columns) == ["id uuid"]


def test_every_shape_is_used() -> None:
    """Each shape is used by a header or by another shape."""
    lists = [shape.parts for shape in load_shapes(SQL).values()]
    for statement in shipped().values():
        lists += [statement.header.takes, statement.header.gives]
    used = {part.shape for parts in lists for part in parts if isinstance(part, Use)}
    assert set(load_shapes(SQL)) == used
