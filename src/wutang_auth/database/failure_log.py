"""What only an operator can change, told in the log once, and once more when it is over."""

import logging
from collections.abc import Hashable

logger = logging.getLogger(__name__)


class FailureLog:
    """One line for each change, however many requests fail meanwhile."""

    __slots__ = ("failing",)

    def __init__(self) -> None:
        self.failing: dict[Hashable, str] = {}
        """Why, for each statement that does not succeed now; None is the connection."""

    def failed(self, what: Hashable, why: str) -> None:
        """A statement did not succeed."""
        is_known = why in self.failing.values()
        self.failing[what] = why
        if not is_known:
            logger.error("the database cannot be used: %s", why)

    def succeeded(self, what: Hashable) -> None:
        """A statement succeeded."""
        why = self.failing.pop(what, None)
        if why is not None and why not in self.failing.values():
            logger.warning("over: the database could not be used: %s", why)
