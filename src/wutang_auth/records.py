"""Records: what passes through every request by the dozen, and nobody changes."""

from dataclasses import dataclass
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True)
def record(cls: type[T]) -> type[T]:
    """A dataclass with slots that the type checker holds to be frozen.

    The interpreter does not, since a frozen one of eight fields takes 1.4 µs to make instead of 0.2, at each request.
    """
    return dataclass(slots=True)(cls)
