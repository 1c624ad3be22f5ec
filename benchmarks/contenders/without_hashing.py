"""This service with the hashing taken out: what the rest of a login costs. No contender, and no service."""

from typing import Any

from wutang_auth.cli import main
from wutang_auth.passwords import workers
from wutang_auth.passwords.hashing import Verdict


def verify_nothing(*_: Any) -> Verdict:
    """Every password is right at once."""
    return Verdict(matches=True, seconds=0.0, cpu_seconds=0.0)


if __name__ == "__main__":
    workers.verify_password = verify_nothing  # the point of this file
    main()
