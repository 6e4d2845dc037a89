"""What Alembic runs: the migrations, on the connection that ``database.upgrade`` gives it."""

# pylint: disable=no-member  # Alembic fills its modules when it runs
from alembic import context

from iceflix.catalog.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite changes a table by copying it
)
with context.begin_transaction():
    context.run_migrations()
