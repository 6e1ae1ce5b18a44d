"""One row for each version of each tenant's skills."""

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    # Names and versions sort by their bytes: the order of lists must not hang on a locale.
    op.execute(
        """
        CREATE TABLE skill_versions (
            tenant_id text NOT NULL,
            name text COLLATE "C" NOT NULL,
            version text COLLATE "C" NOT NULL,
            version_key text COLLATE "C" NOT NULL,
            is_release boolean NOT NULL,
            description text NOT NULL,
            lang text NOT NULL,
            image text NOT NULL,
            timeout text NOT NULL,
            cpu text NOT NULL,
            memory text NOT NULL,
            instructions text NOT NULL,
            entrypoint text NOT NULL,
            root text NOT NULL,
            input_schema text NOT NULL,
            output_schema text NOT NULL,
            digest text NOT NULL CHECK (digest ~ '^[0-9a-f]{64}$'),
            size_bytes integer NOT NULL CHECK (size_bytes > 0),
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (tenant_id, name, version)
        )
        """
    )
    op.execute("CREATE INDEX skill_versions_order ON skill_versions (tenant_id, name, version_key)")
    op.execute(
        "CREATE INDEX skill_versions_latest "
        "ON skill_versions (tenant_id, name, is_release, version_key)"
    )
    # For the sweep of archives that no row names.
    op.execute("CREATE INDEX skill_versions_digest ON skill_versions (digest)")
