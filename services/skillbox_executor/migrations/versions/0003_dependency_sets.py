"""Packages that were installed for skills."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE dependency_sets (
            key text PRIMARY KEY CHECK (key ~ '^[0-9a-f]{64}$'),
            digest text NOT NULL,
            error text NOT NULL,
            size_bytes bigint NOT NULL,
            created_at timestamptz NOT NULL DEFAULT now(),
            used_at timestamptz NOT NULL DEFAULT now()
        )
        """
    )
    op.execute("CREATE INDEX dependency_sets_used ON dependency_sets (used_at)")
    op.execute("CREATE INDEX dependency_sets_digest ON dependency_sets (digest)")
