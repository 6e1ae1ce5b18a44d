"""API keys."""

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE api_keys (
            id uuid PRIMARY KEY,
            tenant_id text NOT NULL,
            name text NOT NULL,
            scopes text[] NOT NULL,
            prefix text NOT NULL,
            secret_sha256 bytea NOT NULL UNIQUE CHECK (octet_length(secret_sha256) = 32),
            created_at timestamptz NOT NULL,
            expires_at timestamptz,
            last_used_at timestamptz,
            revoked_at timestamptz,
            replaced_by uuid REFERENCES api_keys (id) DEFERRABLE INITIALLY DEFERRED
        )
        """
    )
    op.execute(
        "CREATE INDEX api_keys_newest_first ON api_keys (tenant_id, created_at DESC, id DESC)"
    )
