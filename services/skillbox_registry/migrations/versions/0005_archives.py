"""Archives in the object store, so that those which no version needs can be removed."""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.execute("CREATE TABLE archives (digest text PRIMARY KEY, unneeded_since timestamptz)")
    op.execute("INSERT INTO archives (digest) SELECT DISTINCT digest FROM skill_versions")
