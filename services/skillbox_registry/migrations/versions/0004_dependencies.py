"""What became of the packages that skills ask for, by their archives."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    # What was stored before is looked at when it runs.
    op.execute("ALTER TABLE skill_versions ADD COLUMN packages text NOT NULL DEFAULT ''")
    op.execute(
        """
        CREATE TABLE archive_dependencies (
            digest text PRIMARY KEY CHECK (digest ~ '^[0-9a-f]{64}$'),
            status text NOT NULL,
            error text NOT NULL,
            updated_at timestamptz NOT NULL DEFAULT now()
        )
        """
    )
