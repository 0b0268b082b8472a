"""One sandbox: a container by its life's five steps, and the programs run in it."""

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Container
from dataclasses import dataclass
from enum import StrEnum
from time import monotonic
from typing import Any, Final

from hermes.errors import GuestError, PodmanError, PodmanNotFoundError
from hermes.guest import ChannelRequest, GuestChannel
from hermes.sandbox import exec_channel
from hermes.sandbox.accounts import ENSURE_ACCOUNT, Account, login_environment, parse_passwd
from hermes.sandbox.decoy import Decoy, read_decoy
from hermes.sandbox.engine import Engine
from hermes.sandbox.spec import INSTANCE_LABEL, resource_limits, sandbox_spec
from hermes.settings import SandboxSettings

log = logging.getLogger(__name__)

DELETE_TRIES: Final = 3
_DELETE_PAUSE_SECONDS: Final = 0.5


class State(StrEnum):
    """Where in its life a sandbox is."""

    STARTING = "starting"
    WARM = "warm"
    LEASED = "leased"
    GONE = "gone"


@dataclass(frozen=True)
class Plan:
    """What every sandbox of one service is made from."""

    settings: SandboxSettings
    instance: str
    timeout_seconds: int


class Sandbox:
    """A container that was asked for; `delete` is owed for each, once and surely."""

    def __init__(self, engine: Engine, plan: Plan, decoy: Decoy) -> None:
        self.name = f"box-{secrets.token_hex(6)}"
        self.state = State.STARTING
        self.since = monotonic()
        self.session: str | None = None
        self.visitor: str | None = None
        self._engine = engine
        self._plan = plan
        self._decoy = decoy
        self._accounts = dict(decoy.accounts)
        self._preparing = asyncio.Lock()

    @property
    def age_seconds(self) -> float:
        """How long the container has been there."""
        return monotonic() - self.since

    @property
    def image(self) -> str:
        """Podman's id of the image it is made of."""
        return self._decoy.image

    async def create(self) -> None:
        """Create the container, not running yet."""
        spec = sandbox_spec(
            self._plan.settings,
            image=self._decoy.image,
            name=self.name,
            instance=self._plan.instance,
            hostname=self._plan.settings.hostname or self._decoy.hostname,
            timeout_seconds=self._plan.timeout_seconds,
        )
        await self._engine.request("POST", "/containers/create", document=spec, settle=True)

    async def start(self) -> None:
        """Start the created container."""
        await self._engine.request("POST", f"/containers/{self.name}/start", settle=True)

    async def inspect(self) -> Any:
        """Return podman's document of the container."""
        return await self._engine.json("GET", f"/containers/{self.name}/json")

    async def is_running(self) -> bool:
        """Whether the container is there and alive; raises PodmanError when podman is silent."""
        try:
            return bool((await self.inspect())["State"]["Running"])
        except PodmanNotFoundError:
            return False

    async def init_pid(self) -> int:
        """Return the host's id of the first process inside."""
        return int((await self.inspect())["State"]["Pid"])

    async def open(self, request: ChannelRequest) -> GuestChannel:
        """Start a program as the account that the request names, which is made if need be."""
        account = await self._account(request.user)
        environment = {**request.environment, **login_environment(account)}
        if request.screen is not None:
            environment["TERM"] = request.screen.kind
        document = {
            "Cmd": _login_command(account, request.command),
            "Env": [f"{name}={value}" for name, value in environment.items()],
            "User": account.name,
            "WorkingDir": account.home,
        }
        return await exec_channel.open_exec(self._engine, self.name, document, request.screen)

    async def delete(self) -> None:
        """End everything inside and remove the container, with retries; raises PodmanError."""
        for attempt in range(1, DELETE_TRIES + 1):
            try:
                await delete_container(self._engine, self.name)
            except PodmanError:
                if attempt == DELETE_TRIES:
                    raise
                await asyncio.sleep(_DELETE_PAUSE_SECONDS * attempt)
            else:
                return

    async def _account(self, user: str) -> Account:
        async with self._preparing:
            if user not in self._accounts:
                command = ["/bin/sh", "-c", ENSURE_ACCOUNT, "sh", user]
                self._accounts |= parse_passwd(
                    await exec_channel.run(self._engine, self.name, command)
                )
        try:
            return self._accounts[user]
        except KeyError as error:
            raise GuestError(f"no account {user!r} could be made in {self.name}") from error


async def learn(engine: Engine, plan: Plan, image: str) -> Decoy:
    """Read what the image says from a container that never runs; raises PodmanError."""
    box = Sandbox(engine, plan, Decoy(image))
    try:
        await box.create()
        return await read_decoy(engine, box.name, image)
    finally:
        await box.delete()


async def delete_container(engine: Engine, name: str) -> None:
    """Remove a container by force, at once; one that is gone is no error."""
    query = {"force": "true", "timeout": "0", "v": "true"}
    with contextlib.suppress(PodmanNotFoundError):
        await engine.request("DELETE", f"/containers/{name}", query=query)


async def leftovers(engine: Engine, instance: str) -> list[str]:
    """Name every container of this instance, running or not."""
    filters = f'{{"label":["{INSTANCE_LABEL}={instance}"]}}'
    query = {"all": "true", "filters": filters}
    found = await engine.json("GET", "/containers/json", query=query)
    return [str(container["Names"][0]) for container in found or []]


async def sweep(engine: Engine, instance: str, known: Container[str] = ()) -> None:
    """Delete the containers of this instance that are not ``known``; raises PodmanError.

    An earlier run may have left some, and podman may make one after it was given up.
    """
    for name in await leftovers(engine, instance):
        if name not in known:
            log.info("removing %s, which nobody owns", name)
            await delete_container(engine, name)


def claimed_limits(plan: Plan) -> dict[str, Any]:
    """Return the limits that every sandbox of this plan claims."""
    return resource_limits(plan.settings)


def _login_command(account: Account, command: str | None) -> list[str]:
    # Through a shell that every image has: the runtime's words about a shell that the
    # attacker removed would name the runtime.
    if command is None:
        return ["/bin/sh", "-c", 'exec "$0" -l', account.shell]
    return ["/bin/sh", "-c", 'exec "$0" -c "$1"', account.shell, command]
