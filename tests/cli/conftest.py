"""What the tests of commands share."""

import pytest

from support.commands import Shell


@pytest.fixture
def shell(environment: dict[str, str]) -> Shell:
    """Commands on this test's database."""
    return Shell(environment)
