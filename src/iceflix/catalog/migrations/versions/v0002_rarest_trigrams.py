"""A trigram index that keeps no names and no positions; on PostgreSQL, the one of pg_trgm."""

# pylint: disable=no-member  # Alembic fills its modules when it runs
from alembic import op

# pylint: disable=invalid-name  # Alembic fixes the names
revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_SQLITE = (
    "ALTER TABLE title ADD COLUMN folded TEXT",
    """
    UPDATE title SET folded = old.folded FROM title_trigram AS old
    WHERE old.rowid = title.number AND old.folded <> title.name_key
    """,
    "DROP TABLE title_trigram",
    """
    CREATE VIRTUAL TABLE title_trigram USING fts5(
        folded, content='', columnsize=0, detail=none, tokenize='trigram case_sensitive 1')
    """,
    """
    INSERT INTO title_trigram (rowid, folded)
    SELECT number, coalesce(folded, name_key) FROM title ORDER BY number
    """,
    # The ids that are shorter than a SHA-256, of which there are few or none.
    "CREATE INDEX title_short ON title (number) WHERE length(id) < 64",
)
_POSTGRESQL = (
    "CREATE EXTENSION IF NOT EXISTS pg_trgm",
    'ALTER TABLE title ADD COLUMN folded TEXT COLLATE "C"',
    # Without a list of what is still to be taken up, through which every search would go.
    """
    CREATE INDEX title_by_trigram ON title
    USING gin (coalesce(folded, name_key) gin_trgm_ops) WITH (fastupdate = off)
    """,
)


def upgrade() -> None:
    """Go from 0001 to 0002."""
    for statement in _SQLITE if op.get_bind().dialect.name == "sqlite" else _POSTGRESQL:
        op.execute(statement)
