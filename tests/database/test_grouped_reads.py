"""Reads that share a round trip, by themselves; time and the database are played by events."""

import asyncio
from collections.abc import Sequence

import pytest

from wutang_auth.context import RequestBudget, RequestContext, request_context
from wutang_auth.database.grouped_reads import MAX_GROUP, GroupedReads
from wutang_auth.errors import DatabaseUnavailable


class Source:
    """Values that change, and queries that end when they are told to."""

    def __init__(self, *, max_wait: float = 60) -> None:
        self.value = 0
        self.queries: list[list[int]] = []
        self.under_way: list[asyncio.Future[None]] = []
        self.reads = GroupedReads(read_one=self.read_one, read_many=self.read_many, max_wait=max_wait)

    async def read_one(self, key: int) -> tuple[int, int] | None:
        [found] = await self.read_many([key])
        return found

    async def read_many(self, keys: Sequence[int]) -> list[tuple[int, int] | None]:
        self.queries.append(list(keys))
        values = [None if key < 0 else (key, self.value) for key in keys]  # as of when the query started
        told: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.under_way.append(told)
        await told
        return values

    async def end(self, error: Exception | None = None) -> None:
        """Let the query that started first end."""
        told = self.under_way.pop(0)
        if error is None:
            told.set_result(None)
        else:
            told.set_exception(error)
        await turns()

    async def end_all(self) -> None:
        while self.under_way:
            await self.end()

    async def fill(self) -> list[asyncio.Task[tuple[int, int] | None]]:
        """Ask until as many queries are under way as may be, each for one key from 1 to 4."""
        asked = []
        for key in range(1, 5):
            asked += self.ask(key)
            await turns()
        return asked

    def ask(self, *keys: int) -> list[asyncio.Task[tuple[int, int] | None]]:
        return [asyncio.create_task(self.reads.read(key)) for key in keys]


async def turns() -> None:
    """Let everything run that can."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_what_arrives_in_one_turn_shares_a_query() -> None:
    source = Source()
    asked = source.ask(1, 2, 3)
    await turns()
    assert source.queries == [[1], [2, 3]]  # the first one waits for nobody
    asked += source.ask(4, 5, 6)
    await turns()
    assert source.queries == [[1], [2, 3], [4, 5, 6]]
    await source.end_all()
    assert await asyncio.gather(*asked) == [(key, 0) for key in range(1, 7)]


async def test_while_four_are_under_way_what_arrives_shares_the_next_query() -> None:
    source = Source()
    asked = await source.fill() + source.ask(5, 6)
    await turns()
    asked += source.ask(7)
    await turns()
    assert source.queries == [[1], [2], [3], [4]]
    await source.end()
    assert source.queries == [[1], [2], [3], [4], [5, 6, 7]]
    await source.end_all()
    assert await asyncio.gather(*asked) == [(key, 0) for key in range(1, 8)]


async def test_nothing_is_answered_from_a_query_that_started_before_the_call() -> None:
    source = Source()
    early = source.ask(1, 2)
    await turns()
    source.value = 1  # a log-out, say, which has been answered
    late = source.ask(1, 2, 3)
    await turns()
    await source.end_all()
    assert {found[1] for found in await asyncio.gather(*early) if found} == {0}
    assert {found[1] for found in await asyncio.gather(*late) if found} == {1}


async def test_a_query_that_fails_fails_its_own_reads_only_and_as_unavailable() -> None:
    source = Source()
    asked = source.ask(1)
    await turns()
    asked += source.ask(2, 3)
    await turns()
    await source.end()
    await source.end(ValueError("not foreseen"))
    found = await asyncio.gather(*asked, return_exceptions=True)
    assert found[0] == (1, 0)
    assert [type(error) for error in found[1:]] == [DatabaseUnavailable] * 2
    assert found[1] is not found[2]


async def test_a_cancelled_read_harms_nobody() -> None:
    source = Source()
    first, second, third = source.ask(1, 2, 3)
    await turns()
    for task in (first, second):
        task.cancel()
    await turns()
    del source.under_way[0]  # the query of the first, which was cancelled with it
    await source.end_all()
    assert await third == (3, 0)
    await source.fill()
    sixth, seventh = source.ask(6, 7)
    await turns()
    sixth.cancel()
    await source.end_all()
    assert source.queries[-1] == [7]
    assert await seventh == (7, 0)


async def test_missing_values_are_none_and_the_same_key_may_come_twice() -> None:
    source = Source()
    asked = source.ask(1, 2, -3, 3, 3)
    await turns()
    await source.end_all()
    assert await asyncio.gather(*asked) == [(1, 0), (2, 0), None, (3, 0), (3, 0)]


async def test_a_group_has_a_bound() -> None:
    source = Source()
    asked = source.ask(*range(MAX_GROUP + 11))
    await turns()
    assert [len(query) for query in source.queries] == [1, MAX_GROUP, 10]
    await source.end_all()
    await asyncio.gather(*asked)


async def test_a_request_waits_no_longer_than_its_budget_and_the_others_go_on() -> None:
    source = Source()
    request_context.set(RequestContext(budget=RequestBudget(0.05)))
    hasty = source.ask(1, 2, 3)[2]
    request_context.set(RequestContext())
    unhurried = source.ask(4)[0]
    with pytest.raises(DatabaseUnavailable):
        await hasty
    await source.end_all()
    assert await unhurried == (4, 0)


async def test_a_read_uses_up_its_request_s_budget() -> None:
    source = Source()
    budget = RequestBudget(60)
    request_context.set(RequestContext(budget=budget))
    asked = source.ask(1, 2, 3)
    await asyncio.sleep(0.02)
    await source.end_all()
    await asyncio.gather(*asked)
    request_context.set(RequestContext())
    assert 59 < budget.seconds_left < 60


async def test_a_read_for_which_no_query_starts_in_time_fails_and_the_others_go_on() -> None:
    source = Source(max_wait=0.05)
    asked = await source.fill()
    [late] = source.ask(5)
    with pytest.raises(DatabaseUnavailable):
        await late
    await source.end_all()
    assert await asyncio.gather(*asked) == [(key, 0) for key in range(1, 5)]
