"""The role that fences tenants: made once a cluster, granted to the user that Singr signs in as."""

from psycopg.errors import InsufficientPrivilege
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from singr_db._errors import TenantRoleError
from singr_db._statements import sql_text

TENANT_ROLE = "singr_tenant"

# A role belongs to the whole cluster, so two databases may be set up side by side: the one that comes second waits for
# the first to commit and then meets a unique violation, which is the answer it wanted.
_CREATE = """
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN
        CREATE ROLE {role} NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;
END $$
"""
_GRANT = """
DO $$
BEGIN
    GRANT {role} TO CURRENT_USER;
EXCEPTION WHEN unique_violation THEN
    NULL;
END $$
"""
# From PostgreSQL 16 on a membership alone does not allow SET ROLE: the right to set is asked for by name.
_MAY_SET = sql_text("""
    SELECT pg_has_role(
        current_user, :role, CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END
    )
""")
_EXISTS = sql_text("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = :role)")
_ADVICE = """\
The role {role}, which fences tenants, {problem}, and the user {user} may not change that.
Let an administrator of the PostgreSQL cluster run this once, then try again:

    {create}GRANT {role} TO {user};
"""


def ensure_tenant_role(connection: Connection, *, role: str = TENANT_ROLE) -> None:
    """Make the tenant role where it is missing and let the current user take it on; commits.

    Safe to run from several processes and databases of one cluster at once.

    Raises:
        TenantRoleError: the user lacks the rights; the message holds the SQL that gives them.
    """
    if tenant_role_usable(connection, role=role):
        connection.commit()
        return
    for statement in (_CREATE, _GRANT):
        try:
            connection.execute(text(statement.format(role=role)))
            connection.commit()
        except DBAPIError as error:
            connection.rollback()
            if not isinstance(error.orig, InsufficientPrivilege):
                raise
            raise TenantRoleError(_advice(connection, role)) from None


def tenant_role_usable(connection: Connection, *, role: str = TENANT_ROLE) -> bool:
    """Tell whether the tenant role exists and the current user may take it on."""
    if not connection.scalar(_EXISTS, {"role": role}):
        return False
    return bool(connection.scalar(_MAY_SET, {"role": role}))


def _advice(connection: Connection, role: str) -> str:
    exists = connection.scalar(_EXISTS, {"role": role})
    user = connection.scalar(text("SELECT quote_ident(current_user)"))
    connection.rollback()
    return _ADVICE.format(
        role=role,
        user=user,
        problem="is not granted to this user" if exists else "does not exist",
        create="" if exists else f"CREATE ROLE {role} NOLOGIN;\n    ",
    )
