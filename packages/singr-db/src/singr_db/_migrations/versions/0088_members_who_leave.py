"""Who is no member any more is no recipient by their account either; and what of a recipient came from whom."""

from alembic import op

from singr_db.schema._locks import lock_patiently

revision = "0088"
down_revision = "0087"
branch_labels = None
depends_on = None

# A trigger, and not whoever deletes: the release before ends memberships as well. Accounts that other services keep
# have no memberships here, and are none of its business. Links to somebody's data, which went to the account, go to the
# address that the organization gave: that is changed with it.
FUNCTION = """
    CREATE FUNCTION part_with_member() RETURNS trigger
    LANGUAGE plpgsql SET search_path = {schema}, pg_temp
    AS $function$
    BEGIN
        UPDATE recipients SET user_id = NULL, last_user_id = OLD.user_id, updated_at = now(),
               address_changed_at = clock_timestamp()
         WHERE organization_id = OLD.organization_id AND user_id = OLD.user_id;
        RETURN NULL;
    END
    $function$
"""
TRIGGER = """
    CREATE TRIGGER part_with_member AFTER DELETE ON memberships FOR EACH ROW EXECUTE FUNCTION part_with_member()
"""
BEFORE = (
    "UPDATE recipients SET last_user_id = user_id WHERE user_id IS NOT NULL AND last_user_id IS NULL",
    """
    UPDATE recipients AS r SET user_id = NULL, last_user_id = user_id, updated_at = now(),
           address_changed_at = clock_timestamp()
     WHERE user_id IN (SELECT id FROM users)
       AND NOT EXISTS (SELECT FROM memberships AS m
                        WHERE m.organization_id = r.organization_id AND m.user_id = r.user_id)
    """,
)


def upgrade() -> None:
    schema = op.get_bind().exec_driver_sql("SELECT quote_ident(current_schema())").scalar_one()
    lock_patiently("memberships", "recipients")
    op.execute("ALTER TABLE recipients ADD COLUMN copied TEXT[]")
    op.execute("ALTER TABLE recipients ADD COLUMN own_times TEXT[] DEFAULT '{}'::text[] NOT NULL")
    op.execute(FUNCTION.replace("{schema}", schema))
    op.execute("REVOKE ALL ON FUNCTION part_with_member() FROM PUBLIC")
    op.execute(TRIGGER)
    for statement in BEFORE:
        op.execute(statement)
    op.execute("CREATE INDEX ix_recipients_last_user_id ON recipients (last_user_id) WHERE last_user_id IS NOT NULL")


def downgrade() -> None:
    lock_patiently("memberships", "recipients")
    op.execute("DROP TRIGGER part_with_member ON memberships")
    op.execute("DROP FUNCTION part_with_member()")
    op.execute("DROP INDEX ix_recipients_last_user_id")
    op.execute("ALTER TABLE recipients DROP COLUMN copied, DROP COLUMN own_times")
