"""The check's report: as text, as JSON, and as the index of the sql/ folder."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass

from ..db.statement import Statement
from . import shard
from .findings import Fault


@dataclass(frozen=True, slots=True)
class Checked:
    """One statement and the check's results."""

    statement: Statement
    tables: dict[str, set[str]]
    """The tables it uses, each with the privileges it needs."""
    indexes: tuple[str, ...]
    """The indexes in the proof's plan."""
    faults: tuple[Fault, ...]

    @property
    def owner(self) -> str:
        """✓ proven, - global, ✗ not proven."""
        return self._mark(ok=all(fault.rule == shard.RULE for fault in self.faults))

    @property
    def shard(self) -> str:
        """✓ runs on its owner's shard alone, - global, ✗ not proven."""
        return self._mark(ok=not self.faults)

    def _mark(self, *, ok: bool) -> str:
        if not ok:
            return "✗"
        return "-" if self.statement.header.global_because is not None else "✓"

    @property
    def rights(self) -> str:
        """The tables it reads (r) and writes (w): `owners rw, tasks r`."""
        return ", ".join(f"{name} {_mode(kinds)}" for name, kinds in sorted(self.tables.items()))


@dataclass(frozen=True, slots=True)
class Report:
    """All results. `server` names the PostgreSQL version and the role."""

    server: str
    statements: tuple[Checked, ...]
    schema: tuple[Fault, ...]
    """Faults of tables."""
    grants: tuple[str, ...]

    @property
    def faults(self) -> tuple[Fault, ...]:
        """All faults, those of the schema first."""
        return (*self.schema, *(fault for checked in self.statements for fault in checked.faults))

    def text(self) -> str:
        """Return one line for each statement, then the faults."""
        rows = [("statement", "rows", "parameters", "tables", "index", "owner", "shard")]
        rows += [
            (
                checked.statement.name,
                checked.statement.rows,
                _parameters(checked.statement) or "-",
                checked.rights or "-",
                ", ".join(checked.indexes) or "-",
                checked.owner,
                checked.shard,
            )
            for checked in self.statements
        ]
        lines = list(_aligned(rows))
        owned = sum(checked.statement.header.global_because is None for checked in self.statements)
        lines += [
            "",
            (
                f"{self.server}: {len(self.statements)} statements, {owned} of an owner's,"
                f" {len(self.faults)} faults"
            ),
        ]
        lines += [str(fault) for fault in self.faults]
        return "\n".join(lines)

    def json(self) -> str:
        """Return the report as JSON; `faults` is empty if there are none."""
        return json.dumps(
            {
                "server": self.server,
                "statements": [
                    {
                        "name": checked.statement.name,
                        "file": checked.statement.file,
                        "purpose": checked.statement.header.purpose,
                        "rows": checked.statement.rows,
                        "global": checked.statement.header.global_because,
                        "parameters": [field._asdict() for field in checked.statement.parameters],
                        "columns": [field._asdict() for field in checked.statement.header.columns],
                        "tables": {
                            name: sorted(kinds) for name, kinds in sorted(checked.tables.items())
                        },
                        "indexes": list(checked.indexes),
                        "proven": not checked.faults,
                        "one_shard": checked.shard == "✓",
                    }
                    for checked in self.statements
                ],
                "faults": [asdict(fault) for fault in self.faults],
            },
            indent=2,
            ensure_ascii=False,
        )

    def markdown(self) -> str:
        """Return the index of the folder, for sql/INDEX.md."""
        lines = [
            "# Statements",
            "",
            (
                "Made by `make index` from the files and the proof; a test keeps it true. `r` reads"
                " the table, `w` writes it."
            ),
            "",
            "| statement | purpose | parameters | rows | tables | index | one shard |",
            "|---|---|---|---|---|---|---|",
        ]
        for checked in self.statements:
            header, name = checked.statement.header, checked.statement.name
            cells = (
                f"[{name}]({name}.sql)",
                header.purpose,
                _parameters(checked.statement),
                checked.statement.rows,
                checked.rights,
                ", ".join(checked.indexes),
                checked.shard,
            )
            lines.append(f"| {' | '.join(cells)} |")
        return "\n".join(lines)


def _parameters(statement: Statement) -> str:
    return ", ".join(map(str, statement.parameters))


def _mode(kinds: Iterable[str]) -> str:
    return "r" * ("SELECT" in kinds) + "w" * any(kind != "SELECT" for kind in kinds)


def _aligned(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
