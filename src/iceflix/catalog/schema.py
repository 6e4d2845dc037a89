"""The tables of the catalogue, as SQLAlchemy sees them. ``migrations`` makes them.

Titles are never deleted: a medium that is gone today may be announced again tomorrow, with the
name and tags that people gave it. So a title's number stands for the same id for ever.
"""

from sqlalchemy import (
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    column,
    table,
)
from sqlalchemy.sql.functions import coalesce

HEAD = "0002"  # the revision that this program works with
KNOWN = ("0001", "0002")  # all revisions, the oldest first

metadata = MetaData()
# In the order of the letters' numbers, on PostgreSQL as on SQLite, whatever the server's language.
letters = Text().with_variant(Text(collation="C"), "postgresql")

title = Table(
    "title",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("id", letters, nullable=False),
    Column("name", Text, nullable=False),
    Column("name_key", letters, nullable=False),  # text.exact_key(name)
    Column("folded", letters),  # text.folded(name); NULL where that is the name's key
    UniqueConstraint("id", name="title_by_id"),
    Index("title_by_name", "name_key"),
)

FOLDED = coalesce(title.c.folded, title.c.name_key)

tag = Table(
    "tag",
    metadata,
    Column("title", Integer, ForeignKey("title.number"), primary_key=True),
    Column("key", letters, primary_key=True),  # text.exact_key(label)
    Column("label", Text, nullable=False),  # as the first writer typed it
    Column("position", Integer, nullable=False),  # order of adding
    Index("tag_by_key", "key", "title"),
    sqlite_with_rowid=False,
)

version = table("alembic_version", column("version_num"))
