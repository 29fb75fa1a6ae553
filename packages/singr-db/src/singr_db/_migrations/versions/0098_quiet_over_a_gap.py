"""Quiet hours that begin in an hour which a clock leaves out begin as it goes over that hour."""

from alembic import op

revision = "0098"
down_revision = "0097"
branch_labels = None
depends_on = None

# The end of the quiet hours that a moment lies in, and of those that begin before they have ended; null outside. Where
# a clock shows a time twice, PostgreSQL means the second; the first is by the offset of the day before. Where it leaves
# a time out, PostgreSQL means a later one by that clock: they have begun as soon as it shows one that is past theirs.
QUIET_UNTIL = """
    CREATE OR REPLACE FUNCTION quiet_until(moment timestamptz, zone text, starts time, ends time, days smallint[])
    RETURNS timestamptz
    LANGUAGE plpgsql STABLE SET search_path = {schema}, pg_temp
    AS $function$
    DECLARE
        known text;
        today date;
        day date;
        until timestamptz;
        begins timestamptz;
        found timestamptz := moment;
        eve timestamptz;
        first timestamptz;
        shown interval;
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
                IF until > found THEN
                    begins := (day + starts) AT TIME ZONE known;
                    IF begins > found THEN
                        eve := begins - interval '24 hours';
                        shown := day + starts - (eve AT TIME ZONE known);
                        first := eve + make_interval(secs => extract(epoch FROM shown)::float8);
                        IF first < begins AND first AT TIME ZONE known = day + starts THEN
                            begins := first;
                        END IF;
                    END IF;
                    IF begins <= found%(over)s THEN
                        found := until;
                    END IF;
                END IF;
            END IF;
        END LOOP;
        RETURN nullif(found, moment);
    END
    $function$
"""
OVER = " OR found AT TIME ZONE known >= day + starts"


def upgrade() -> None:
    replace(over=OVER)


def downgrade() -> None:
    replace(over="")


def replace(**parts: str) -> None:
    schema = op.get_bind().exec_driver_sql("SELECT quote_ident(current_schema())").scalar_one()
    op.execute((QUIET_UNTIL % parts).replace("{schema}", schema))
