"""What a DBA sees of a statement on the server: its name, in pg_stat_statements and in the
slow-query log.
"""

from pathlib import Path

import asyncpg

from service.app import create_app
from service.auth.tokens import sign
from service.dev import postgres
from service.migrate import migrations
from service.settings import Settings
from tests.conftest import SECRET, client_of

OPTIONS = {
    "fsync": "off",
    "shared_preload_libraries": "pg_stat_statements",
    "log_min_duration_statement": "0",
}


async def test_the_server_shows_each_statement_by_its_name(tmp_path: Path) -> None:
    """A list over HTTP is `/* tasks/list */` in pg_stat_statements, once, and in the slow-query
    log.
    """
    with postgres.running(tmp_path / "pg", OPTIONS) as server:
        await migrations.migrate(server.dsn)
        connection = await asyncpg.connect(server.dsn)
        await connection.execute("CREATE EXTENSION pg_stat_statements")
        app = create_app(
            Settings.model_validate({"database_url": server.dsn, "jwt_secret": SECRET})
        )
        async with app.router.lifespan_context(app), client_of(app) as client:
            for user in ("alice", "bob"):
                headers = {"Authorization": f"Bearer {sign(SECRET, user, ttl=60)}"}
                answer = await client.get(f"/api/v1/users/{user}/tasks?limit=7", headers=headers)
                assert answer.status_code == 200
        rows = await connection.fetch(
            "SELECT query, calls FROM pg_stat_statements WHERE query LIKE '%/* tasks/%'"
        )
        await connection.close()
        assert [
            ("SELECT /* tasks/list */ o.sequence" in row["query"], row["calls"]) for row in rows
        ] == [(True, 2)]
        log = (tmp_path / "pg.log").read_text()
    assert "execute __asyncpg" in log
    assert log.count(": -- tasks/list: ") >= 2
