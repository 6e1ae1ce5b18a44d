"""Events of ended executions that were moved to the object store."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.execute("ALTER TABLE executions ADD COLUMN events_moved boolean NOT NULL DEFAULT false")
    op.execute("CREATE INDEX executions_ended ON executions (finished_at)")
    op.execute("CREATE INDEX executions_to_move ON executions (finished_at) WHERE NOT events_moved")
