"""The findings of the check."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: the statement or table, the position, the broken rule, the reason and the cure."""

    subject: str
    """A statement's name, or a table's."""
    where: str
    """`file:line:col`, or the table's name for a fault of the schema."""
    rule: str
    """The rule's short name: stable, for machines."""
    text: str
    """The reason, and the cure."""

    def __str__(self) -> str:
        return f"{self.where}: {self.rule}: {self.text}"


class CheckError(Exception):
    """The check could not run: it says nothing about the statements."""
