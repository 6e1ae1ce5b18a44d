"""Executions and their events."""

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE executions (
            id uuid PRIMARY KEY,
            tenant_id text NOT NULL,
            skill_name text NOT NULL,
            skill_version text NOT NULL,
            status text NOT NULL,
            reason text,
            error text NOT NULL DEFAULT '',
            input_json text NOT NULL,
            output_json text,
            files text[] NOT NULL DEFAULT '{}',
            exit_code int,
            duration_ms int NOT NULL DEFAULT 0,
            created_at timestamptz NOT NULL,
            started_at timestamptz,
            finished_at timestamptz,
            sandbox json,
            owner text NOT NULL
        )
        """
    )
    op.execute("CREATE INDEX executions_newest ON executions (tenant_id, created_at DESC, id DESC)")
    op.execute(
        "CREATE INDEX executions_unfinished ON executions (owner) "
        "WHERE status IN ('queued', 'running')"
    )
    op.execute(
        """
        CREATE TABLE events (
            execution_id uuid NOT NULL REFERENCES executions (id) ON DELETE CASCADE,
            seq bigint NOT NULL,
            time timestamptz NOT NULL,
            kind text NOT NULL,
            stream text NOT NULL DEFAULT '',
            data bytea NOT NULL DEFAULT '',
            detail json NOT NULL DEFAULT '{}',
            PRIMARY KEY (execution_id, seq)
        )
        """
    )
