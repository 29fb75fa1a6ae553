"""Database roles for other services: what a service may do that enqueues jobs under a role of its own."""

import re
from collections.abc import Iterable, Sequence
from uuid import UUID

from psycopg.errors import InsufficientPrivilege
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from singr_config import Secret
from singr_db._errors import GrantError
from singr_db._roles import TENANT_ROLE
from singr_db._statements import sql_text
from singr_db.schema._check import hidden_schema
from singr_db.schema._migrate import connected

_NAME = re.compile(r"[a-z_][a-z0-9_]{0,39}")
# What `singr_jobs.enqueue` writes, and nothing that only a worker may: state, lease, result, error.
_JOB_COLUMNS = (
    "id, organization_id, type, queue, priority, payload, max_attempts, backoff, timeout, unique_key, run_at,"
    " created_at, correlation_id, traceparent, concurrency_key, reference, labels"
)
_KEY_COLUMNS = "organization_id, type, unique_key, job_id, until"
# PostgreSQL reads these as something else than a role of that name, quoted or not, or an administrator would.
_RESERVED = frozenset({"public", "none", "current_user", "current_role", "session_user", TENANT_ROLE})
_ROLE = sql_text("SELECT rolsuper OR rolbypassrls, rolname = current_user FROM pg_roles WHERE rolname = :name")
# What it may be beside itself, by SET ROLE too, and what it or they may do to our tables: none of it is a service's.
_BEYOND = sql_text("""
WITH held AS (
    SELECT oid, rolname, rolname = :name AS itself, rolcreaterole OR rolreplication AS mighty,
           rolsuper OR rolbypassrls OR rolname ~ '^pg_' OR rolname IN (current_user, :tenant) AS privileged
      FROM pg_roles WHERE pg_has_role(CAST(:name AS name), oid, 'MEMBER')
), ours AS (
    SELECT oid, relname, relowner, relkind FROM pg_class
     WHERE relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = to_regclass('jobs'))
       AND relkind IN ('r', 'p', 'v', 'm', 'f')
), given AS (
    SELECT to_regclass('jobs') AS relation, string_to_array(:jobs, ', ') AS written, '{}'::text[] AS looked_up
    UNION ALL
    SELECT to_regclass('job_unique_keys'), string_to_array(:keys, ', '), string_to_array(:keys, ', ')
), may AS (
    SELECT held.*, ours.relname, relowner = held.oid AS owns FROM held JOIN ours ON relowner = held.oid
        OR has_table_privilege(held.oid, ours.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
        OR has_any_column_privilege(held.oid, ours.oid, 'UPDATE, REFERENCES')
        OR EXISTS (
            SELECT FROM pg_attribute a LEFT JOIN given ON given.relation = ours.oid
             WHERE a.attrelid = ours.oid AND attnum > 0 AND NOT attisdropped
               AND (attname <> ALL (coalesce(written, '{}'))
                        AND has_column_privilege(held.oid, ours.oid, attnum, 'INSERT')
                 OR attname <> ALL (coalesce(looked_up, '{}'))
                        AND has_column_privilege(held.oid, ours.oid, attnum, 'SELECT'))
        )
)
SELECT format('it has CREATEROLE or REPLICATION: ALTER ROLE %1$I NOCREATEROLE NOREPLICATION', rolname)
  FROM held WHERE itself AND mighty
UNION
SELECT format('it is a member of %1$I: REVOKE %1$I FROM %2$I', rolname, :name) FROM held
 WHERE NOT itself AND (mighty OR privileged OR EXISTS (SELECT FROM may WHERE may.oid = held.oid))
UNION
SELECT CASE WHEN owns THEN format('it owns %1$I: ALTER TABLE %1$I OWNER TO %2$I', relname, current_user)
            ELSE format('it may use %1$I: REVOKE ALL ON %1$I FROM %2$I, or FROM PUBLIC', relname, rolname) END
  FROM may WHERE itself
ORDER BY 1 LIMIT 10
""")
# Whoever may enqueue without a grant: revoking would change nothing, or strip what somebody else gave.
_UNGRANTED = text("""
SELECT CASE WHEN rolname <> :name THEN format('is a member of %1$I: REVOKE %1$I FROM %2$I', rolname, :name)
            WHEN rolname = current_user THEN 'is the user that Singr itself signs in as'
            WHEN rolsuper OR rolbypassrls THEN 'is a superuser or bypasses row-level security'
            ELSE 'owns tables of Singr' END
  FROM pg_roles WHERE pg_has_role(CAST(:name AS name), oid, 'MEMBER') AND (
       rolsuper OR rolbypassrls OR rolname IN (current_user, :tenant)
    OR oid IN (SELECT relowner FROM pg_class WHERE oid IN (to_regclass('jobs'), to_regclass('job_unique_keys'))))
ORDER BY rolname <> :name, 1 LIMIT 1
""")
_GRANTED = text("SELECT EXISTS (SELECT FROM pg_policy WHERE polrelid = to_regclass('jobs') AND polname = :policy)")
# Somebody gave the role more in this schema, which is worth nothing without its USAGE.
_AT_HOME = text("""
WITH itself AS (SELECT oid FROM pg_roles WHERE rolname = :name),
     home AS (SELECT relnamespace AS oid FROM pg_class WHERE oid = to_regclass('jobs'))
SELECT EXISTS (SELECT FROM itself, home, pg_namespace n, aclexplode(n.nspacl) one
                WHERE n.oid = home.oid AND one.grantee = itself.oid AND one.privilege_type <> 'USAGE')
    OR EXISTS (SELECT FROM itself, home, pg_class c, aclexplode(c.relacl) one
                WHERE c.relnamespace = home.oid AND one.grantee = itself.oid)
    OR EXISTS (SELECT FROM itself, home, pg_class c, pg_attribute a, aclexplode(a.attacl) one
                WHERE c.relnamespace = home.oid AND a.attrelid = c.oid AND one.grantee = itself.oid
                  AND c.oid NOT IN (to_regclass('jobs'), to_regclass('job_unique_keys')))
""")
# No deeper and no larger than what callers may send: the policy is the service's only way in.
_PAYLOAD_RULE = "octet_length(payload::text) <= 1048576 AND NOT jsonb_path_exists(payload, 'lax $.**{65}')"
_SCHEMA = sql_text(
    "SELECT quote_ident(nspname) FROM pg_namespace JOIN pg_class c ON c.relnamespace = pg_namespace.oid"
    " WHERE c.oid = to_regclass('jobs')"
)


