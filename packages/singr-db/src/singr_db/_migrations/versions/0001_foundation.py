"""The foundation: organizations and access, jobs, idempotency, the delivery log, and the fence around tenants."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = (
    """
    CREATE TABLE organizations (
        id UUID NOT NULL,
        name TEXT NOT NULL,
        slug TEXT NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT pk_organizations PRIMARY KEY (id),
        CONSTRAINT uq_organizations_slug UNIQUE (slug)
    )
    """,
    """
    CREATE TABLE permissions (
        name TEXT NOT NULL,
        description TEXT DEFAULT '' NOT NULL,
        CONSTRAINT pk_permissions PRIMARY KEY (name)
    )
    """,
    """
    CREATE TABLE roles (
        id UUID NOT NULL,
        organization_id UUID,
        name TEXT NOT NULL,
        description TEXT DEFAULT '' NOT NULL,
        is_system BOOLEAN DEFAULT false NOT NULL,
        CONSTRAINT pk_roles PRIMARY KEY (id),
        CONSTRAINT uq_roles_organization_id_name UNIQUE NULLS NOT DISTINCT (organization_id, name),
        CONSTRAINT ck_roles_system_roles_have_no_organization CHECK (NOT is_system OR organization_id IS NULL),
        CONSTRAINT fk_roles_organization_id_organizations
            FOREIGN KEY (organization_id) REFERENCES organizations (id) ON DELETE CASCADE
    )
    """,
    """
    CREATE TABLE role_permissions (
        role_id UUID NOT NULL,
        permission TEXT NOT NULL,
        CONSTRAINT pk_role_permissions PRIMARY KEY (role_id, permission),
        CONSTRAINT fk_role_permissions_role_id_roles FOREIGN KEY (role_id) REFERENCES roles (id) ON DELETE CASCADE,
        CONSTRAINT fk_role_permissions_permission_permissions FOREIGN KEY (permission)
            REFERENCES permissions (name) ON DELETE CASCADE
    )
    """,
    "CREATE INDEX ix_role_permissions_permission ON role_permissions (permission)",
    """
    CREATE TABLE service_credentials (
        id UUID NOT NULL,
        organization_id UUID,
        key_id TEXT NOT NULL,
        name TEXT NOT NULL,
        kind TEXT NOT NULL,
        secret_hash BYTEA,
        secret_sealed BYTEA,
        scopes TEXT[] DEFAULT '{}'::text[] NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        expires_at TIMESTAMP WITH TIME ZONE,
        revoked_at TIMESTAMP WITH TIME ZONE,
        last_used_at TIMESTAMP WITH TIME ZONE,
        CONSTRAINT pk_service_credentials PRIMARY KEY (id),
        CONSTRAINT ck_service_credentials_kind CHECK (kind IN ('api_key', 'signing')),
        CONSTRAINT ck_service_credentials_secret_fits_kind CHECK (
            CASE kind WHEN 'api_key' THEN secret_hash IS NOT NULL AND secret_sealed IS NULL
            ELSE secret_sealed IS NOT NULL AND secret_hash IS NULL END
        ),
        CONSTRAINT fk_service_credentials_organization_id_organizations
            FOREIGN KEY (organization_id) REFERENCES organizations (id) ON DELETE CASCADE,
        CONSTRAINT uq_service_credentials_key_id UNIQUE (key_id)
    )
    """,
    "CREATE INDEX ix_service_credentials_organization_id ON service_credentials (organization_id)",
    """
    CREATE TABLE request_nonces (
        key_id TEXT NOT NULL,
        nonce TEXT NOT NULL,
        expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT pk_request_nonces PRIMARY KEY (key_id, nonce)
    )
    """,
    "CREATE INDEX ix_request_nonces_expires_at ON request_nonces (expires_at)",
    """
    CREATE TABLE jobs (
        id UUID NOT NULL,
        organization_id UUID NOT NULL,
        type TEXT NOT NULL,
        queue TEXT NOT NULL,
        status TEXT DEFAULT 'pending' NOT NULL,
        priority SMALLINT DEFAULT 1 NOT NULL,
        payload JSONB NOT NULL,
        result JSONB,
        error JSONB,
        progress SMALLINT DEFAULT 0 NOT NULL,
        attempt SMALLINT DEFAULT 0 NOT NULL,
        max_attempts SMALLINT NOT NULL,
        backoff DOUBLE PRECISION NOT NULL,
        timeout DOUBLE PRECISION NOT NULL,
        unique_key TEXT,
        run_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        started_at TIMESTAMP WITH TIME ZONE,
        finished_at TIMESTAMP WITH TIME ZONE,
        leased_until TIMESTAMP WITH TIME ZONE,
        lease_token BIGINT,
        worker TEXT,
        cancel_requested BOOLEAN DEFAULT false NOT NULL,
        solo BOOLEAN DEFAULT false NOT NULL,
        correlation_id TEXT,
        traceparent TEXT,
        created_by TEXT,
        CONSTRAINT pk_jobs PRIMARY KEY (id),
        CONSTRAINT ck_jobs_status
            CHECK (status IN ('pending', 'dispatched', 'processing', 'completed', 'failed', 'cancelled')),
        CONSTRAINT ck_jobs_priority CHECK (priority BETWEEN 0 AND 2),
        CONSTRAINT ck_jobs_progress CHECK (progress BETWEEN 0 AND 100),
        CONSTRAINT ck_jobs_attempts CHECK (attempt >= 0 AND max_attempts >= 1),
        CONSTRAINT ck_jobs_durations CHECK (backoff >= 0 AND timeout > 0)
    ) PARTITION BY RANGE (id)
    """,
    "CREATE INDEX jobs_by_organization ON jobs (organization_id, id)",
    "CREATE INDEX jobs_due ON jobs (queue, organization_id, priority, run_at) WHERE status = 'pending' AND NOT solo",
    "CREATE INDEX jobs_solo ON jobs (run_at) WHERE status = 'pending' AND solo",
    "CREATE INDEX jobs_failed ON jobs (organization_id, id) WHERE status = 'failed'",
    "CREATE INDEX jobs_leased ON jobs (leased_until) WHERE status IN ('dispatched', 'processing')",
    """
    CREATE TABLE job_unique_keys (
        organization_id UUID NOT NULL,
        type TEXT NOT NULL,
        unique_key TEXT NOT NULL,
        job_id UUID NOT NULL,
        CONSTRAINT pk_job_unique_keys PRIMARY KEY (organization_id, type, unique_key)
    )
    """,
    "CREATE INDEX ix_job_unique_keys_job_id ON job_unique_keys (job_id)",
    """
    CREATE TABLE job_attempts (
        job_id UUID NOT NULL,
        attempt SMALLINT NOT NULL,
        organization_id UUID NOT NULL,
        outcome TEXT NOT NULL,
        error JSONB,
        worker TEXT,
        started_at TIMESTAMP WITH TIME ZONE,
        finished_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT pk_job_attempts PRIMARY KEY (job_id, attempt),
        CONSTRAINT ck_job_attempts_outcome CHECK (outcome IN ('failed', 'timed_out', 'lost', 'cancelled'))
    )
    """,
    """
    CREATE TABLE idempotency_records (
        organization_id UUID NOT NULL,
        key TEXT NOT NULL,
        method TEXT NOT NULL,
        path TEXT NOT NULL,
        body_hash BYTEA NOT NULL,
        state TEXT NOT NULL,
        status_code SMALLINT,
        content_type TEXT,
        response_body BYTEA,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT pk_idempotency_records PRIMARY KEY (organization_id, key),
        CONSTRAINT ck_idempotency_records_state CHECK (state IN ('running', 'done')),
        CONSTRAINT ck_idempotency_records_done_has_an_answer CHECK (state = 'running' OR status_code IS NOT NULL)
    )
    """,
    "CREATE INDEX ix_idempotency_records_expires_at ON idempotency_records (expires_at)",
    """
    CREATE TABLE messages (
        id UUID NOT NULL,
        organization_id UUID NOT NULL,
        job_id UUID,
        user_id UUID,
        channel TEXT NOT NULL,
        kind TEXT NOT NULL,
        status TEXT DEFAULT 'queued' NOT NULL,
        recipient_sealed BYTEA NOT NULL,
        recipient_hash BYTEA NOT NULL,
        recipient_masked TEXT NOT NULL,
        content_sealed BYTEA NOT NULL,
        provider TEXT,
        provider_message_id TEXT,
        error JSONB,
        attempts SMALLINT DEFAULT 0 NOT NULL,
        correlation_id TEXT,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        sent_at TIMESTAMP WITH TIME ZONE,
        updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT pk_messages PRIMARY KEY (id),
        CONSTRAINT ck_messages_channel CHECK (channel IN ('email', 'sms', 'push')),
        CONSTRAINT ck_messages_status CHECK (
            status IN ('queued', 'dispatched', 'sent', 'delivered', 'bounced', 'failed', 'unknown', 'suppressed')
        ),
        CONSTRAINT ck_messages_attempts CHECK (attempts >= 0)
    ) PARTITION BY RANGE (id)
    """,
    "CREATE INDEX messages_by_job ON messages (job_id)",
    "CREATE INDEX messages_by_organization ON messages (organization_id, id)",
    """
    CREATE INDEX messages_by_provider ON messages (provider, provider_message_id)
        WHERE provider_message_id IS NOT NULL
    """,
    "CREATE INDEX messages_by_recipient ON messages (recipient_hash)",
    """
    CREATE TABLE message_attempts (
        message_id UUID NOT NULL,
        attempt SMALLINT NOT NULL,
        organization_id UUID NOT NULL,
        provider TEXT NOT NULL,
        status TEXT DEFAULT 'dispatched' NOT NULL,
        provider_message_id TEXT,
        error JSONB,
        idempotency_token TEXT NOT NULL,
        started_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        finished_at TIMESTAMP WITH TIME ZONE,
        CONSTRAINT pk_message_attempts PRIMARY KEY (message_id, attempt),
        CONSTRAINT ck_message_attempts_status CHECK (status IN ('dispatched', 'sent', 'failed', 'unknown'))
    )
    """,
    """
    CREATE TABLE message_quotas (
        organization_id UUID NOT NULL,
        channel TEXT NOT NULL,
        subject_hash BYTEA NOT NULL,
        window_start TIMESTAMP WITH TIME ZONE NOT NULL,
        count INTEGER DEFAULT 0 NOT NULL,
        CONSTRAINT pk_message_quotas PRIMARY KEY (organization_id, channel, subject_hash, window_start),
        CONSTRAINT ck_message_quotas_channel CHECK (channel IN ('email', 'sms', 'push')),
        CONSTRAINT ck_message_quotas_count CHECK (count >= 0)
    )
    """,
    "CREATE INDEX ix_message_quotas_window_start ON message_quotas (window_start)",
)

TENANT = "(SELECT nullif(current_setting('singr.organization_id', true), '')::uuid)"
OWNED = (
    "service_credentials",
    "jobs",
    "job_unique_keys",
    "job_attempts",
    "idempotency_records",
    "messages",
    "message_attempts",
    "message_quotas",
)
OWN_ROLE = f"EXISTS (SELECT FROM roles WHERE roles.id = role_id AND roles.organization_id = {TENANT})"
# No policy and no grant: what is not named here stays closed to tenants. The setting is read in a sub-select so that
# it is evaluated once a query and not once a row.
FENCE = (
    # Where PUBLIC was shut out of the schema; elsewhere it changes nothing.
    "DO $$ BEGIN EXECUTE format('GRANT USAGE ON SCHEMA %I TO singr_tenant', current_schema()); END $$",
    *(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY" for table in (*OWNED, "organizations", "roles")),
    "ALTER TABLE role_permissions ENABLE ROW LEVEL SECURITY",
    "ALTER TABLE request_nonces ENABLE ROW LEVEL SECURITY",
    *(
        f"CREATE POLICY tenant ON {table} TO singr_tenant"
        f" USING (organization_id = {TENANT}) WITH CHECK (organization_id = {TENANT})"
        for table in OWNED
    ),
    *(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO singr_tenant" for table in OWNED),
    f"CREATE POLICY tenant ON organizations TO singr_tenant USING (id = {TENANT}) WITH CHECK (id = {TENANT})",
    "GRANT SELECT, UPDATE (name, slug) ON organizations TO singr_tenant",
    f"""
    CREATE POLICY tenant ON roles TO singr_tenant
        USING (organization_id = {TENANT}) WITH CHECK (organization_id = {TENANT} AND NOT is_system)
    """,
    f"""
    CREATE POLICY tenant_reads_system_roles ON roles FOR SELECT TO singr_tenant
        USING (organization_id IS NULL AND is_system AND {TENANT} IS NOT NULL)
    """,
    "GRANT SELECT, INSERT, UPDATE, DELETE ON roles TO singr_tenant",
    f"CREATE POLICY tenant ON role_permissions TO singr_tenant USING ({OWN_ROLE}) WITH CHECK ({OWN_ROLE})",
    """
    CREATE POLICY tenant_reads_system_roles ON role_permissions FOR SELECT TO singr_tenant
        USING (EXISTS (SELECT FROM roles WHERE roles.id = role_id AND roles.is_system))
    """,
    "GRANT SELECT, INSERT, DELETE ON role_permissions TO singr_tenant",
    "GRANT SELECT ON permissions TO singr_tenant",
)

# The DEFAULT partitions take what no weekly partition covers; tenants reach partitions through the parent only.
DEFAULT_PARTITIONS = tuple(
    statement
    for table in ("jobs", "messages")
    for statement in (
        f"CREATE TABLE {table}_default PARTITION OF {table} DEFAULT",
        f"ALTER TABLE {table}_default ENABLE ROW LEVEL SECURITY",
        f"REVOKE ALL ON {table}_default FROM PUBLIC, singr_tenant",
    )
)

DROPPED = (
    "message_quotas",
    "message_attempts",
    "messages",
    "idempotency_records",
    "job_attempts",
    "job_unique_keys",
    "jobs",
    "request_nonces",
    "service_credentials",
    "role_permissions",
    "roles",
    "permissions",
    "organizations",
)


def upgrade() -> None:
    for statement in (*TABLES, *FENCE, *DEFAULT_PARTITIONS):
        op.execute(statement)


def downgrade() -> None:
    # The tenant role stays: it belongs to the cluster, where other databases may use it.
    for table in DROPPED:
        op.execute(f"DROP TABLE {table}")
