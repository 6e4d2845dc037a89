"""${message}."""

# pylint: disable=no-member  # Alembic fills its modules when it runs
from alembic import op

# pylint: disable=invalid-name  # Alembic fixes the names
revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = ${repr(branch_labels)}
depends_on = ${repr(depends_on)}


def upgrade() -> None:
    """Go from ${down_revision} to ${up_revision}."""
    ${upgrades if upgrades else "op.execute('')"}
