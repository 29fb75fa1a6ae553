"""Digests: what is collected for people until a window closes; and by which clock that is, and quiet hours are."""

from alembic import op

from singr_db.schema._locks import lock_patiently

revision = "0065"
down_revision = "0064"
branch_labels = None
depends_on = None

OURS = "organization_id = (SELECT nullif(current_setting('singr.organization_id', true), '')::uuid)"
PERSON = "FOREIGN KEY (organization_id, recipient_id) REFERENCES recipients (organization_id, id) ON DELETE CASCADE"
TABLES = (
    f"""
    CREATE TABLE digest_windows (
        id UUID NOT NULL,
        organization_id UUID NOT NULL,
        recipient_id UUID NOT NULL,
        type TEXT NOT NULL,
        period TEXT NOT NULL,
        closes_at TIMESTAMP WITH TIME ZONE NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        closed_at TIMESTAMP WITH TIME ZONE,
        message_id UUID,
        CONSTRAINT pk_digest_windows PRIMARY KEY (id),
        CONSTRAINT uq_digest_windows_organization_id_id UNIQUE (organization_id, id),
        CONSTRAINT ck_digest_windows_period CHECK (period IN ('daily', 'weekly')),
        CONSTRAINT fk_digest_windows_organization_id_recipient_id_recipients {PERSON}
    )
    """,
    """
    CREATE UNIQUE INDEX digest_windows_open ON digest_windows (recipient_id, type, period) WHERE closed_at IS NULL
    """,
    "CREATE INDEX digest_windows_due ON digest_windows (closes_at) WHERE closed_at IS NULL",
    "CREATE INDEX digest_windows_closed ON digest_windows (closed_at) WHERE closed_at IS NOT NULL",
    "CREATE INDEX ix_digest_windows_organization_id_recipient_id ON digest_windows (organization_id, recipient_id)",
    f"""
    CREATE TABLE digest_items (
        id UUID NOT NULL,
        organization_id UUID NOT NULL,
        window_id UUID NOT NULL,
        recipient_id UUID NOT NULL,
        notification_id UUID,
        kind TEXT NOT NULL,
        content_sealed BYTEA NOT NULL,
        expires_at TIMESTAMP WITH TIME ZONE,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT pk_digest_items PRIMARY KEY (id),
        CONSTRAINT fk_digest_items_organization_id_window_id_digest_windows
            FOREIGN KEY (organization_id, window_id) REFERENCES digest_windows (organization_id, id) ON DELETE CASCADE,
        CONSTRAINT fk_digest_items_organization_id_recipient_id_recipients {PERSON}
    )
    """,
    "CREATE INDEX ix_digest_items_organization_id_window_id ON digest_items (organization_id, window_id, id)",
    "CREATE INDEX ix_digest_items_organization_id_recipient_id ON digest_items (organization_id, recipient_id)",
    """
    CREATE UNIQUE INDEX digest_items_of_notification ON digest_items (notification_id, recipient_id)
     WHERE notification_id IS NOT NULL
    """,
)
NAMES = ("digest_windows", "digest_items")
# A zone may go with an update of PostgreSQL: whoever lived by it then lives by UTC, and keeps nobody else waiting.
KNOWN_ZONE = """
    CREATE FUNCTION known_zone(asked text) RETURNS text
    LANGUAGE plpgsql STABLE SET search_path = {schema}, pg_temp
    AS $function$
    BEGIN
        PERFORM now() AT TIME ZONE asked;
        RETURN coalesce(asked, 'UTC');
    EXCEPTION WHEN invalid_parameter_value THEN
        RETURN 'UTC';
    END
    $function$
"""
# The first moment after another at which a clock shows a time of day, on any day or on one of the week. An hour that
# the clock leaves out moves forward; of one that comes twice it is the second.
DIGEST_CLOSES = """
    CREATE FUNCTION digest_closes(after timestamptz, zone text, wanted time, weekday smallint, period text)
    RETURNS timestamptz
    LANGUAGE plpgsql STABLE SET search_path = {schema}, pg_temp
    AS $function$
    DECLARE
        known text := known_zone(zone);
        yesterday date := (after AT TIME ZONE known)::date - 1;
        found timestamptz;
    BEGIN
        FOR ahead IN 0..9 LOOP
            found := (yesterday + ahead + coalesce(wanted, time '08:00')) AT TIME ZONE known;
            EXIT WHEN found > after
                  AND (period = 'daily' OR extract(isodow FROM yesterday + ahead) = coalesce(weekday, 1));
        END LOOP;
        RETURN found;
    END
    $function$
"""
# The end of the quiet hours that a moment lies in, and of those that begin before they have ended; null outside.
QUIET_UNTIL = """
    CREATE FUNCTION quiet_until(moment timestamptz, zone text, starts time, ends time, days smallint[])
    RETURNS timestamptz
    LANGUAGE plpgsql STABLE SET search_path = {schema}, pg_temp
    AS $function$
    DECLARE
        known text;
        today date;
        day date;
        until timestamptz;
        found timestamptz := moment;
    BEGIN
        IF starts IS NULL OR ends IS NULL THEN
            RETURN NULL;
        END IF;
        known := known_zone(zone);
        today := (moment AT TIME ZONE known)::date;
        FOR ahead IN -2..8 LOOP
            day := today + ahead;
            IF days IS NULL OR extract(isodow FROM day) = ANY (days) THEN
                until := ((CASE WHEN ends > starts THEN day ELSE day + 1 END) + ends) AT TIME ZONE known;
                IF (day + starts) AT TIME ZONE known <= found AND until > found THEN
                    found := until;
                END IF;
            END IF;
        END LOOP;
        RETURN nullif(found, moment);
    END
    $function$
"""
FUNCTIONS = (KNOWN_ZONE, DIGEST_CLOSES, QUIET_UNTIL)
SIGNATURES = (
    "known_zone(text)",
    "digest_closes(timestamptz, text, time, smallint, text)",
    "quiet_until(timestamptz, text, time, time, smallint[])",
)


def upgrade() -> None:
    lock_patiently("recipients")
    for statement in TABLES:
        op.execute(statement)
    for name in NAMES:
        op.execute(f"ALTER TABLE {name} ENABLE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY tenant ON {name} TO singr_tenant USING ({OURS}) WITH CHECK ({OURS})")
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {name} TO singr_tenant")
    schema = op.get_bind().exec_driver_sql("SELECT quote_ident(current_schema())").scalar_one()
    for function in FUNCTIONS:
        op.execute(function.replace("{schema}", schema))
    for signature in SIGNATURES:
        op.execute(f"REVOKE ALL ON FUNCTION {signature} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {signature} TO singr_tenant")


def downgrade() -> None:
    for signature in reversed(SIGNATURES):
        op.execute(f"DROP FUNCTION {signature}")
    for name in reversed(NAMES):
        op.execute(f"DROP TABLE {name}")
