"""What `singr-dev up` is made of beside servers and processes; loads slowly, while the servers start."""

import asyncio
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Final

import psycopg
from sqlalchemy.exc import SQLAlchemyError

from singr_config import DatabaseSettings, ObjectStoreSettings, Secret, load_section
from singr_db import DEMO_ORGANIZATION_ID, Database, FolderObjectStore, SingrDbError, head_revision, seed, upgrade
from singr_dev.objects import serving_links
from singr_dev.stack._delivery import delivering
from singr_dev.stack._secrets import development_secrets

__all__ = [
    "DATABASE_ERRORS",
    "DEMO_ORGANIZATION_ID",
    "delivering",
    "development_secrets",
    "is_current",
    "migrate",
    "serving_folder",
]
DATABASE_ERRORS: Final = (SingrDbError, SQLAlchemyError)


def serving_folder(environ: Mapping[str, str], port: int) -> AbstractContextManager[None]:
    """Serve the links of the object store that is the folder of these variables, for the length of the block."""
    settings = load_section(ObjectStoreSettings, {**environ, "APP_ENV": "development"}, env_file=None)
    return serving_links(FolderObjectStore(settings), port=port)


def is_current(database_url: str) -> bool:
    """Whether the tables are those of this version, so that API and worker may start before `migrate` has run."""
    try:
        with psycopg.connect(database_url, connect_timeout=2) as connection:
            found = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except psycopg.Error:  # no tables; or no database, of which `migrate` says more
        return False
    return found == (head_revision(),)


def migrate(database_url: str) -> None:
    """Bring the tables to this version, with roles, permissions and the demo organization in them."""
    upgrade(Secret(database_url))

    async def sow() -> None:
        settings = load_section(DatabaseSettings, {"DATABASE_URL": database_url}, env_file=None)
        database = Database(settings, application_name="singr-dev")
        try:
            await seed(database, demo=True)
        finally:
            await database.close()

    asyncio.run(sow())
