"""Parts for the tests of the Authenticator."""

from pathlib import Path

import pytest

from tests.unit.auth.stage import Stage, write_users


@pytest.fixture
def stage() -> Stage:
    """A world of its own for each test."""
    return Stage()


@pytest.fixture
def users_file(tmp_path: Path) -> Path:
    """A credentials file with ana (secret) and eva (hidden)."""
    path = tmp_path / "users.json"
    write_users(path, ana="secret", eva="hidden")
    return path
