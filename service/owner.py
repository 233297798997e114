"""Whose rows a statement may touch."""

from dataclasses import dataclass
from enum import Enum
from typing import Literal, final


@final
class OwnerId(str):
    """The subject of a verified token, and nothing else: not a path's id, not a body's.

    Made by `tokens` alone. The query layer takes only this very type, at run time too, so that no
    other string can stand in the owner's place.
    """

    __slots__ = ()


class Nobody(Enum):
    """In the owner's place of a statement that is `global`, so that leaving the owner out is never
    an accident.
    """

    NOBODY = "nobody"


NOBODY: Literal[Nobody.NOBODY] = Nobody.NOBODY


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom a verified token speaks for. `expires`: seconds since the epoch, the leeway included."""

    owner: OwnerId
    email: str | None
    expires: float
