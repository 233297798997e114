"""What the check can find wrong."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong: which statement or table, where, by which rule, and what to write
    instead.
    """

    subject: str
    """A statement's name, or a table's."""
    where: str
    """`file:line:col`, or the table's name for what is in the schema."""
    rule: str
    """The rule's short name: stable, for machines."""
    text: str
    """The reason, and the cure."""

    def __str__(self) -> str:
        return f"{self.where}: {self.rule}: {self.text}"


class CheckError(Exception):
    """The check could not be carried out at all: nothing is known about the statements."""
