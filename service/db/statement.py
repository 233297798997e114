"""One statement: its text, its arguments, its result, and its place in its file."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from types import NoneType
from typing import Any, NamedTuple

from ..owner import NOBODY, Nobody, OwnerId
from .fields import Field
from .header import Header, Rows
from .types import TYPES


class WrongRowCount(Exception):
    """The number of rows breaks the header's `one` or `maybe`: a bug in the statement."""


class _Check(NamedTuple):
    """A check of one argument, whose class alone does not tell whether it fits."""

    place: int
    accepts: Callable[[object], bool]


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement as it is sent, with its header.

    `text` is the file, comments included, with each `:name` as `$n`, and with its name repeated
    after the first word, for pg_stat_statements and the slow-query log. It never varies, so each
    connection prepares it once.
    """

    header: Header
    file: str
    source: str
    text: str
    reads: bool
    """Whether it only reads, so that running it twice is harmless."""
    shifts: tuple[tuple[int, int], ...] = field(repr=False)
    """The end of each `$n`, and of the name: (offset in text, offset in source)."""
    name: str = field(init=False)
    """The path below sql/, without `.sql`."""
    rows: Rows = field(init=False)
    """The number of rows, as the header has it."""
    parameters: tuple[Field, ...] = field(init=False)
    """In the order of `$1…$n`."""
    counts: bool = field(init=False)
    """Whether it returns the number of rows affected."""
    owned: bool = field(init=False)
    """Whether it is for one owner; otherwise it is global."""
    _own: tuple[Field, ...] = field(init=False, repr=False)
    """The parameters without the owner."""
    _take: Callable[[Mapping[str, object]], Sequence[Any]] = field(
        init=False, repr=False, compare=False
    )
    """Returns their values, in their order."""
    _checks: dict[tuple[type, ...], tuple[_Check, ...]] = field(
        init=False, repr=False, compare=False, default_factory=dict
    )
    """By the classes of arguments: the code has few combinations, and calls repeat them."""

    def __post_init__(self) -> None:
        # Copied from the header, not properties: each call reads them several times.
        for promised in ("name", "rows", "parameters"):
            object.__setattr__(self, promised, getattr(self.header, promised))
        object.__setattr__(self, "counts", self.rows == "count")
        object.__setattr__(self, "owned", self.header.global_because is None)
        object.__setattr__(self, "_own", self.parameters[self.owned :])
        names = [each.name for each in self._own]
        # itemgetter is the fastest, but returns no sequence for one name.
        take = itemgetter(*names) if len(names) > 1 else lambda values: [values[n] for n in names]
        object.__setattr__(self, "_take", take)

    def arguments(
        self, rows: Rows, owner: OwnerId | Nobody, values: Mapping[str, object]
    ) -> list[object]:
        """Return the values in the order of `$1…$n`, the owner first unless it is NOBODY.

        Raises TypeError, without values in its message, if the statement returns other `rows`, if
        the owner does not fit, or if a value is missing, surplus or not of its declared type: mypy
        sees neither a number out of range nor a time without zone.
        """
        if rows != self.rows:
            raise TypeError(f"{self.name} returns {self.rows}, called for {rows}")
        if not (type(owner) is OwnerId if self.owned else owner is NOBODY):
            raise self._wrong_owner(owner)
        if len(values) != len(self._own):
            raise self._wrong_names(values)
        try:
            arguments = self._take(values)
        except KeyError:
            raise self._wrong_names(values) from None
        classes = tuple(map(type, arguments))
        if (checks := self._checks.get(classes)) is None:
            checks = self._checks[classes] = self._checks_for(classes)
        for place, accepts in checks:
            if not accepts(arguments[place]):
                raise TypeError(
                    f"{self.name}: {self._own[place]} does not take this {classes[place].__name__}"
                )
        return [owner, *arguments] if self.owned else [*arguments]

    def result(self, answer: Any, rows: int) -> Any:
        """Return what the header promises of the driver's answer: rows, a row or None, or how many
        `rows` there were. Raises WrongRowCount.
        """
        if self.rows == "many":
            return answer
        if self.counts:
            return rows
        if rows == 1:
            return answer[0]
        if rows or self.rows == "one":
            promised = "one" if self.rows == "one" else "one at most"
            raise WrongRowCount(f"{self.name}: {rows} rows, promised {promised}")
        return None

    def _checks_for(self, classes: Sequence[type]) -> tuple[_Check, ...]:
        """Return the checks of arguments with these classes."""
        return tuple(
            _Check(place, TYPES[parameter.type].accepts)
            for place, (parameter, kind) in enumerate(zip(self._own, classes, strict=True))
            if kind not in TYPES[parameter.type].sure
            and not (parameter.nullable and kind is NoneType)
        )

    def _wrong_owner(self, owner: object) -> TypeError:
        if not self.owned:
            return TypeError(f"{self.name} is global: call it with NOBODY")
        given = type(owner).__name__
        return TypeError(f"{self.name}: the owner must be an OwnerId, not {given}")

    def _wrong_names(self, values: Mapping[str, object]) -> TypeError:
        wanted = {each.name for each in self._own}
        missing, surplus = sorted(wanted - values.keys()), sorted(values.keys() - wanted)
        said = [f"missing {', '.join(missing)}"] * bool(missing) + [
            f"unknown {', '.join(surplus)}"
        ] * bool(surplus)
        return TypeError(f"{self.name}: {'; '.join(said)}")

    def locate(self, position: int) -> str:
        """Return `file:line:col` of a position in `text`, counted from 1 like PostgreSQL's."""
        shift = 0
        for sent, written in self.shifts:
            if position - 1 < sent:
                break
            shift = written - sent
        return location(self.file, self.source, position - 1 + shift)


def location(file: str, source: str, offset: int) -> str:
    """Return `file:line:col`, both from 1, of a 0-based offset."""
    before = source[:offset]
    return f"{file}:{before.count(chr(10)) + 1}:{offset - before.rfind(chr(10))}"
