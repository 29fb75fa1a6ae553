"""What organizations subscribed to at Stripe."""

from alembic import op

revision = "0049"
down_revision = "0048"
branch_labels = None
depends_on = None

OURS = "organization_id = (SELECT nullif(current_setting('singr.organization_id', true), '')::uuid)"
STATEMENTS = (
    """
    CREATE TABLE subscriptions (
        id UUID NOT NULL,
        organization_id UUID NOT NULL,
        subscription TEXT NOT NULL,
        customer TEXT NOT NULL,
        price TEXT,
        plan TEXT,
        status TEXT NOT NULL,
        period_start TIMESTAMP WITH TIME ZONE,
        period_end TIMESTAMP WITH TIME ZONE,
        ends_with_period BOOLEAN DEFAULT false NOT NULL,
        turn BIGINT,
        fetched_at TIMESTAMP WITH TIME ZONE,
        event_created TIMESTAMP WITH TIME ZONE,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT pk_subscriptions PRIMARY KEY (id),
        CONSTRAINT fk_subscriptions_organization_id_organizations
            FOREIGN KEY (organization_id) REFERENCES organizations (id) ON DELETE CASCADE
    )
    """,
    "CREATE UNIQUE INDEX uq_subscriptions_subscription ON subscriptions (subscription)",
    "CREATE INDEX subscriptions_by_organization ON subscriptions (organization_id, id)",
    "ALTER TABLE subscriptions ENABLE ROW LEVEL SECURITY",
    f"CREATE POLICY tenant ON subscriptions TO singr_tenant USING ({OURS}) WITH CHECK ({OURS})",
    # Workers write them: what stands there was said by Stripe.
    "GRANT SELECT, DELETE ON subscriptions TO singr_tenant",
    # One order of all fetches, which no clock that goes back disturbs.
    "CREATE SEQUENCE subscription_fetches OWNED BY subscriptions.turn",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE subscriptions")
