"""The task service, as a map.

    __main__    the command line: dev, serve, migrate, check, token, openapi
    serving     the server that runs the application
    drain       what SIGTERM does
    dev         what `dev` has of its own: secret, database, tour
    app         every route on one page, the layers around them, what lives as long as the process
    dsn         a database's URL, in the terms of both drivers
    settings    every setting, what it may be and what it is unless somebody says
    environment reads them, once, with all that is wrong with them
    resources/  what clients see, one module a resource: models and handlers
    web/        HTTP: input, replies, conditions, keys, cursors, problems (every way to fail), the
    contract, the edge
    auth/       bearer token to OwnerId; the only place that makes one
    db/         the statement files and the calls that run them, pool, migrations, a PostgreSQL of
    our own
    check/      every statement file held against the migrated database, and the owner rule proven
    ops/        logs, metrics, traces

A request goes: route, `owner_of`, the models of path, query and body, one named statement, bytes
out. Imports run one way: app, resources, then web, auth and db, then settings; only app and the
command line know ops. The statements lie in sql/, the schema in migrations/, both beside this
package or, installed, inside it.
"""

__version__ = "0.3.0"
