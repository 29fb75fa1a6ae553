"""A device that a person registered themselves goes when an organization's recipient is theirs no more."""

from alembic import op

from singr_db.schema._locks import lock_patiently

revision = "0089"
down_revision = "0088"
branch_labels = None
depends_on = None

# A trigger, and not whoever ends it: memberships end by one as well, and the release before puts people. Of what that
# release registers nobody knows who did; whoever could take it off is gone, so it goes too. Somebody who steps aside is
# about to be taken off the list, by a statement that reads their devices.
FUNCTION = """
    CREATE FUNCTION part_with_devices() RETURNS trigger
    LANGUAGE plpgsql SET search_path = {schema}, pg_temp
    AS $function$
    BEGIN
        DELETE FROM push_devices
         WHERE organization_id = OLD.organization_id AND recipient_id = OLD.id AND is_own IS NOT FALSE;
        RETURN NULL;
    END
    $function$
"""
TRIGGER = """
    CREATE TRIGGER part_with_devices AFTER UPDATE OF user_id ON recipients FOR EACH ROW
      WHEN (OLD.user_id IS NOT NULL AND NEW.user_id IS DISTINCT FROM OLD.user_id AND NEW.external_id = OLD.external_id)
      EXECUTE FUNCTION part_with_devices()
"""
BEFORE = """
    DELETE FROM push_devices AS d USING recipients AS r
     WHERE r.organization_id = d.organization_id AND r.id = d.recipient_id
       AND r.user_id IS NULL AND r.last_user_id IS NOT NULL
"""


def upgrade() -> None:
    schema = op.get_bind().exec_driver_sql("SELECT quote_ident(current_schema())").scalar_one()
    lock_patiently("recipients", "push_devices")
    op.execute("ALTER TABLE push_devices ADD COLUMN is_own BOOLEAN")
    op.execute(FUNCTION.replace("{schema}", schema))
    op.execute("REVOKE ALL ON FUNCTION part_with_devices() FROM PUBLIC")
    op.execute(TRIGGER)
    op.execute(BEFORE)


def downgrade() -> None:
    lock_patiently("recipients", "push_devices")
    op.execute("DROP TRIGGER part_with_devices ON recipients")
    op.execute("DROP FUNCTION part_with_devices()")
    op.execute("ALTER TABLE push_devices DROP COLUMN is_own")
