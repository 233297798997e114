"""The rules for tables that the proof relies on."""

from collections.abc import Awaitable, Callable

import pytest

from service.check import Report
from tests.check.playground import made

ReportOf = Callable[..., Awaitable[Report]]

WRONG = {
    "no owner": (
        "CREATE TABLE loose (id uuid PRIMARY KEY)",
        "loose",
        "owner-column",
        "is not on the list of those",
    ),
    "nullable owner": (
        "CREATE TABLE loose (owner_id text)",
        "loose",
        "owner-column",
        "it is text, nullable",
    ),
    "owner of another type": (
        "CREATE TABLE loose (owner_id uuid NOT NULL)",
        "loose",
        "owner-column",
        "it is uuid",
    ),
    "primary key without owner": (
        "CREATE TABLE loose (owner_id text NOT NULL, id uuid PRIMARY KEY)",
        "loose",
        "key",
        "loose_pkey must start with owner_id",
    ),
    "owner not first in the key": (
        "CREATE TABLE loose (owner_id text NOT NULL, id uuid, PRIMARY KEY (id, owner_id))",
        "loose",
        "key",
        "loose_pkey must start with owner_id",
    ),
    "unique expression": (
        "CREATE UNIQUE INDEX tasks_lower ON tasks (lower(owner_id), id)",
        "tasks",
        "key",
        "tasks_lower must start with owner_id",
    ),
    "foreign key by id only": (
        (
            "CREATE TABLE loose (owner_id text NOT NULL REFERENCES ledgers (owner_id), id uuid"
            " UNIQUE);CREATE TABLE looser (owner_id text NOT NULL, id uuid REFERENCES loose (id))"
        ),
        "looser",
        "key",
        "ties rows of different owners together",
    ),
    "foreign key from nobody's table": (
        "ALTER TABLE yoyo_lock ADD o text REFERENCES ledgers (owner_id)",
        "yoyo_lock",
        "key",
        "ties rows of different owners together",
    ),
    "foreign key crosswise": (
        "CREATE TABLE loose (owner_id text NOT NULL, friend text REFERENCES ledgers (owner_id))",
        "loose",
        "key",
        "write FOREIGN KEY (owner_id, …)",
    ),
    "foreign key that sets the owner": (
        (
            "CREATE TABLE loose (owner_id text NOT NULL DEFAULT 'x' REFERENCES ledgers (owner_id)"
            " ON DELETE SET DEFAULT)"
        ),
        "loose",
        "key",
        "would set owner_id",
    ),
    "exclusion": (
        (
            "CREATE TABLE loose (owner_id text NOT NULL, at int4range, EXCLUDE USING gist (at WITH"
            " &&))"
        ),
        "loose",
        "key",
        "start it with owner_id",
    ),
    "trigger": (
        (
            "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
            "CREATE TRIGGER watch BEFORE INSERT ON tasks FOR EACH ROW EXECUTE FUNCTION f()"
        ),
        "tasks",
        "code",
        "the trigger watch runs with it",
    ),
    "rule": (
        "CREATE RULE quiet AS ON DELETE TO tasks DO INSTEAD NOTHING",
        "tasks",
        "code",
        "the rule quiet runs with it",
    ),
    "row security": (
        "ALTER TABLE tasks ENABLE ROW LEVEL SECURITY",
        "tasks",
        "row-security",
        "for one role only",
    ),
    "function below a check": (
        (
            "CREATE FUNCTION ok(text) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT true';"
            "ALTER TABLE tasks ADD CONSTRAINT fine CHECK (ok(title))"
        ),
        "tasks",
        "code",
        "the constraint fine: ok(text",
    ),
    "function below a default": (
        (
            "CREATE FUNCTION made() RETURNS text LANGUAGE sql AS 'SELECT max(title) FROM tasks';"
            "ALTER TABLE tasks ALTER title SET DEFAULT made()"
        ),
        "tasks",
        "code",
        "the default or formula of the column title: made() is not PostgreSQL's own",
    ),
    "function below an index": (
        (
            "CREATE FUNCTION key(text) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT $1'; CREATE"
            " INDEX odd ON tasks (key(title))"
        ),
        "tasks",
        "code",
        "the index odd: key(text) is not PostgreSQL's own",
    ),
    "operator below a check": (
        (
            "CREATE FUNCTION ok(text, text) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT"
            " true';CREATE OPERATOR === (FUNCTION = ok, LEFTARG = text, RIGHTARG = text);ALTER"
            " TABLE tasks ADD CONSTRAINT fine CHECK (title === 'x')"
        ),
        "tasks",
        "code",
        "the constraint fine: ok(text",
    ),
    "a query below a check": (
        (
            "ALTER TABLE tasks ADD CONSTRAINT fine CHECK (query_to_xml('SELECT title FROM tasks',"
            " true, true, title) IS NOT NULL) NOT VALID"
        ),
        "tasks",
        "code",
        "the constraint fine: query_to_xml(text,boolean,boolean,text) is not on the list",
    ),
    "a sequence below a check": (
        (
            "CREATE SEQUENCE counter; ALTER TABLE tasks ADD CONSTRAINT fine CHECK"
            " (nextval('counter') > 0) NOT VALID"
        ),
        "tasks",
        "code",
        "the constraint fine: nextval(regclass) is not on the list",
    ),
    "a sequence below a default": (
        "CREATE SEQUENCE counter; ALTER TABLE tasks ALTER version SET DEFAULT nextval('counter')",
        "tasks",
        "code",
        "the default or formula of the column version: nextval(regclass) is not on the list",
    ),
    "a setting below a default": (
        "ALTER TABLE tasks ALTER title SET DEFAULT current_setting('application_name')",
        "tasks",
        "code",
        "column title: current_setting(text) is not on the list",
    ),
    "a lock below a check": (
        "ALTER TABLE tasks ADD CONSTRAINT fine CHECK (pg_try_advisory_xact_lock(42)) NOT VALID",
        "tasks",
        "code",
        "the constraint fine: a lock's number that others can take",
    ),
    "a table's number below a check": (
        "ALTER TABLE tasks ADD CONSTRAINT fine CHECK (tableoid <> 0) NOT VALID",
        "tasks",
        "code",
        "the constraint fine: tableoid is a system column",
    ),
    "a role below a check": (
        "ALTER TABLE tasks ADD CONSTRAINT fine CHECK (title::regrole IS NOT NULL) NOT VALID",
        "tasks",
        "code",
        "the constraint fine: the type regrole is not on the list",
    ),
    "function below statistics": (
        (
            "CREATE FUNCTION key(text) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT $1'; CREATE"
            " STATISTICS odd ON (key(title)), id FROM tasks"
        ),
        "tasks",
        "code",
        "the statistics odd: key(text) is not PostgreSQL's own",
    ),
    "function below a partial index": (
        (
            "CREATE FUNCTION ok(text) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT true';"
            " CREATE INDEX odd ON tasks (owner_id) WHERE ok(title)"
        ),
        "tasks",
        "code",
        "the index odd: ok(text) is not PostgreSQL's own",
    ),
    "function below a generated column": (
        (
            "CREATE FUNCTION key(text) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT $1'; ALTER"
            " TABLE tasks ADD k text GENERATED ALWAYS AS (key(title)) STORED"
        ),
        "tasks",
        "code",
        "formula of the column k: key(text) is not PostgreSQL's own",
    ),
    "operator class below an index": (
        (
            "CREATE FUNCTION same(text, text) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 0';"
            " CREATE OPERATOR CLASS blind FOR TYPE text USING btree AS OPERATOR 1 <, OPERATOR 2 <=,"
            " OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 same(text, text);"
            " CREATE INDEX odd ON tasks (owner_id, title blind)"
        ),
        "tasks",
        "code",
        "the operator class blind below the index odd",
    ),
    "generated owner": (
        (
            "CREATE TABLE loose (id uuid, who text, owner_id text NOT NULL GENERATED ALWAYS AS"
            " (who) STORED, PRIMARY KEY (owner_id, id))"
        ),
        "loose",
        "owner-column",
        "it is text, generated",
    ),
    "a table's number in a column": (
        "ALTER TABLE tasks ADD source regclass",
        "tasks",
        "type",
        "source has the type regclass",
    ),
    "domain": (
        "CREATE DOMAIN short AS text CHECK (length(VALUE) < 9); ALTER TABLE tasks ADD nick short",
        "tasks",
        "type",
        "nick has the type short",
    ),
    "inheritance": (
        "CREATE TABLE heir () INHERITS (tasks)",
        "tasks",
        "inheritance",
        "use one plain table",
    ),
    "name": ('CREATE TABLE "Odd" (owner_id text NOT NULL)', "Odd", "name", "name it in a-z"),
}


