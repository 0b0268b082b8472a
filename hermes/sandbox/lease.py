"""A session's hold on one sandbox."""

from collections.abc import Callable

from hermes.errors import GuestError
from hermes.guest import ChannelRequest, GuestChannel
from hermes.sandbox.sandbox import Sandbox, State


class SandboxLease:
    """A session's hold on one sandbox; `release` deletes it."""

    def __init__(self, box: Sandbox, release: Callable[[Sandbox], None]) -> None:
        self._box = box
        self._release = release

    @property
    def sandbox(self) -> str:
        """The container's name."""
        return self._box.name

    async def open(self, request: ChannelRequest) -> GuestChannel:
        """Start a program in it; raises GuestError, also after release."""
        if self._box.state is not State.LEASED:
            raise GuestError(f"{self._box.name} is {self._box.state}")
        return await self._box.open(request)

    def release(self) -> None:
        """Give the sandbox up; it is deleted in the background."""
        self._release(self._box)
