"""Waiting work, idempotency keys, cancellation and replicas."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute(
        """
        ALTER TABLE executions
            ALTER COLUMN owner DROP NOT NULL,
            ADD COLUMN work text,
            ADD COLUMN cancel_requested boolean NOT NULL DEFAULT false,
            ADD COLUMN idempotency_key text,
            ADD COLUMN request_hash bytea
        """
    )
    op.execute(
        "CREATE UNIQUE INDEX executions_idempotency ON executions (tenant_id, idempotency_key) "
        "WHERE idempotency_key IS NOT NULL"
    )
    op.execute(
        "CREATE INDEX executions_waiting ON executions (tenant_id, created_at, id) "
        "WHERE status = 'queued' AND owner IS NULL"
    )
    # Beats count up: a replica is judged by whether they go on, never by a clock.
    op.execute(
        """
        CREATE TABLE replicas (
            id text PRIMARY KEY,
            beat bigint NOT NULL,
            beaten_at timestamptz NOT NULL
        )
        """
    )
    op.execute("CREATE SEQUENCE turns")
    op.execute(
        """
        CREATE TABLE tenants (
            id text PRIMARY KEY,
            last_turn bigint,
            tokens double precision,
            tokens_at timestamptz
        )
        """
    )
    # What ran under the first revision has no work to hand on: it is ended when its executor
    # is back, or does not come back.
