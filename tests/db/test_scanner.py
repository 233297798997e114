"""What is a `:name`, what only looks like one, and that PostgreSQL reads the same text in the same
way.
"""

from collections.abc import Iterator

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg import RawCursor

from service.db.scanner import ScanError, scan
from service.db.statements import read

# A busy machine is no fault of the text's.
unhurried = settings(deadline=None)


def parameters(text: str) -> list[str]:
    """The names that the scanner finds, in order."""
    return [token.text[1:] for token in scan(text) if token.kind == "parameter"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("SELECT :a, :b_2 , (:_c)=:D", ["a", "b_2", "_c", "D"]),
        ("", []),
        ("x = :a::int", ["a"]),
        ("x::a", []),
        ("x:::a", ["a"]),
        ("f(a := :b)", ["b"]),
        ("f(a:=b)", []),
        ("f(a:=:b)", ["b"]),
        (": a", []),
        (":1", []),
        (":é", ["é"]),
        ("a[1:2]", []),
        ("a[lo:hi]", []),
        ("a[lo: hi]", []),
        ("a[lo :hi]", ["hi"]),
        ("a[:lo : :hi]", ["lo", "hi"]),
        ("a[:lo:hi]", ["lo"]),
        ("a[f(x):hi]", []),
        ("a[b[1]:hi]", []),
        ("a[b[lo:hi]:hi] = :c", ["c"]),
        ("a[$$x$$ :hi]", ["hi"]),
        ('a["lo":hi]', []),
        ("ARRAY[:a, :b]", ["a", "b"]),
        ("ARRAY[]] :a", ["a"]),
        ("a[1] = ANY(:b)", ["b"]),
        ("1 - :a -- :b\n- :c", ["a", "c"]),
        ("-- :a\r:b", ["b"]),
        ("-- :a\u2028:b", []),
        ("/* :a /* :b */ :c */ :d", ["d"]),
        ("/*/ :a */ :b", ["b"]),
        ("/**/:a", ["a"]),
        ("':a'':b' , :c", ["c"]),
        ("'\\' , :a", ["a"]),
        ("E'\\' :a' , :b", ["b"]),
        ("e'\\\\' , :a", ["a"]),
        ("E'' ':a'", []),
        ("name'\\' , :a", ["a"]),
        ("E'a'\n'\\' :b' , :c", ["c"]),
        ("E'a' -- it's\n  -- :x\n '\\' :b' , :c", ["c"]),
        ("E'a' '\\' , :c", ["c"]),
        ("U&'\\0041 :a' UESCAPE '!' , :b", ["b"]),
        ('u&":a" , :b', ["b"]),
        ("B'01', x'f:a', N':b', :c", ["c"]),
        ('":a"":b" , :c', ["c"]),
        ("$$:a$$ , :b", ["b"]),
        ("$t$ :a $$ :b $u$ :c $t$ , :d", ["d"]),
        ("$é$ :a $é$ , :b", ["b"]),
        ("$€$ :a $€$ , :b", ["b"]),
        ("x$t$ , :a, y$t$", ["a"]),
        ("€$t$ , :a, €$t$", ["a"]),
        ('x = \'{"a": ":b"}\'::jsonb', []),
        ("12:30", []),
    ],
)
def test_only_real_parameters_are_found(text: str, found: list[str]) -> None:
    """Casts, slices, strings, names and comments of every form have no parameters; every other
    `:name` is one.
    """
    assert parameters(text) == found


@pytest.mark.parametrize(
    ("text", "offset", "message"),
    [
        ("a 'b", 2, "the quote ' is never closed"),
        ("a 'b''", 2, "the quote ' is never closed"),
        ("a E'b\\'", 2, "the quote E' is never closed"),
        ("a e'b''", 2, "the quote e' is never closed"),
        ("U&'b", 2, "the quote ' is never closed"),
        ('a "b', 2, 'the quote " is never closed'),
        ('a "b""', 2, 'the quote " is never closed'),
        ("a /* b", 2, "the comment /* is never closed"),
        ("a /* /* */", 2, "the comment /* is never closed"),
        ("a $$ b", 2, "the dollar quote $$ is never closed"),
        ("a $t$ b $T$", 2, "the dollar quote $t$ is never closed"),
        (
            "a :'b'",
            2,
            ":' is psql's quoting; write :name, the driver sends values apart from the text",
        ),
        (
            'a :"b"',
            2,
            ":\" is psql's quoting; write :name, the driver sends values apart from the text",
        ),
        (
            "a :{?b}",
            2,
            ":{ is psql's quoting; write :name, the driver sends values apart from the text",
        ),
        ("AND:b", 3, "put a blank before :b"),
        ("(1):b", 3, "put a blank before :b"),
        (":a:b", 2, "put a blank before :b"),
        ("'a':b", 3, "put a blank before :b"),
    ],
)
def test_unreadable_text_is_refused_at_its_first_character(
    text: str, offset: int, message: str
) -> None:
    """An open quote or comment, psql's own quoting and a parameter glued to a word are refused at
    their first character.
    """
    with pytest.raises(ScanError) as raised:
        list(scan(text))
    assert (raised.value.offset, str(raised.value)) == (offset, message)


