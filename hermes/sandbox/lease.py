"""A session's hold on one sandbox."""

from collections.abc import Callable

from hermes.errors import GuestLostError
from hermes.guest import ChannelRequest, GuestChannel
from hermes.sandbox.sandbox import Sandbox, State


class SandboxLease:
    """A session's hold on its visitor's sandbox; `release` gives it up."""

    def __init__(self, box: Sandbox, release: Callable[[], None]) -> None:
        self._box = box
        self._release: Callable[[], None] | None = release

    @property
    def sandbox(self) -> str:
        """The container's name."""
        return self._box.name

    async def open(self, request: ChannelRequest) -> GuestChannel:
        """Start a program in it; raises GuestError, also after release."""
        if self._box.state is not State.LEASED or self._release is None:
            raise GuestLostError(f"{self._box.name} is {self._box.state}")
        return await self._box.open(request)

    def release(self) -> None:
        """Give it up; it lingers for its visitor. Idempotent."""
        release, self._release = self._release, None
        if release is not None:
            release()