def grant(url: Secret | str, name: str, *, organizations: Sequence[UUID] = ()) -> bool:
    """Let the role `name` enqueue jobs, and nothing else, for any organization or for these; say whether it was made.

    Makes the role where it is missing, with the right to sign in and without a password. It may insert what `enqueue`
    writes and look up unique keys; it reads, changes and deletes no job. May be repeated; the last call's organizations
    count.

    Raises:
        DatabaseUrlError: the address cannot be used.
        GrantError: the name is none, the role may do more already, the schema is missing, or this user may not grant.
    """
    _check_name(name)
    with connected(url) as connection:
        schema = _schema_of(connection)
        found = connection.execute(_ROLE, {"name": name}).one_or_none()
        if found is not None and found[0]:
            raise GrantError(f"the role {name} is a superuser or bypasses row-level security: it may do that already")
        if found is not None and found[1]:
            raise GrantError(f"{name} is the user that Singr itself signs in as: it needs no grant")
        if found is not None:
            _check_beyond(connection, name)
        made = found is None
        create = [f'CREATE ROLE "{name}" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS'] if made else []
        _execute(connection, [*create, *_granted(name, schema, organizations)])
    return made


def revoke(url: Secret | str, name: str) -> bool:
    """Take away what `grant` gave, and nothing that anybody else did; say whether there was a grant.

    The role itself stays. Its USAGE of the schema stays where somebody gave it more there.

    Raises:
        DatabaseUrlError: the address cannot be used.
        GrantError: there is no such role, it may enqueue without a grant, the schema is missing, or this user may not
            revoke.
    """
    _check_name(name)
    with connected(url) as connection:
        schema = _schema_of(connection)
        if connection.execute(_ROLE, {"name": name}).one_or_none() is None:
            raise GrantError(f"there is no role {name}")
        reason = connection.scalar(_UNGRANTED, {"name": name, "tenant": TENANT_ROLE})
        if reason is not None:
            raise GrantError(f"the role {name} may enqueue jobs without a grant, and was left as it is: it {reason}")
        if not connection.scalar(_GRANTED, {"policy": f"enqueue_{name}"}):
            return False
        usage = (
            [] if connection.scalar(_AT_HOME, {"name": name}) else [f'REVOKE USAGE ON SCHEMA {schema} FROM "{name}"']
        )
        _execute(connection, [*_revoked(name, schema), *usage])
    return True


