"""What organizations were called when: messages of those without a brand say it, the same on every try."""

from alembic import op

from singr_db.schema._locks import lock_patiently

revision = "0090"
down_revision = "0089"
branch_labels = None
depends_on = None

OURS = "organization_id = (SELECT nullif(current_setting('singr.organization_id', true), '')::uuid)"
TABLE = (
    """
    CREATE TABLE organization_names (
        id BIGINT GENERATED ALWAYS AS IDENTITY,
        organization_id UUID NOT NULL,
        name TEXT,
        starts_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT pk_organization_names PRIMARY KEY (id),
        CONSTRAINT fk_organization_names_organization_id_organizations FOREIGN KEY (organization_id)
            REFERENCES organizations (id) ON DELETE CASCADE
    )
    """,
    "CREATE INDEX ix_organization_names_organization_id_id ON organization_names (organization_id, id)",
    "ALTER TABLE organization_names ENABLE ROW LEVEL SECURITY",
    f"CREATE POLICY tenant ON organization_names TO singr_tenant USING ({OURS})",
    "GRANT SELECT ON organization_names TO singr_tenant",
)
# A trigger, and not whoever names an organization: the release before does it as well, and services of other teams do.
# A new name starts once everybody who makes messages has read it, as brands do; the first one counts at once. Names of
# which nothing speaks any more go, and of others twenty stay.
FUNCTION = """
    CREATE FUNCTION keep_organization_name() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp
    AS $function$
    BEGIN
        IF TG_OP = 'INSERT' THEN
            INSERT INTO organization_names (organization_id, name, starts_at) VALUES (NEW.id, NEW.name, 'epoch');
        ELSIF NEW.name IS DISTINCT FROM OLD.name THEN
            DELETE FROM organization_names AS former
             WHERE organization_id = NEW.id AND (
                   SELECT count(*) > 18 OR min(newer.starts_at) < now() - interval '180 days'
                     FROM organization_names AS newer WHERE newer.organization_id = NEW.id AND newer.id > former.id);
            INSERT INTO organization_names (organization_id, name, starts_at)
            VALUES (NEW.id, NEW.name, clock_timestamp() + interval '10 seconds');
        END IF;
        RETURN NULL;
    END
    $function$
"""
TRIGGER = """
    CREATE TRIGGER keep_organization_name AFTER INSERT OR UPDATE OF name ON organizations
      FOR EACH ROW EXECUTE FUNCTION keep_organization_name()
"""
# What was made until now wore no name. For an hour more the release before may have the first try of a message, and
# this one the second.
BEFORE = (
    "INSERT INTO organization_names (organization_id, name, starts_at) SELECT id, NULL, 'epoch' FROM organizations",
    """
    INSERT INTO organization_names (organization_id, name, starts_at)
    SELECT id, name, clock_timestamp() + interval '1 hour' FROM organizations
    """,
)


def upgrade() -> None:
    schema = op.get_bind().exec_driver_sql("SELECT quote_ident(current_schema())").scalar_one()
    lock_patiently("organizations")
    for statement in TABLE:
        op.execute(statement)
    op.execute(FUNCTION.replace("{schema}", schema))
    op.execute("REVOKE ALL ON FUNCTION keep_organization_name() FROM PUBLIC")
    op.execute(TRIGGER)
    for statement in BEFORE:
        op.execute(statement)


def downgrade() -> None:
    lock_patiently("organizations")
    op.execute("DROP TRIGGER keep_organization_name ON organizations")
    op.execute("DROP FUNCTION keep_organization_name()")
    op.execute("DROP TABLE organization_names")
