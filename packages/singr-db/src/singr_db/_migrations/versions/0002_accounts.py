"""Accounts: people and their places in organizations, signing in, second factors, the audit trail, access changes."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

PLATFORM_ORGANIZATION = "01920000-0000-7000-8000-000000000000"

PEOPLE = (
    """
    CREATE TABLE users (
        id UUID NOT NULL,
        account_type TEXT NOT NULL,
        status TEXT DEFAULT 'pending' NOT NULL,
        name TEXT NOT NULL,
        email TEXT,
        email_key TEXT,
        email_verified_at TIMESTAMP WITH TIME ZONE,
        phone_sealed BYTEA,
        phone_hash BYTEA,
        phone_masked TEXT,
        phone_verified_at TIMESTAMP WITH TIME ZONE,
        password_hash TEXT,
        password_changed_at TIMESTAMP WITH TIME ZONE,
        role_id UUID,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        last_sign_in_at TIMESTAMP WITH TIME ZONE,
        disabled_at TIMESTAMP WITH TIME ZONE,
        deleted_at TIMESTAMP WITH TIME ZONE,
        CONSTRAINT pk_users PRIMARY KEY (id),
        CONSTRAINT uq_users_email_key UNIQUE (email_key),
        CONSTRAINT ck_users_account_type CHECK (account_type IN ('customer', 'singer')),
        CONSTRAINT ck_users_status CHECK (status IN ('pending', 'active', 'disabled', 'deleted')),
        CONSTRAINT ck_users_living_users_have_an_address
            CHECK (status = 'deleted' OR (email IS NOT NULL AND email_key IS NOT NULL)),
        CONSTRAINT ck_users_phone_is_whole CHECK (num_nulls(phone_sealed, phone_hash, phone_masked) IN (0, 3)),
        CONSTRAINT ck_users_verified_phone_is_there CHECK (phone_verified_at IS NULL OR phone_hash IS NOT NULL),
        CONSTRAINT fk_users_role_id_roles FOREIGN KEY (role_id) REFERENCES roles (id)
    )
    """,
    "CREATE UNIQUE INDEX users_by_verified_phone ON users (phone_hash) WHERE phone_verified_at IS NOT NULL",
    "CREATE INDEX ix_users_role_id ON users (role_id)",
    """
    CREATE TABLE memberships (
        organization_id UUID NOT NULL,
        user_id UUID NOT NULL,
        role_id UUID NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        invited_by UUID,
        CONSTRAINT pk_memberships PRIMARY KEY (organization_id, user_id),
        CONSTRAINT fk_memberships_organization_id_organizations
            FOREIGN KEY (organization_id) REFERENCES organizations (id) ON DELETE CASCADE,
        CONSTRAINT fk_memberships_user_id_users FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,
        CONSTRAINT fk_memberships_role_id_roles FOREIGN KEY (role_id) REFERENCES roles (id)
    )
    """,
    "CREATE INDEX ix_memberships_user_id ON memberships (user_id)",
    "CREATE INDEX ix_memberships_role_id ON memberships (role_id)",
    """
    CREATE TABLE invitations (
        id UUID NOT NULL,
        organization_id UUID NOT NULL,
        email TEXT NOT NULL,
        email_key TEXT NOT NULL,
        role_id UUID NOT NULL,
        token_hash BYTEA NOT NULL,
        invited_by UUID,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        sent_at TIMESTAMP WITH TIME ZONE,
        expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
        accepted_at TIMESTAMP WITH TIME ZONE,
        accepted_by UUID,
        revoked_at TIMESTAMP WITH TIME ZONE,
        CONSTRAINT pk_invitations PRIMARY KEY (id),
        CONSTRAINT uq_invitations_token_hash UNIQUE (token_hash),
        CONSTRAINT fk_invitations_organization_id_organizations
            FOREIGN KEY (organization_id) REFERENCES organizations (id) ON DELETE CASCADE,
        CONSTRAINT fk_invitations_role_id_roles FOREIGN KEY (role_id) REFERENCES roles (id)
    )
    """,
    """
    CREATE UNIQUE INDEX invitations_open ON invitations (organization_id, email_key)
        WHERE accepted_at IS NULL AND revoked_at IS NULL
    """,
    "CREATE INDEX invitations_by_organization ON invitations (organization_id, id)",
    "CREATE INDEX ix_invitations_role_id ON invitations (role_id)",
    """
    CREATE TABLE security_events (
        id UUID NOT NULL,
        user_id UUID,
        organization_id UUID,
        actor TEXT NOT NULL,
        kind TEXT NOT NULL,
        address TEXT,
        device TEXT,
        detail JSONB DEFAULT '{}'::jsonb NOT NULL,
        correlation_id TEXT,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT pk_security_events PRIMARY KEY (id)
    )
    """,
    "CREATE INDEX security_events_by_user ON security_events (user_id, id)",
    "CREATE INDEX security_events_by_organization ON security_events (organization_id, id)",
    """
    CREATE TABLE access_changes (
        id BIGINT GENERATED ALWAYS AS IDENTITY,
        kind TEXT NOT NULL,
        subject UUID,
        changed_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
        CONSTRAINT pk_access_changes PRIMARY KEY (id),
        CONSTRAINT ck_access_changes_kind CHECK (kind IN ('session', 'user', 'organization', 'credential'))
    )
    """,
    "CREATE INDEX ix_access_changes_changed_at ON access_changes (changed_at)",
)

SIGN_IN = (
    """
    CREATE TABLE auth_sessions (
        id UUID NOT NULL,
        user_id UUID NOT NULL,
        methods TEXT[] DEFAULT '{}'::text[] NOT NULL,
        authenticated_at TIMESTAMP WITH TIME ZONE NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        last_used_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        idle_expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
        expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
        revoked_at TIMESTAMP WITH TIME ZONE,
        revoked_reason TEXT,
        device TEXT,
        user_agent TEXT,
        address TEXT,
        delivery TEXT DEFAULT 'body' NOT NULL,
        CONSTRAINT pk_auth_sessions PRIMARY KEY (id),
        CONSTRAINT ck_auth_sessions_delivery CHECK (delivery IN ('body', 'cookie')),
        CONSTRAINT fk_auth_sessions_user_id_users FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
    )
    """,
    "CREATE INDEX ix_auth_sessions_user_id ON auth_sessions (user_id)",
    "CREATE INDEX ix_auth_sessions_revoked_at ON auth_sessions (revoked_at) WHERE revoked_at IS NOT NULL",
    "CREATE INDEX ix_auth_sessions_expires_at ON auth_sessions (expires_at)",
    """
    CREATE TABLE refresh_tokens (
        token_hash BYTEA NOT NULL,
        session_id UUID NOT NULL,
        parent_hash BYTEA,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        used_at TIMESTAMP WITH TIME ZONE,
        CONSTRAINT pk_refresh_tokens PRIMARY KEY (token_hash),
        CONSTRAINT fk_refresh_tokens_session_id_auth_sessions
            FOREIGN KEY (session_id) REFERENCES auth_sessions (id) ON DELETE CASCADE
    )
    """,
    "CREATE INDEX ix_refresh_tokens_session_id ON refresh_tokens (session_id)",
    """
    CREATE TABLE one_time_tokens (
        id UUID NOT NULL,
        token_hash BYTEA NOT NULL,
        kind TEXT NOT NULL,
        user_id UUID NOT NULL,
        code_hash BYTEA,
        failed_codes SMALLINT DEFAULT 0 NOT NULL,
        data_sealed BYTEA,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
        used_at TIMESTAMP WITH TIME ZONE,
        CONSTRAINT pk_one_time_tokens PRIMARY KEY (id),
        CONSTRAINT uq_one_time_tokens_token_hash UNIQUE (token_hash),
        CONSTRAINT ck_one_time_tokens_kind
            CHECK (kind IN ('email_verification', 'email_change', 'password_reset', 'magic_link')),
        CONSTRAINT ck_one_time_tokens_failed_codes CHECK (failed_codes >= 0),
        CONSTRAINT fk_one_time_tokens_user_id_users FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
    )
    """,
    "CREATE INDEX ix_one_time_tokens_user_id ON one_time_tokens (user_id)",
    "CREATE INDEX ix_one_time_tokens_expires_at ON one_time_tokens (expires_at)",
    """
    CREATE TABLE auth_challenges (
        id UUID NOT NULL,
        token_hash BYTEA NOT NULL,
        kind TEXT NOT NULL,
        user_id UUID,
        first_factor TEXT,
        data_sealed BYTEA,
        method TEXT,
        code_hash BYTEA,
        code_expires_at TIMESTAMP WITH TIME ZONE,
        attempts SMALLINT DEFAULT 0 NOT NULL,
        sends SMALLINT DEFAULT 0 NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
        used_at TIMESTAMP WITH TIME ZONE,
        CONSTRAINT pk_auth_challenges PRIMARY KEY (id),
        CONSTRAINT uq_auth_challenges_token_hash UNIQUE (token_hash),
        CONSTRAINT ck_auth_challenges_kind
            CHECK (kind IN ('second_factor', 'phone', 'passkey_sign_in', 'passkey_registration')),
        CONSTRAINT ck_auth_challenges_counts CHECK (attempts >= 0 AND sends >= 0),
        CONSTRAINT fk_auth_challenges_user_id_users FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
    )
    """,
    "CREATE INDEX ix_auth_challenges_user_id ON auth_challenges (user_id)",
    "CREATE INDEX ix_auth_challenges_expires_at ON auth_challenges (expires_at)",
    """
    CREATE TABLE second_factors (
        user_id UUID NOT NULL,
        method TEXT NOT NULL,
        secret_sealed BYTEA,
        last_step BIGINT,
        confirmed_at TIMESTAMP WITH TIME ZONE,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        last_used_at TIMESTAMP WITH TIME ZONE,
        CONSTRAINT pk_second_factors PRIMARY KEY (user_id, method),
        CONSTRAINT ck_second_factors_method CHECK (method IN ('totp', 'sms', 'email', 'verify')),
        CONSTRAINT ck_second_factors_totp_has_a_secret CHECK ((method = 'totp') = (secret_sealed IS NOT NULL)),
        CONSTRAINT fk_second_factors_user_id_users FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
    )
    """,
    """
    CREATE TABLE backup_codes (
        user_id UUID NOT NULL,
        code_hash BYTEA NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        used_at TIMESTAMP WITH TIME ZONE,
        CONSTRAINT pk_backup_codes PRIMARY KEY (user_id, code_hash),
        CONSTRAINT fk_backup_codes_user_id_users FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
    )
    """,
    """
    CREATE TABLE passkeys (
        id UUID NOT NULL,
        user_id UUID NOT NULL,
        credential_id BYTEA NOT NULL,
        public_key BYTEA NOT NULL,
        sign_count BIGINT DEFAULT 0 NOT NULL,
        name TEXT NOT NULL,
        transports TEXT[] DEFAULT '{}'::text[] NOT NULL,
        aaguid UUID,
        backup_eligible BOOLEAN DEFAULT false NOT NULL,
        backed_up BOOLEAN DEFAULT false NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        last_used_at TIMESTAMP WITH TIME ZONE,
        CONSTRAINT pk_passkeys PRIMARY KEY (id),
        CONSTRAINT uq_passkeys_credential_id UNIQUE (credential_id),
        CONSTRAINT ck_passkeys_sign_count CHECK (sign_count >= 0),
        CONSTRAINT fk_passkeys_user_id_users FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
    )
    """,
    "CREATE INDEX ix_passkeys_user_id ON passkeys (user_id)",
    """
    CREATE TABLE devices (
        id UUID NOT NULL,
        user_id UUID NOT NULL,
        token_hash BYTEA NOT NULL,
        device TEXT,
        address TEXT,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        last_used_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
        trusted_until TIMESTAMP WITH TIME ZONE,
        revoked_at TIMESTAMP WITH TIME ZONE,
        CONSTRAINT pk_devices PRIMARY KEY (id),
        CONSTRAINT uq_devices_token_hash UNIQUE (token_hash),
        CONSTRAINT fk_devices_user_id_users FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
    )
    """,
    "CREATE INDEX ix_devices_user_id ON devices (user_id)",
    "CREATE INDEX ix_devices_expires_at ON devices (expires_at)",
    """
    CREATE TABLE sign_in_failures (
        subject_hash BYTEA NOT NULL,
        failures INTEGER DEFAULT 0 NOT NULL,
        last_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        locked_until TIMESTAMP WITH TIME ZONE,
        CONSTRAINT pk_sign_in_failures PRIMARY KEY (subject_hash),
        CONSTRAINT ck_sign_in_failures_failures CHECK (failures >= 0)
    )
    """,
    "CREATE INDEX ix_sign_in_failures_last_at ON sign_in_failures (last_at)",
)

CREDENTIALS = (
    "ALTER TABLE service_credentials ADD COLUMN created_by TEXT",
    "ALTER TABLE service_credentials ADD COLUMN replaced_by TEXT",
)

# Messages to users about their accounts belong to it. A slug is unique, and somebody may have been there first.
PLATFORM = (
    f"""
    INSERT INTO organizations (id, name, slug)
    SELECT '{PLATFORM_ORGANIZATION}', 'Singr',
        CASE WHEN EXISTS (SELECT FROM organizations WHERE slug = 'singr') THEN 'singr-platform' ELSE 'singr' END
    """,  # noqa: S608 - nothing but the constant above
)

TENANT = "(SELECT nullif(current_setting('singr.organization_id', true), '')::uuid)"
# A foreign key looks past the fence, so that the role is one to give in this organization is asked here: its own,
# or a system role of customers. Those of the platform (admin, support_admin) are given to users, by the platform.
GIVABLE_ROLE = (
    "EXISTS (SELECT FROM roles WHERE roles.id = role_id"
    f" AND (roles.organization_id = {TENANT} OR (roles.is_system AND roles.name LIKE 'customer\\_%')))"
)
OWNED = ("memberships", "invitations")
PLATFORM_ONLY = (
    "auth_sessions",
    "refresh_tokens",
    "one_time_tokens",
    "auth_challenges",
    "second_factors",
    "backup_codes",
    "passkeys",
    "devices",
    "sign_in_failures",
)
FENCE = (
    *(
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY"
        for table in ("users", *OWNED, "security_events", "access_changes", *PLATFORM_ONLY)
    ),
    *(
        f"CREATE POLICY tenant ON {table} TO singr_tenant"
        f" USING (organization_id = {TENANT}) WITH CHECK (organization_id = {TENANT} AND {GIVABLE_ROLE})"
        for table in OWNED
    ),
    *(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO singr_tenant" for table in OWNED),
    f"""
    CREATE POLICY tenant_reads_members ON users FOR SELECT TO singr_tenant
        USING (EXISTS (SELECT FROM memberships WHERE user_id = users.id AND organization_id = {TENANT}))
    """,  # noqa: S608 - nothing but the constant above
    "GRANT SELECT (id, name, email, status, created_at, last_sign_in_at) ON users TO singr_tenant",
    f"""
    CREATE POLICY tenant ON security_events TO singr_tenant
        USING (organization_id = {TENANT}) WITH CHECK (organization_id = {TENANT})
    """,
    # An audit trail is added to, never mended.
    "GRANT SELECT, INSERT ON security_events TO singr_tenant",
    # A tenant's change empties what other processes remember of access; it ends nobody's session. Readers are the
    # platform's.
    f"""
    CREATE POLICY tenant_tells_of_changes ON access_changes FOR INSERT TO singr_tenant
        WITH CHECK ({TENANT} IS NOT NULL
            AND (kind IN ('user', 'credential') OR (kind = 'organization' AND subject = {TENANT})))
    """,
    "GRANT INSERT (kind, subject) ON access_changes TO singr_tenant",
)

DROPPED = (*PLATFORM_ONLY[::-1], "access_changes", "security_events", "invitations")


def upgrade() -> None:
    for statement in (*PEOPLE, *SIGN_IN, *CREDENTIALS, *PLATFORM, *FENCE):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP POLICY tenant_reads_members ON users")
    for table in (*DROPPED, "memberships", "users"):
        op.execute(f"DROP TABLE {table}")
    op.execute("ALTER TABLE service_credentials DROP COLUMN created_by, DROP COLUMN replaced_by")
    op.execute(f"DELETE FROM organizations WHERE id = '{PLATFORM_ORGANIZATION}'")  # noqa: S608 - the constant above