def _check_beyond(connection: Connection, name: str) -> None:
    """Raise GrantError where the role may do more than it is to be granted: it would keep that."""
    values = {"name": name, "tenant": TENANT_ROLE, "jobs": _JOB_COLUMNS, "keys": _KEY_COLUMNS}
    reasons = connection.scalars(_BEYOND, values).all()
    if reasons:
        raise GrantError(f"the role {name} may do more than enqueue jobs already:\n    " + "\n    ".join(reasons))


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name) or name.startswith("pg_") or name in _RESERVED:
        raise GrantError(
            "a role's name must be 1 to 40 small letters, digits and _, begin with a letter or _, and be none of"
            f" PostgreSQL's own or of Singr's ({TENANT_ROLE})"
        )


def _schema_of(connection: Connection) -> str:
    schema: str | None = connection.scalar(_SCHEMA)
    if schema is None:
        raise GrantError(hidden_schema(connection) or "the database holds no schema yet: run singr-db upgrade")
    return schema


def _granted(name: str, schema: str, organizations: Iterable[UUID]) -> list[str]:
    allowed = ", ".join(f"'{organization}'" for organization in organizations)
    rule = f"organization_id IN ({allowed})" if allowed else "true"
    return [
        *_revoked(name, schema),
        f'GRANT USAGE ON SCHEMA {schema} TO "{name}"',
        f'GRANT INSERT ({_JOB_COLUMNS}) ON {schema}.jobs TO "{name}"',
        f'GRANT INSERT ({_KEY_COLUMNS}), SELECT ({_KEY_COLUMNS}) ON {schema}.job_unique_keys TO "{name}"',
        (
            f'CREATE POLICY "enqueue_{name}" ON {schema}.jobs FOR INSERT TO "{name}"'
            f" WITH CHECK (({rule}) AND {_PAYLOAD_RULE})"
        ),
        f'CREATE POLICY "enqueue_{name}" ON {schema}.job_unique_keys FOR INSERT TO "{name}" WITH CHECK ({rule})',
        f'CREATE POLICY "enqueue_look_{name}" ON {schema}.job_unique_keys FOR SELECT TO "{name}" USING ({rule})',
    ]


def _revoked(name: str, schema: str) -> list[str]:
    return [
        f'DROP POLICY IF EXISTS "enqueue_{name}" ON {schema}.jobs',
        f'DROP POLICY IF EXISTS "enqueue_{name}" ON {schema}.job_unique_keys',
        f'DROP POLICY IF EXISTS "enqueue_look_{name}" ON {schema}.job_unique_keys',
        f'REVOKE INSERT ({_JOB_COLUMNS}) ON {schema}.jobs FROM "{name}"',
        f'REVOKE INSERT ({_KEY_COLUMNS}) ON {schema}.job_unique_keys FROM "{name}"',
        f'REVOKE SELECT ({_KEY_COLUMNS}) ON {schema}.job_unique_keys FROM "{name}"',  # noqa: S608 - no SELECT: a REVOKE
    ]


def _execute(connection: Connection, statements: list[str]) -> None:
    """Run them in one transaction: all, or none."""
    try:
        for statement in statements:
            connection.execute(text(statement))
        connection.commit()
    except DBAPIError as error:
        connection.rollback()
        if not isinstance(error.orig, InsufficientPrivilege):
            raise
        script = "".join(f"    {statement};\n" for statement in statements)
        raise GrantError(
            f"this user may not do that. Let an administrator, or the owner of the tables, run this once:\n\n{script}"
        ) from None
