"""An account sees of an inbox what came since it is the account's, and not what was written for somebody before."""

from alembic import op

from singr_db.schema._locks import lock_patiently

revision = "0095"
down_revision = "0094"
branch_labels = None
depends_on = None

# A trigger, and not whoever ties: the release before does it as well, and knows of nothing to hide. An account that
# comes back finds all as it left it, unless something came or changed meanwhile. Whoever follows the inbox by its
# positions finds them far ahead, and reads it anew. A row of the counts is made where there is none, unless the
# recipient is new: somebody may be putting in the first item at this moment. What is hidden wakes no more.
FUNCTION = """
    CREATE FUNCTION hide_inbox() RETURNS trigger
    LANGUAGE plpgsql SET search_path = {schema}, pg_temp
    AS $function$
    BEGIN
        IF NEW.user_id IS NULL THEN
            UPDATE inbox_counters SET left_at = position WHERE recipient_id = NEW.id;
            RETURN NULL;
        END IF;
        INSERT INTO inbox_counters AS known (recipient_id, organization_id)
        SELECT NEW.id, NEW.organization_id
         WHERE NEW.created_at <> now() OR EXISTS (SELECT FROM inbox_counters WHERE recipient_id = NEW.id)
        ON CONFLICT (recipient_id) DO UPDATE
           SET hidden_through = known.position, position = known.position + 1000, unread = 0, unseen = 0
         WHERE (OLD.user_id IS NULL AND OLD.last_user_id = NEW.user_id AND known.left_at = known.position) IS NOT TRUE;
        IF FOUND THEN
            UPDATE inbox_items SET snoozed_until = NULL WHERE recipient_id = NEW.id AND snoozed_until IS NOT NULL;
        END IF;
        RETURN NULL;
    END
    $function$
"""
TRIGGER = """
    CREATE TRIGGER hide_inbox AFTER UPDATE OF user_id ON recipients FOR EACH ROW
      WHEN (NEW.user_id IS DISTINCT FROM OLD.user_id) EXECUTE FUNCTION hide_inbox()
"""
# Of what came before to somebody without an account nobody can prove any more for whom it was.
BEFORE = """
    UPDATE inbox_counters AS c SET left_at = -1 FROM recipients AS r WHERE r.id = c.recipient_id AND r.user_id IS NULL
"""


def upgrade() -> None:
    schema = op.get_bind().exec_driver_sql("SELECT quote_ident(current_schema())").scalar_one()
    lock_patiently("recipients", "inbox_counters")
    op.execute("ALTER TABLE inbox_counters ADD COLUMN hidden_through BIGINT DEFAULT 0 NOT NULL")
    op.execute("ALTER TABLE inbox_counters ADD COLUMN left_at BIGINT")
    op.execute(FUNCTION.replace("{schema}", schema))
    op.execute("REVOKE ALL ON FUNCTION hide_inbox() FROM PUBLIC")
    op.execute(TRIGGER)
    op.execute(BEFORE)


def downgrade() -> None:
    lock_patiently("recipients", "inbox_counters")
    op.execute("DROP TRIGGER hide_inbox ON recipients")
    op.execute("DROP FUNCTION hide_inbox()")
    op.execute("ALTER TABLE inbox_counters DROP COLUMN hidden_through, DROP COLUMN left_at")
