"""Tokenise SQL, to tell a `:name` from text that looks like one.

The rules are PostgreSQL's ("Lexical Structure" in its manual) with psql's variables. There is no
grammar here: the server parses.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

# Spelt out, because Python's \w, \d and \s know letters, digits and blanks of all scripts. To
# PostgreSQL every character beyond ASCII is a letter. (Python takes 8 ms to compile a range of all
# of them, but not its complement.)
_LETTER = r"(?:[A-Za-z_]|[^\x00-\x7f])"
# The repetitions below can match in one way only. (Possessive ones could too, but match wrongly
# before Python 3.11.5.)
_ESCAPED = r"'(?:[^'\\]|''|\\.)*'(?!')"
# After a newline, and perhaps comments, the next quote continues the string, with an E string's
# escapes.
_CONTINUED = rf"(?:[ \t\f\v]*(?:--[^\r\n]*)?[\r\n])+[ \t\f\v]*{_ESCAPED}"
_TOKEN = re.compile(
    rf"""
      (?P<space>      [ \t\n\r\f\v]+ )
    | (?P<comment>    --[^\r\n]* )
    | (?P<block>      /\* )
    | (?P<string>     [eE]{_ESCAPED}(?:{_CONTINUED})*  |  (?:[bBxXnN]|[uU]&)?'(?:[^']|'')*'(?!') )
    | (?P<open>       [eE]' )
    | (?P<quoted>     (?:[uU]&)?"(?:[^"]|"")*"(?!") )
    | (?P<dollar>     \$(?:{_LETTER}(?:{_LETTER}|[0-9])*)?\$ )
    | (?P<positional> \$[0-9]+ )
    | (?P<word>       {_LETTER}(?:[A-Za-z0-9_$]+|[^\x00-\x7f])* )
    | (?P<number>     \.?[0-9](?:{_LETTER}|[0-9.])* )
    | (?P<operator>   ::|:= )
    | (?P<parameter>  :{_LETTER}(?:{_LETTER}|[0-9])* )
    | (?P<psql>       :['"{{] )
    | (?P<end>        ; )
    | (?P<other>      . )
    """,
    re.VERBOSE | re.DOTALL,
)
_BLOCK_EDGE = re.compile(r"/\*|\*/")

# Tokens that can end an expression: a colon right after one belongs to an array slice.
_OPERANDS = frozenset({"word", "number", "string", "quoted", "parameter"})


class ScanError(ValueError):
    """A lexical error, at `offset` (in characters, from 0)."""

    def __init__(self, offset: int, message: str) -> None:
        super().__init__(message)
        self.offset = offset


class Token(NamedTuple):
    """A piece of the text; joined in order the pieces are the text."""

    kind: str
    text: str
    offset: int


def scan(text: str) -> Iterator[Token]:
    """Split SQL into tokens; only those of kind `parameter` are `:name`s.

    Strings (plain, E, U&), quoted names, comments (nested ones too) and dollar quotes are one token
    each. Inside square brackets a colon without a space before it belongs to an array slice:
    `a[lo:hi]` has no parameter, `a[:lo : :hi]` has two.

    Raises ScanError for an unclosed quote or comment, for psql's quoting forms, which cannot be
    bound, and for `AND:name`, which would become `AND$1`, one word to the server.
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
