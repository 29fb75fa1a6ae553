"""A unique key is held by a job that is there and has not ended, whatever became of its claim's job."""

from alembic import op

revision = "0011"
down_revision = "0009"
branch_labels = None
depends_on = None

# Whoever takes a key: the claim of a job that has ended, or is gone with its partition, goes before the key is looked
# at. So no release and no role needs to know of it, those included that may write claims and read no job.
# The second statement sees what was committed with the claim that the first one saw; it names that claim's job, or
# whoever waits for another's taking over would take the key from the new one.
FUNCTION = """
    CREATE FUNCTION forget_holder_that_is_gone() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp
    AS $function$
    DECLARE
        holder uuid;
    BEGIN
        SELECT held.job_id INTO holder FROM job_unique_keys AS held
         WHERE held.organization_id = NEW.organization_id AND held.type = NEW.type AND held.unique_key = NEW.unique_key;
        IF holder IS NOT NULL THEN
            DELETE FROM job_unique_keys AS held
             WHERE held.organization_id = NEW.organization_id AND held.type = NEW.type
               AND held.unique_key = NEW.unique_key AND held.job_id = holder
               AND NOT EXISTS (SELECT FROM jobs
                                WHERE jobs.id = holder AND jobs.status IN ('pending', 'dispatched', 'processing'));
        END IF;
        RETURN NEW;
    END
    $function$
"""
TRIGGER = """
    CREATE TRIGGER forget_holder_that_is_gone BEFORE INSERT ON job_unique_keys
        FOR EACH ROW EXECUTE FUNCTION forget_holder_that_is_gone()
"""


def upgrade() -> None:
    schema = op.get_bind().exec_driver_sql("SELECT quote_ident(current_schema())").scalar_one()
    op.execute(FUNCTION.replace("{schema}", schema))
    op.execute("REVOKE ALL ON FUNCTION forget_holder_that_is_gone() FROM PUBLIC")
    op.execute(TRIGGER)


def downgrade() -> None:
    op.execute("DROP TRIGGER forget_holder_that_is_gone ON job_unique_keys")
    op.execute("DROP FUNCTION forget_holder_that_is_gone()")
