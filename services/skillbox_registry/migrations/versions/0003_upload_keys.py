"""Idempotency keys of uploads."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE upload_keys (
            tenant_id text NOT NULL,
            key text NOT NULL,
            digest text NOT NULL,
            reply text,
            created_at timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (tenant_id, key)
        )
        """
    )
