"""What these tests share: they are about something else than the time that a password takes."""

from support.passwords import remembered_comparisons

__all__ = ["remembered_comparisons"]
