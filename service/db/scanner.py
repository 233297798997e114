"""Reading SQL text just far enough to tell a `:name` from everything that only looks like one.

The rules are PostgreSQL's lexical ones (manual, "Lexical Structure") with psql's variables on top.
Nothing here knows grammar: what a token means is the server's business.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

# Spelt out, for Python's \w, \d and \s know letters, digits and blanks of all scripts: to the
# server every character beyond ASCII is a letter.
_LETTER = r"A-Za-z_\x80-\U0010ffff"
_ESCAPED = r"'(?:[^'\\]|''|\\.)*+'"
# After a newline, comments or not, the next quote goes on with the same string; an E string's
# escapes go on, too.
_CONTINUED = rf"(?:[ \t\f\v]|--[^\r\n]*)*+[\r\n](?:[ \t\f\v\r\n]|--[^\r\n]*[\r\n])*+{_ESCAPED}"
_TOKEN = re.compile(
    rf"""
      (?P<space>      [ \t\n\r\f\v]+ )
    | (?P<comment>    --[^\r\n]* )
    | (?P<block>      /\* )
    | (?P<string>     [eE]{_ESCAPED}(?:{_CONTINUED})*+  |  (?:[bBxXnN]|[uU]&)?'(?:[^']|'')*+' )
    | (?P<open>       [eE]' )
    | (?P<quoted>     (?:[uU]&)?"(?:[^"]|"")*+" )
    | (?P<dollar>     \$(?:[{_LETTER}][{_LETTER}0-9]*)?\$ )
    | (?P<positional> \$[0-9]+ )
    | (?P<word>       [{_LETTER}][{_LETTER}0-9$]* )
    | (?P<number>     \.?[0-9][{_LETTER}0-9.]* )
    | (?P<operator>   ::|:= )
    | (?P<parameter>  :[{_LETTER}][{_LETTER}0-9]* )
    | (?P<psql>       :['"{{] )
    | (?P<end>        ; )
    | (?P<other>      . )
    """,
    re.VERBOSE | re.DOTALL,
)
_BLOCK_EDGE = re.compile(r"/\*|\*/")

# What a token can be for a colon glued to it to be a slice's: the end of an expression.
_OPERANDS = frozenset({"word", "number", "string", "quoted", "parameter"})


class ScanError(ValueError):
    """The text cannot be read as SQL, at `offset` (0-based, in characters)."""

    def __init__(self, offset: int, message: str) -> None:
        super().__init__(message)
        self.offset = offset


class Token(NamedTuple):
    """A piece of the text; the pieces in order are the whole text again."""

    kind: str
    text: str
    offset: int


def scan(text: str) -> Iterator[Token]:
    """Split SQL into tokens; only those of kind `parameter` are `:name`s.

    Strings (plain, E, U&), quoted names, comments (nested ones too) and dollar quotes are one token
    each. A colon inside square brackets that is glued to what stands before it is the colon of an
    array slice: `a[lo:hi]` has no parameter, `a[:lo : :hi]` has two.

    Raises ScanError for what is never closed, for psql's quoting forms, which a server cannot bind,
    and for `AND:name`: it would become `AND$1`, one word to the server.
    """
    position, brackets, glued = 0, 0, False
    while position < len(text):
        match = _TOKEN.match(text, position)
        assert match is not None  # "other" takes any character
        kind, piece = match.lastgroup or "", match.group()
        if kind == "parameter" and brackets and glued:
            kind, piece = "other", ":"
        elif kind == "parameter" and glued:
            raise ScanError(position, f"put a blank before {piece}")
        elif kind == "block":
            piece = text[position : _block_end(text, position)]
        elif kind == "dollar":
            end = text.find(piece, match.end())
            if end < 0:
                raise ScanError(position, f"the dollar quote {piece} is never closed")
            piece = text[position : end + len(piece)]
        elif kind == "psql":
            raise ScanError(
                position,
                f"{piece} is psql's quoting; write :name, the driver sends values apart from the"
                " text",
            )
        elif kind == "open" or piece in ("'", '"'):
            raise ScanError(position, f"the quote {piece} is never closed")
        yield Token(kind, piece, position)
        position += len(piece)
        if kind == "other":
            brackets = max(0, brackets + (piece == "[") - (piece == "]"))
        glued = kind in _OPERANDS or piece in (")", "]")


def _block_end(text: str, start: int) -> int:
    depth, position = 0, start
    while edge := _BLOCK_EDGE.search(text, position):
        depth += 1 if edge.group() == "/*" else -1
        position = edge.end()
        if depth == 0:
            return position
    raise ScanError(start, "the comment /* is never closed")
