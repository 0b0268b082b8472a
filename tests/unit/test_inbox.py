"""What a client sends, until his program takes it."""

import asyncio

from hermes.ssh.inbox import Inbox


async def test_an_inbox_is_idle_only_while_somebody_waits_and_nothing_is_there() -> None:
    """Nothing may overtake what came before and is still being passed on."""
    inbox = Inbox()
    states = [inbox.idle]
    async with asyncio.TaskGroup() as tasks:
        taking = tasks.create_task(inbox.take())
        await asyncio.sleep(0)
        states.append(inbox.idle)
        inbox.put(b"k")
        states.append(inbox.idle)
    assert taking.result() == b"k"
    assert [*states, inbox.idle] == [False, True, False, False]


async def test_an_inbox_whose_taker_was_cancelled_is_not_idle() -> None:
    """Nobody would see to it that what follows comes in order."""
    inbox = Inbox()
    async with asyncio.TaskGroup() as tasks:
        taking = tasks.create_task(inbox.take())
        await asyncio.sleep(0)
        taking.cancel()
    assert not inbox.idle
