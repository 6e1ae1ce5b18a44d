"""Schema migrations: numbered Alembic revisions in each service's `migrations` folder.

`migrate` is a step of its own, run under an advisory lock. A server only checks that the
schema is the one it was written for, and reports NOT_SERVING until it is.
"""

import importlib
import logging
from functools import cache
from pathlib import Path

import asyncpg
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext, RevisionStep
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine

from skillbox_common.db import unavailable_when_lost
from skillbox_common.errors import DependencyUnavailable

# Any number will do, as long as nobody else uses it for something longer.
_LOCK = 0x5B111B0C
# What it has to say when a migration is cut off is no error, and all others are raised as well.
logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)


class SchemaOutdated(DependencyUnavailable):
    """The database has another revision than this server needs."""


@cache
def _scripts(package: str) -> ScriptDirectory:
    folder = importlib.import_module(package).__path__[0]
    config = Config()
    config.set_main_option("script_location", str(Path(folder, "migrations")).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return ScriptDirectory.from_config(config)


async def migrate(package: str, dsn: str, schema: str) -> str:
    """Brings `schema` to the newest revision that `package` has.

    Returns:
        That revision. Doing it again changes nothing; replicas that migrate at the same time
        wait for each other.

    Raises:
        DependencyUnavailable: The database does not answer.
    """
    scripts = _scripts(package)
    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=lambda: asyncpg.connect(dsn)
    )

    def upgrade(connection: Connection) -> None:
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        connection.execute(text(f'CREATE SCHEMA IF NOT EXISTS "{schema}"'))
        connection.execute(text(f'SET LOCAL search_path TO "{schema}"'))

        def steps(revision: object, _: MigrationContext) -> list[RevisionStep]:
            return scripts._upgrade_revs("head", revision)  # type: ignore[arg-type]

        environment = EnvironmentContext(Config(), scripts, fn=steps)
        environment.configure(connection=connection, version_table="schema_revision")
        environment.run_migrations()

    try:
        async with unavailable_when_lost(), engine.begin() as connection:
            await connection.run_sync(upgrade)
    finally:
        await engine.dispose()
    return str(scripts.get_current_head())


async def check_schema(package: str, pool: "asyncpg.Pool") -> None:
    """Checks that the pool's schema has the newest revision of `package`.

    Raises:
        SchemaOutdated: It has not; the text names both revisions.
        DependencyUnavailable: The database does not answer.
    """
    wanted = _scripts(package).get_current_head()
    try:
        async with unavailable_when_lost():
            found = await pool.fetchval("SELECT version_num FROM schema_revision")
    except asyncpg.UndefinedTableError:
        found = None
    if found != wanted:
        raise SchemaOutdated(
            f"the schema is at revision {found or 'none'}, this server needs {wanted}: "
            f"run `python -m {package} migrate`"
        )
