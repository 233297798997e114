"""Statements may use nothing that could read rows out of sight."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

import pytest

from service.check import Fault
from tests.check.playground import made

FaultsOf = Callable[..., Awaitable[tuple[Fault, ...]]]


class Opaque(NamedTuple):
    """A statement that hides something, what is said of it, and what it needs in the database."""

    sql: str
    says: str
    ddl: str = ""
    returns: str = "many (id uuid)"
    more: str = ""
    rule: str = "opaque"


BOUND = "WHERE t.owner_id = :owner_id"
READS = "LANGUAGE sql AS 'SELECT max(title) FROM tasks'"
OPAQUE = {
    "view": Opaque(
        "SELECT v.id FROM ▸seen AS v WHERE v.owner_id = :owner_id",
        "seen is not a plain table",
        "CREATE VIEW seen AS SELECT * FROM tasks",
    ),
    "materialised view": Opaque(
        "SELECT v.id FROM seen AS v WHERE v.owner_id = :owner_id",
        "seen is not a plain table",
        "CREATE MATERIALIZED VIEW seen AS SELECT * FROM tasks",
    ),
    "partitioned table": Opaque(
        "SELECT v.id FROM parts AS v WHERE v.owner_id = :owner_id",
        "parts is not a plain table",
        "CREATE TABLE parts (owner_id text NOT NULL, id uuid NOT NULL) PARTITION BY HASH"
        " (owner_id)",
    ),
    "temporary table before the real one": Opaque(
        f"SELECT t.id FROM tasks AS t {BOUND}",
        "no table of this schema",
        "CREATE TEMP TABLE tasks (owner_id text, id uuid)",
    ),
    "nullable owner": Opaque(
        "SELECT v.id FROM loose AS v WHERE v.owner_id = :owner_id",
        "neither owned nor global",
        "CREATE TABLE loose (owner_id text, id uuid NOT NULL)",
    ),
    "no owner": Opaque(
        f"SELECT t.id FROM tasks AS t, loose {BOUND}",
        "neither owned nor global",
        "CREATE TABLE loose (id uuid NOT NULL)",
    ),
    "function that reads": Opaque(
        f"SELECT t.id FROM tasks AS t {BOUND} AND t.title = ▸top()",
        "top() is not PostgreSQL's own",
        f"CREATE FUNCTION top() RETURNS text STABLE {READS}",
    ),
    "function that says it is immutable": Opaque(
        f"SELECT t.id FROM tasks AS t {BOUND} AND t.title = ▸top()",
        "top() is not PostgreSQL's own",
        f"CREATE FUNCTION top() RETURNS text IMMUTABLE {READS}",
    ),
    "set-returning function": Opaque(
        "SELECT f.id FROM ▸every(:owner_id) AS f",
        "every(text) is not PostgreSQL's own",
        "CREATE FUNCTION every(text) RETURNS SETOF tasks STABLE LANGUAGE sql AS 'SELECT * FROM"
        " tasks'",
        returns="many (id uuid)",
    ),
    "function in place of PostgreSQL's": Opaque(
        f"SELECT t.id FROM tasks AS t {BOUND} AND t.title = ▸lower('x'::varchar)",
        "lower(character varying) is not PostgreSQL's own",
        f"CREATE FUNCTION lower(varchar) RETURNS text IMMUTABLE {READS}",
    ),
    "aggregate": Opaque(
        f"SELECT ▸total(t.version) AS n FROM tasks AS t {BOUND}",
        "total(bigint) is not PostgreSQL's own",
        "CREATE AGGREGATE total(int8) (SFUNC = int8pl, STYPE = int8)",
        returns="many (n int8?)",
    ),
    "operator": Opaque(
        f"SELECT t.id FROM tasks AS t {BOUND} AND t.title ▸=== 'x'",
        "not PostgreSQL's own",
        "CREATE OPERATOR === (FUNCTION = texteq, LEFTARG = text, RIGHTARG = text)",
    ),
    "equality from another schema": Opaque(
        "SELECT t.id FROM tasks AS t WHERE t.owner_id ▸= :owner_id",
        "not PostgreSQL's own",
        "CREATE FUNCTION public.always(text, text) RETURNS boolean IMMUTABLE LANGUAGE sql AS"
        " 'SELECT true';CREATE OPERATOR public.= (FUNCTION = public.always, LEFTARG = text,"
        " RIGHTARG = text);SET LOCAL search_path = public, pg_catalog",
    ),
    "cast": Opaque(
        f"SELECT t.id FROM tasks AS t {BOUND} AND t.completed▸::uuid IS NULL",
        "peek(boolean) is not PostgreSQL's own",
        "CREATE FUNCTION peek(boolean) RETURNS uuid STABLE LANGUAGE sql AS 'SELECT"
        " max(id::text)::uuid FROM tasks';CREATE CAST (boolean AS uuid) WITH FUNCTION peek",
    ),
    "query in a string": Opaque(
        f"SELECT t.id FROM tasks AS t {BOUND} AND ▸query_to_xml('select * from tasks', true, true,"
        " '') IS NULL",
        "query_to_xml(text,boolean,boolean,text) is not on the list",
    ),
    "table by name": Opaque(
        f"SELECT t.id FROM tasks AS t {BOUND} AND ▸table_to_xml('tasks', true, true, '') IS NULL",
        "table_to_xml(regclass,boolean,boolean,text) is not on the list",
    ),
    "text search statistics": Opaque(
        f"SELECT t.id FROM tasks AS t, ▸ts_stat('SELECT x FROM tasks') AS s {BOUND}",
        "ts_stat(text) is not on the list",
    ),
    "file": Opaque(
        f"SELECT t.id FROM tasks AS t {BOUND} AND t.title = ▸pg_read_file('x')",
        "pg_read_file(text) is not on the list",
    ),
    "large object": Opaque(
        f"SELECT t.id FROM tasks AS t {BOUND} AND ▸lo_get(1) IS NULL",
        "lo_get(oid) is not on the list",
    ),
    "sequence": Opaque(
        f"SELECT t.id FROM tasks AS t {BOUND} AND ▸nextval('counter') = 1",
        "nextval(regclass) is not on the list",
        "CREATE SEQUENCE counter",
    ),
    "sequence below a default": Opaque(
        "INSERT INTO counted (owner_id) VALUES (:owner_id)",
        "nextval(regclass) is not on the list",
        "CREATE TABLE counted (owner_id text NOT NULL PRIMARY KEY, n bigserial)",
        returns="count",
    ),
    "identity": Opaque(
        "INSERT INTO counted (owner_id) VALUES (:owner_id)",
        "a sequence counts all owners' rows together",
        "CREATE TABLE counted (owner_id text NOT NULL PRIMARY KEY, n bigint GENERATED ALWAYS AS"
        " IDENTITY)",
        returns="count",
    ),
    "setting": Opaque(
        f"SELECT t.id FROM tasks AS t {BOUND} AND ▸current_setting('x') = ''",
        "current_setting(text) is not on the list",
    ),
    "other sessions' setting": Opaque(
        f"SELECT t.id FROM tasks AS t {BOUND} AND ▸set_config('x.y', t.title, false) = ''",
        "set_config(text,text,boolean) is not on the list",
    ),
    "advisory lock": Opaque(
        f"SELECT t.id FROM tasks AS t {BOUND} AND ▸pg_try_advisory_lock(1)",
        "pg_try_advisory_lock(bigint) is not on the list",
    ),
    "advisory lock that others can take": Opaque(
        f"SELECT t.id FROM tasks AS t {BOUND} AND ▸pg_try_advisory_xact_lock(42)",
        "a lock's number that others can take",
    ),
    "advisory lock of a text that others can have": Opaque(
        f"SELECT t.id FROM tasks AS t {BOUND} AND"
        " ▸pg_try_advisory_xact_lock(hashtextextended(t.title, 0))",
        "a lock's number that others can take",
    ),
    "advisory lock of two numbers": Opaque(
        f"SELECT t.id FROM tasks AS t {BOUND} AND"
        " ▸pg_try_advisory_xact_lock(1, hashtext(:owner_id))",
        "pg_try_advisory_xact_lock(integer,integer) is not on the list",
    ),
    "age of a transaction": Opaque(
        f"SELECT t.id FROM tasks AS t {BOUND} AND ▸age('3'::xid) > 1",
        "age(xid) is not on the list",
    ),
    "length in an encoding": Opaque(
        f"SELECT t.id FROM tasks AS t {BOUND} AND ▸length('x'::bytea, 'UTF8') = 1",
        "length(bytea,name) is not on the list",
    ),
    "hash of somebody's partition": Opaque(
        f"SELECT t.id FROM tasks AS t {BOUND} AND satisfies_hash_partition(▸16384, 4, 0, 1)",
        "the type oid is not on the list",
        rule="type",
    ),
    **{
        f"system column {column}": Opaque(
            f"SELECT t.id FROM tasks AS t {BOUND} AND ▸t.{column} = {value}",
            f"{column} is a system",
        )
        for column, value in {
            "ctid": "'(0,1)'",
            "xmin": "'3'",
            "cmin": "'3'",
            "xmax": "'3'",
            "cmax": "'3'",
            "tableoid": "1",
        }.items()
    },
    "system column in a whole set": Opaque(
        f"SELECT s.id FROM (SELECT t.id, t.xmin AS x FROM tasks AS t {BOUND}) AS s WHERE s.x = '3'",
        "xmin is a system column",
    ),
    "system column returned": Opaque(
        f"UPDATE tasks AS t SET title = 'x' {BOUND} RETURNING t.id, t.ctid::text AS c",
        "ctid is a system column",
        returns="many (id uuid, c text)",
    ),
    **{
        f"text read as {kind}": Opaque(
            f"SELECT t.id FROM tasks AS t {BOUND} AND t.title::{kind} IS NULL",
            f"the type {kind} is not on the list",
            rule="type",
        )
        for kind in (
            "regrole",
            "regclass",
            "regproc",
            "regprocedure",
            "regnamespace",
            "regtype",
            "regconfig",
            "regcollation",
            "oid",
            "pg_snapshot",
        )
    },
    "a role's number": Opaque(
        f"SELECT t.id FROM tasks AS t {BOUND} AND format('%s', 10::regrole) = 'postgres'",
        "the type regrole is not on the list",
        rule="type",
    ),
    "an array of tables": Opaque(
        f"SELECT t.id FROM tasks AS t {BOUND} AND t.title::regclass[] IS NULL",
        "the type regclass[] is not on the list",
        rule="type",
    ),
    "a record with a table": Opaque(
        f"SELECT t.id FROM tasks AS t, jsonb_to_record('{{}}') AS r (c regclass) {BOUND}",
        "the type regclass is not on the list",
        rule="type",
    ),
    "the catalogue's row": Opaque(
        f"SELECT t.id FROM tasks AS t {BOUND} AND jsonb_populate_record(NULL::pg_authid, '{{}}')"
        " IS NULL",
        "the type pg_authid is not on the list",
        rule="type",
    ),
    "the migration log": Opaque(
        f"SELECT t.id FROM tasks AS t, ▸_yoyo_log AS l {BOUND}", "_yoyo_log has no owner"
    ),
    "the migration log in a sub-select": Opaque(
        f"SELECT t.id FROM tasks AS t {BOUND} AND EXISTS (SELECT 1 FROM ▸migration_checksums AS m)",
        "migration_checksums has no owner",
    ),
    "a table called like the migration log": Opaque(
        "SELECT l.secret AS x FROM elsewhere.▸_yoyo_log AS l",
        "_yoyo_log has an owner",
        "CREATE SCHEMA elsewhere; CREATE TABLE elsewhere._yoyo_log (secret text)",
        returns="many (x text?)",
        more="-- global: no\n",
    ),
    "a table called like the migration log, before it": Opaque(
        "SELECT l.secret AS x FROM ▸yoyo_lock AS l WHERE l.secret <> :owner_id",
        "neither owned nor global",
        "CREATE SCHEMA elsewhere; CREATE TABLE elsewhere.yoyo_lock (secret text);"
        " SET LOCAL search_path = pg_catalog, public, elsewhere; ALTER TABLE public.yoyo_lock"
        " RENAME TO yoyo_lock_of_old",
        returns="many (x text?)",
    ),
    "an extension's table": Opaque(
        f"SELECT t.id FROM ▸tasks AS t {BOUND}",
        "tasks is an extension's",
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
        " CREATE TRIGGER watch BEFORE INSERT ON tasks FOR EACH ROW EXECUTE FUNCTION f();"
        " ALTER EXTENSION plpgsql ADD TABLE tasks",
    ),
    "notification": Opaque(
        f"SELECT pg_notify('all', t.title)::text AS x FROM tasks AS t {BOUND}",
        "pg_notify(text,text) is not on the list",
        returns="many (x text)",
    ),
    "statistics": Opaque(
        "SELECT s.attname::text AS x FROM pg_catalog.pg_stats AS s WHERE s.tablename = :owner_id",
        "pg_stats is the system's",
        returns="many (x text)",
    ),
    "activity": Opaque(
        "SELECT a.query AS x FROM pg_stat_activity AS a WHERE a.query = :owner_id",
        "pg_stat_activity is the system's",
        returns="many (x text)",
    ),
    "catalogue": Opaque(
        f"SELECT t.id FROM tasks AS t, pg_class AS c {BOUND}", "pg_class is the system's"
    ),
    "domain": Opaque(
        f"SELECT t.id FROM tasks AS t {BOUND} AND t.title::short IS NULL",
        "nothing the proof knows of",
        "CREATE DOMAIN short AS text CHECK (length(VALUE) < 3)",
    ),
    "type": Opaque(
        f"SELECT t.id FROM tasks AS t {BOUND} AND 'a'::mood IS NULL",
        "the type mood is not on the list",
        "CREATE TYPE mood AS ENUM ('a')",
        rule="type",
    ),
    "tablesample": Opaque(
        f"SELECT t.id FROM tasks AS t TABLESAMPLE bernoulli (10) {BOUND}", "TABLESAMPLE"
    ),
    "merge": Opaque(
        "MERGE INTO tasks AS t USING notes AS n ON t.owner_id = :owner_id AND t.id = n.id WHEN"
        " MATCHED THEN DELETE",
        "MERGE can't be proven",
        returns="count",
    ),
    "current of": Opaque(
        "DELETE FROM tasks AS t WHERE CURRENT OF c AND :owner_id::text = ''",
        "syntax error",
        returns="count",
        rule="sql",
    ),
    "xmltable": Opaque(
        "SELECT x.id FROM XMLTABLE('/a' PASSING xmlparse(document :owner_id) COLUMNS id uuid) AS x",
        "nothing the proof knows of",
        returns="many (id uuid?)",
    ),
    "copy": Opaque(
        "COPY tasks TO STDOUT -- :owner_id",
        "",
        returns="count",
        rule="opaque",
        more="-- global: no\n",
    ),
    "lock table": Opaque(
        "LOCK TABLE tasks", "only SELECT, INSERT", returns="count", more="-- global: no\n"
    ),
    "do": Opaque(
        "DO $$ BEGIN PERFORM 1 FROM tasks; END $$",
        "only SELECT, INSERT",
        returns="count",
        more="-- global: no\n",
    ),
    "truncate": Opaque(
        "TRUNCATE tasks CASCADE", "only SELECT, INSERT", returns="count", more="-- global: no\n"
    ),
    "cursor": Opaque(
        "DECLARE c CURSOR FOR SELECT t.id FROM tasks AS t",
        "only SELECT",
        returns="count",
        more="-- global: no\n",
    ),
    "select into": Opaque(
        "SELECT t.id INTO stolen FROM tasks AS t",
        "only SELECT",
        returns="count",
        more="-- global: no\n",
    ),
    "call": Opaque(
        "CALL sneak()",
        "only SELECT",
        "CREATE PROCEDURE sneak() LANGUAGE sql AS 'SELECT 1'",
        "count",
        more="-- global: no\n",
    ),
    "explain": Opaque(
        "EXPLAIN SELECT t.id FROM tasks AS t",
        "only SELECT",
        returns="count",
        more="-- global: no\n",
    ),
    "global that reads an owned table": Opaque(
        "SELECT count(*) AS n FROM ▸tasks AS t",
        "tasks has an owner",
        returns="one (n int8)",
        more="-- global: no\n",
    ),
    "global that reads statistics": Opaque(
        "SELECT s.attname::text AS x FROM pg_catalog.pg_stats AS s",
        "is the system's",
        returns="many (x text)",
        more="-- global: no\n",
    ),
    "rule": Opaque(
        "DELETE FROM tasks AS t WHERE t.owner_id = :owner_id",
        "only SELECT",
        "CREATE RULE also AS ON DELETE TO tasks DO ALSO DELETE FROM notes",
        returns="count",
    ),
    "quoted name": Opaque(
        f'SELECT t.id FROM tasks AS t, (SELECT 1 AS ▸":paramid 1") AS s {BOUND}',
        "a name in a-z",
        rule="name",
    ),
    "look-alike name": Opaque(
        f"SELECT t.id FROM tasks AS t, (SELECT 1 AS ▸\u043ewner_id) AS s {BOUND}",
        "a name in a-z",
        rule="name",
    ),
}


@pytest.mark.parametrize("case", OPAQUE.values(), ids=OPAQUE)
async def test_an_object_that_could_read_rows_is_refused(case: Opaque, faults_of: FaultsOf) -> None:
    """An object that could read rows behind the statement's text is refused, with its name and
    place.
    """
    statement, places = made(case.sql, case.returns, more=case.more)
    faults = await faults_of(statement, case.ddl)
    assert case.rule in {fault.rule for fault in faults}
    assert [fault for fault in faults if case.says in fault.text]
    assert not places or places[0] in {fault.where for fault in faults}


async def test_a_statement_with_an_immutable_function_is_not_planned(faults_of: FaultsOf) -> None:
    """Planning would run a function that claims to be IMMUTABLE, so a statement that has one is
    never planned.
    """
    statement, _ = made(
        "SELECT t.id FROM tasks AS t WHERE t.owner_id = :owner_id AND t.version = boom()"
    )
    ddl = "CREATE FUNCTION boom() RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 1 / 0'"
    assert {fault.rule for fault in await faults_of(statement, ddl)} == {"opaque"}


HARMLESS = [
    "pg_try_advisory_xact_lock(hashtextextended(:owner_id, 0))",
    "pg_try_advisory_xact_lock(hashtextextended(t.title, hashtextextended(:owner_id, 0)))",
    "t.title::date[] IS NOT NULL AND round(t.version::numeric, 2) > 1",
    "tsrange(now()::timestamp, NULL) @> t.created_at::timestamp",
    "now() > t.created_at",
    (
        "t.id IN (SELECT first_value(n.id) OVER (ORDER BY n.body) FROM notes AS n WHERE n.owner_id"
        " = :owner_id)"
    ),
    "t.created_at < now() - interval '1 day'",
    "gen_random_uuid() <> t.id",
    "lower(t.title) = upper(t.title)",
    "to_jsonb(t) ->> 'title' = 'x'",
    "t.title LIKE '%' || t.id::text || '%'",
    "t.title ~ '^a' AND length(t.title) > 3",
    "to_tsvector('english', t.title) @@ websearch_to_tsquery('english', 'milk')",
    "(jsonb_populate_record(t, '{}')).title = t.title",
    "coalesce(t.description, '') <> '' AND t.completed IS TRUE",
    "CASE WHEN t.completed THEN 1 ELSE 2 END = greatest(1, 2)",
    "date_trunc('day', t.created_at) = '2026-01-01' AND extract(year FROM t.created_at) > 2000",
    "t.title COLLATE \"C\" < 'b' AND (ARRAY[1, 2])[1] = 1",
    "(t.title, t.version) IN (SELECT n.body, 1 FROM notes AS n WHERE n.owner_id = :owner_id)",
    "t.created_at AT TIME ZONE 'UTC' < localtimestamp AND current_user <> ''",
]


@pytest.mark.parametrize("condition", HARMLESS)
async def test_built_in_functions_that_read_nothing_pass(
    condition: str, faults_of: FaultsOf
) -> None:
    """PostgreSQL's own functions and operators that read nothing pass."""
    statement, _ = made(f"SELECT t.id FROM tasks AS t WHERE t.owner_id = :owner_id AND {condition}")
    assert [fault.text for fault in await faults_of(statement) if fault.rule != "index"] == []
