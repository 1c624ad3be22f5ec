"""Slots, by themselves: who gets what when there is less than all want."""

import asyncio
from dataclasses import dataclass, field
from math import inf

import pytest

from wutang_auth.database.slots import NoMoreToBeHad, Slots
from wutang_auth.errors import DatabaseUnavailable


@dataclass(eq=False)
class Thing:
    is_cut: bool = False

    def is_closed(self) -> bool:
        return self.is_cut

    def cut(self) -> None:
        self.is_cut = True


@dataclass
class Maker:
    """Makes things, or raises what it was told to."""

    refusal: Exception | None = None
    made: list[Thing] = field(default_factory=list)

    async def make(self, _deadline: float) -> Thing:
        await asyncio.sleep(0)
        if self.refusal is not None:
            raise self.refusal
        self.made.append(Thing())
        return self.made[-1]


async def turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_no_more_are_made_than_there_are_slots_and_the_first_to_come_is_first() -> None:
    maker = Maker()
    slots = Slots(1, maker.make, max_wait=60)
    thing = await slots.acquire(inf)
    first, second = (asyncio.create_task(slots.acquire(inf)) for _ in range(2))
    await turns()
    slots.release(thing)
    assert await first is thing
    assert not second.done()
    slots.release(thing)
    assert await second is thing
    slots.release(thing)
    assert slots.take() is thing
    assert len(maker.made) == 1


async def test_one_that_is_lost_is_replaced_for_whoever_waits() -> None:
    maker = Maker()
    slots = Slots(1, maker.make, max_wait=60)
    thing = await slots.acquire(inf)
    waiting = asyncio.create_task(slots.acquire(inf))
    await turns()
    slots.release(thing, is_usable=False)
    assert await waiting is not thing
    assert thing.is_cut


async def test_what_is_expired_is_not_used_again_be_it_idle_in_use_or_being_made() -> None:
    maker = Maker()
    slots = Slots(3, maker.make, max_wait=60)
    idle, in_use = await slots.acquire(inf), await slots.acquire(inf)
    slots.release(idle)
    being_made = asyncio.create_task(slots.acquire(inf))
    await asyncio.sleep(0)
    slots.expire()
    slots.release(in_use)
    slots.release(await being_made)
    assert slots.take() is None
    assert all(thing.is_cut for thing in maker.made)
    assert len(slots) == 0


async def test_those_whom_nobody_gives_another_one_share_what_there_is() -> None:
    maker = Maker()
    slots = Slots(3, maker.make, max_wait=60)
    thing = await slots.acquire(inf)
    maker.refusal = NoMoreToBeHad("full")
    waiting = [asyncio.create_task(slots.acquire(inf)) for _ in range(2)]
    await turns()
    for task in waiting:
        slots.release(thing)
        assert await task is thing
    slots.release(thing, is_usable=False)
    with pytest.raises(DatabaseUnavailable):
        await slots.acquire(inf)


async def test_a_wait_ends_with_its_limit_and_with_the_deadline() -> None:
    slots = Slots(1, Maker().make, max_wait=0.01)
    thing = await slots.acquire(inf)
    for deadline in (inf, asyncio.get_running_loop().time() + 0.005, 0):
        with pytest.raises(DatabaseUnavailable):
            await slots.acquire(deadline)
    slots.release(thing)
    assert slots.take() is thing


@pytest.mark.parametrize("is_usable", [True, False])
async def test_whoever_is_cancelled_when_given_one_passes_it_on(is_usable: bool) -> None:
    maker = Maker()
    slots = Slots(1, maker.make, max_wait=60)
    thing = await slots.acquire(inf)
    leaving, staying = (asyncio.create_task(slots.acquire(inf)) for _ in range(2))
    await turns()
    slots.release(thing, is_usable=is_usable)  # gives it, or its slot, to the first
    leaving.cancel()
    await turns()
    assert leaving.cancelled()
    assert (await staying is thing) == is_usable


async def test_after_closing_what_is_given_back_is_let_go() -> None:
    maker = Maker()
    slots = Slots(2, maker.make, max_wait=60)
    idle, in_use = await slots.acquire(inf), await slots.acquire(inf)
    slots.release(idle)
    assert slots.close() == [idle]
    slots.release(in_use)
    assert in_use.is_cut
    assert not idle.is_cut
