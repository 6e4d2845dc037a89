"""Titles, tags, and, in SQLite, the two indexes that find a title by a part of its name."""

# pylint: disable=no-member  # Alembic fills its modules when it runs
import sqlalchemy as sa
from alembic import op

# pylint: disable=invalid-name  # Alembic fixes the names
revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# Parts of three letters and more. It keeps the folded names; sequences of letters are found as
# phrases of trigrams, which is exact, since the text is folded already.
_TRIGRAMS = """
CREATE VIRTUAL TABLE title_trigram USING fts5(
    folded, columnsize=0, tokenize='trigram case_sensitive 1')
"""
# Single letters and pairs (text.grams). Keeps nothing but the index itself.
_GRAMS = """
CREATE VIRTUAL TABLE title_gram USING fts5(
    grams, content='', columnsize=0, detail=none, tokenize='unicode61')
"""


# Compared and ordered letter by letter.
_LETTERS = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make everything."""
    op.create_table(
        "title",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("id", _LETTERS, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("name_key", _LETTERS, nullable=False),
        sa.UniqueConstraint("id", name="title_by_id"),
    )
    op.create_index("title_by_name", "title", ["name_key"])
    op.create_table(
        "tag",
        sa.Column("title", sa.Integer, sa.ForeignKey("title.number"), primary_key=True),
        sa.Column("key", _LETTERS, primary_key=True),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("tag_by_key", "tag", ["key", "title"])
    if op.get_bind().dialect.name == "sqlite":
        op.execute(_TRIGRAMS)
        op.execute(_GRAMS)
