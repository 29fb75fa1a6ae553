"""Schedules: what becomes a job at its times, and each time once."""

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

OURS = "organization_id = (SELECT nullif(current_setting('singr.organization_id', true), '')::uuid)"
STATEMENTS = (
    """
    CREATE TABLE schedules (
        id UUID NOT NULL,
        organization_id UUID NOT NULL,
        name TEXT NOT NULL,
        state TEXT DEFAULT 'active' NOT NULL,
        cron TEXT,
        time_zone TEXT,
        every DOUBLE PRECISION,
        once_at TIMESTAMP WITH TIME ZONE,
        anchor_at TIMESTAMP WITH TIME ZONE NOT NULL,
        starts_at TIMESTAMP WITH TIME ZONE,
        ends_at TIMESTAMP WITH TIME ZONE,
        jitter DOUBLE PRECISION DEFAULT 0 NOT NULL,
        missed TEXT DEFAULT 'latest' NOT NULL,
        missed_within DOUBLE PRECISION NOT NULL,
        overlap TEXT DEFAULT 'skip' NOT NULL,
        type TEXT NOT NULL,
        job JSONB,
        request BYTEA,
        created_by TEXT,
        rules TEXT,
        next_fire_at TIMESTAMP WITH TIME ZONE,
        late_by DOUBLE PRECISION DEFAULT 0 NOT NULL,
        due_at TIMESTAMP WITH TIME ZONE,
        asked_at TIMESTAMP WITH TIME ZONE,
        held_at TIMESTAMP WITH TIME ZONE,
        last_fire_at TIMESTAMP WITH TIME ZONE,
        last_job_id UUID,
        problem TEXT,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT pk_schedules PRIMARY KEY (id),
        CONSTRAINT uq_schedules_organization_id_name UNIQUE (organization_id, name),
        CONSTRAINT ck_schedules_state CHECK (state IN ('active', 'paused', 'ended')),
        CONSTRAINT ck_schedules_missed CHECK (missed IN ('latest', 'skip', 'all')),
        CONSTRAINT ck_schedules_overlap CHECK (overlap IN ('skip', 'queue', 'cancel_running')),
        CONSTRAINT ck_schedules_one_rule CHECK (num_nonnulls(cron, every, once_at) = 1),
        CONSTRAINT ck_schedules_one_source CHECK (num_nonnulls(job, request) = 1),
        CONSTRAINT fk_schedules_organization_id_organizations
            FOREIGN KEY (organization_id) REFERENCES organizations (id) ON DELETE CASCADE
    )
    """,
    "CREATE INDEX schedules_due ON schedules (due_at) WHERE due_at IS NOT NULL",
    "CREATE INDEX schedules_by_organization ON schedules (organization_id, id)",
    """
    CREATE TABLE schedule_fires (
        schedule_id UUID NOT NULL,
        fire_at TIMESTAMP WITH TIME ZONE NOT NULL,
        id UUID NOT NULL,
        organization_id UUID NOT NULL,
        outcome TEXT NOT NULL,
        until TIMESTAMP WITH TIME ZONE,
        job_id UUID,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT pk_schedule_fires PRIMARY KEY (schedule_id, fire_at),
        CONSTRAINT ck_schedule_fires_outcome CHECK (outcome IN ('fired', 'asked', 'skipped', 'missed', 'refused'))
    )
    """,
    "CREATE INDEX schedule_fires_by_id ON schedule_fires (schedule_id, id)",
    "CREATE INDEX schedule_fires_with_job ON schedule_fires (schedule_id, fire_at) WHERE job_id IS NOT NULL",
    "CREATE INDEX ix_schedule_fires_created_at ON schedule_fires (created_at)",
    *(
        statement
        for table in ("schedules", "schedule_fires")
        for statement in (
            f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
            f"CREATE POLICY tenant ON {table} TO singr_tenant USING ({OURS}) WITH CHECK ({OURS})",
        )
    ),
    "GRANT SELECT, INSERT, UPDATE, DELETE ON schedules TO singr_tenant",
    # A time that is written down is met by nobody else: tenants write none.
    "GRANT SELECT, DELETE ON schedule_fires TO singr_tenant",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE schedule_fires")
    op.execute("DROP TABLE schedules")
