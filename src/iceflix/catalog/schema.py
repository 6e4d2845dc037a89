"""The tables of the catalogue, as SQLAlchemy sees them. ``migrations`` makes them.

Titles are never deleted: a medium that is gone today may be announced again tomorrow, with the
name and tags that people gave it.
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

HEAD = "0001"  # the revision that this program works with
KNOWN = ("0001",)  # all revisions, the oldest first

metadata = MetaData()

title = Table(
    "title",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("name_key", Text, nullable=False),  # text.exact_key(name)
    UniqueConstraint("id", name="title_by_id"),
    Index("title_by_name", "name_key"),
)

tag = Table(
    "tag",
    metadata,
    Column("title", Integer, ForeignKey("title.number"), primary_key=True),
    Column("key", Text, primary_key=True),  # text.exact_key(label)
    Column("label", Text, nullable=False),  # as the first writer typed it
    Column("position", Integer, nullable=False),  # order of adding
    Index("tag_by_key", "key", "title"),
    sqlite_with_rowid=False,
)

version = table("alembic_version", column("version_num"))
