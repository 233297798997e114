"""Whose rows a statement may touch."""

from typing import final


@final
class OwnerId(str):
    """The subject of a verified token, and nothing else: not a path's id, not a body's.

    Made by `tokens` alone. The query layer takes only this very type, at run time too, so that no
    other string can stand in the owner's place.
    """

    __slots__ = ()