# Pieces that open, close and confuse; any order of them is a text.
SOUP = st.lists(
    st.sampled_from(
        [
            *"'\"\\$[]():;,.1aé€\u00a0\U0001f600 \n\r",
            *("''", "E'", "U&'", "$$", "$t$", "$1", "/*", "*/", "--", "::", ":=", ":a"),
        ]
    )
).map("".join)


@unhurried
@given(SOUP | st.text())
def test_the_tokens_joined_are_the_text(text: str) -> None:
    """Whatever the text, the tokens joined are the text again, each at its offset; or it is refused
    at a place inside.
    """
    try:
        tokens = list(scan(text))
    except ScanError as error:
        assert 0 <= error.offset < len(text)
        return
    assert "".join(token.text for token in tokens) == text
    assert all(text.startswith(token.text, token.offset) for token in tokens)


# What a text value can hold: neither NUL nor unpaired surrogates.
VALUE = (SOUP | st.text()).map(
    lambda text: "".join(c for c in text if c != "\x00" and not "\ud800" <= c < "\ue000")
)


def _doubled(value: str) -> str:
    return value.replace("'", "''")


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("'", "\\'")


def _unicode(value: str) -> str:
    return "".join(f"\\+{ord(c):06x}" if c in "\\:" else c for c in value).replace("'", "''")


def _in_dollars(value: str) -> str:
    tag = next(
        tag
        for tag in ("$$", "$t$", "$€$", "$é1$", *(f"$t{n}$" for n in range(1000)))
        if tag not in value + tag[:-1]
    )
    return f"{tag}{value}{tag}"


LITERALS = st.sampled_from(
    [
        lambda value: f"'{_doubled(value)}'",
        lambda value: f"N'{_doubled(value)}'",
        lambda value: f"E'{_escaped(value)}'",
        lambda value: f"e'{_doubled(value.replace(chr(92), chr(92) * 2))}'",
        lambda value: f"E''\n'{_escaped(value)}'",
        lambda value: f"E'' -- it's :d \n \t'{_escaped(value)}'\r''",
        lambda value: f"''\n'{_doubled(value)}'",
        lambda value: f"U&'{_unicode(value)}'",
        _in_dollars,
    ]
)
GAPS = st.sampled_from([" ", "\n", " /* :d ' /* $$ */ \" */ ", " -- :d ' \" $$ /*\n", " -- :d\r "])
ITEMS = st.lists(st.tuples(GAPS, st.none() | LITERALS, VALUE), min_size=1, max_size=6)


def _select(items: list[tuple[str, object, str]]) -> tuple[str, list[str]]:
    """A SELECT of literals and parameters between comments, and the values of the parameters."""
    columns, values = [], []
    for gap, literal, value in items:
        if callable(literal):
            columns.append(f"{gap}{literal(value)}")
        else:
            values.append(value)
            columns.append(f"{gap}:p{len(values)}::text")
    names = ", ".join(
        ["owner_id text", *(f"p{number} text" for number in range(1, len(values) + 1))]
    )
    header = f"-- t/t: t\n-- params: {names}\n-- returns: one (a text)\n"
    return f"{header}SELECT :owner_id::text,{','.join(columns)};", values


@pytest.fixture(scope="module")
def server(server_dsn: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(server_dsn, autocommit=True) as connection:
        yield connection


@unhurried
@given(ITEMS)
def test_quoted_names_are_no_parameters(
    items: list[tuple[str, object, str]],
) -> None:
    """However a text with `:names`, quotes and comment signs is quoted, no parameter is found
    inside.
    """
    source, values = _select(items)
    assert parameters(source) == [
        "owner_id",
        *(f"p{number}" for number in range(1, len(values) + 1)),
    ]


@unhurried
@given(ITEMS)
def test_rewriting_keeps_every_literal(
    server: psycopg.Connection, items: list[tuple[str, object, str]]
) -> None:
    """After the rewriting PostgreSQL sees every literal's value as it was written, and every
    parameter in its place.
    """
    source, values = _select(items)
    statement = read("t/t", source.encode(), "t/t.sql")
    row = RawCursor(server).execute(statement.text.encode(), ["alice", *values]).fetchone()
    assert row == ("alice", *(value for _, _, value in items))


@unhurried
@given(VALUE.filter(lambda value: 0 < len(value.encode()) < 64), st.booleans())
def test_rewriting_keeps_every_quoted_name(
    server: psycopg.Connection, name: str, unicode: bool
) -> None:
    """A quoted name is to PostgreSQL what was written, `:names` and all."""
    prefix, body = (
        ("U&", "".join(f"\\+{ord(c):06x}" if c in "\\:" else c for c in name))
        if unicode
        else ("", name)
    )
    quoted = prefix + '"' + body.replace('"', '""') + '"'
    header = "-- t/t: t\n-- params: owner_id text\n-- returns: one (a text)\n"
    statement = read("t/t", f"{header}SELECT :owner_id::text AS {quoted}".encode(), "t/t.sql")
    cursor = RawCursor(server).execute(statement.text.encode(), ["alice"])
    assert cursor.description is not None
    assert cursor.description[0].name == name