@pytest.mark.parametrize(("ddl", "table", "rule", "says"), WRONG.values(), ids=WRONG)
async def test_a_table_that_lets_owners_meet_is_refused(
    ddl: str, table: str, rule: str, says: str, report_of: ReportOf
) -> None:
    """A table built so that owners could meet is named, with the cure."""
    report = await report_of(made("SELECT 1 AS n", "one (n int4)", more="-- global: no\n")[0], ddl)
    faults = [fault for fault in report.schema if fault.rule == rule and fault.subject == table]
    assert [fault for fault in faults if says in fault.text], report.schema


async def test_a_nondeterministic_collation_of_owner_id_is_refused(report_of: ReportOf) -> None:
    """Under a collation that takes two texts for one, two owners could be one; servers without ICU
    have none such.
    """
    ddl = """DO $$ BEGIN
                 CREATE COLLATION blind (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
                 CREATE TABLE loose (owner_id text COLLATE blind NOT NULL);
             EXCEPTION WHEN feature_not_supported THEN
                 CREATE TABLE loose (owner_id text);
             END $$"""
    report = await report_of(made("SELECT 1 AS n", "one (n int4)", more="-- global: no\n")[0], ddl)
    assert [fault.rule for fault in report.schema if fault.subject == "loose"] == ["owner-column"]


async def test_the_migrated_schema_has_no_fault(report_of: ReportOf) -> None:
    """The migrated schema has no fault."""
    report = await report_of(made("SELECT 1 AS n", "one (n int4)", more="-- global: no\n")[0])
    assert report.schema == ()


async def test_other_schemas_and_extensions_are_ignored(report_of: ReportOf) -> None:
    """The check ignores another application's schema and an extension's views."""
    ddl = (
        "CREATE SCHEMA neighbour; CREATE TABLE neighbour.people (id int PRIMARY KEY); CREATE VIEW"
        " seen AS SELECT 1 AS n"
    )
    report = await report_of(made("SELECT 1 AS n", "one (n int4)", more="-- global: no\n")[0], ddl)
    assert report.schema == ()


async def test_a_foreign_key_from_another_schema_is_a_fault(report_of: ReportOf) -> None:
    """A foreign key from another schema into an owned table ties owners together."""
    ddl = (
        "CREATE SCHEMA neighbour; CREATE TABLE neighbour.people (id int PRIMARY KEY, o text"
        " REFERENCES ledgers (owner_id))"
    )
    report = await report_of(made("SELECT 1 AS n", "one (n int4)", more="-- global: no\n")[0], ddl)
    assert [(fault.subject, fault.rule) for fault in report.schema] == [("people", "key")]
