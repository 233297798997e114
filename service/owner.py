"""The owner of the rows that a statement may touch."""

from dataclasses import dataclass
from enum import Enum
from typing import Literal, final


@final
class OwnerId(str):
    """The subject of a verified token; never an id from a path or a body.

    Only `tokens` creates one. The query layer accepts exactly this type, at run time too, so that
    no other string can be passed as the owner.
    """

    __slots__ = ()


class Nobody(Enum):
    """The owner argument of `global` statements, so that none is omitted by accident."""

    NOBODY = "nobody"


NOBODY: Literal[Nobody.NOBODY] = Nobody.NOBODY


@dataclass(frozen=True, slots=True)
class Identity:
    """The identity in a verified token. `expires`: seconds since the epoch, leeway included."""

    owner: OwnerId
    email: str | None
    expires: float
