"""The OCI runtime that a skill asks for."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    # What was stored before asked for none.
    op.execute("ALTER TABLE skill_versions ADD COLUMN runtime text NOT NULL DEFAULT ''")
