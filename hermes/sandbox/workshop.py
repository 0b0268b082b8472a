"""Where sandboxes are made and ended: the mechanism below the pool's decisions."""

import asyncio
import logging
from collections.abc import Callable, Container
from dataclasses import replace

from hermes.errors import HostError, PodmanError
from hermes.guest import ChannelRequest
from hermes.sandbox.attach import Attacher
from hermes.sandbox.compiled import read_filter
from hermes.sandbox.containers import members, sweep
from hermes.sandbox.decoy import Decoy, image_id, read_decoy
from hermes.sandbox.disk_watch import DiskWatch
from hermes.sandbox.engine import Engine
from hermes.sandbox.harvester import Harvester
from hermes.sandbox.host import read_host
from hermes.sandbox.member import check_member
from hermes.sandbox.namespace import Namespace
from hermes.sandbox.probe import probe
from hermes.sandbox.process import is_filtered
from hermes.sandbox.sandbox import Plan, Sandbox

log = logging.getLogger(__name__)


class Workshop:
    """Makes sandboxes of the image that the plan names, and takes them apart."""

    def __init__(
        self, engine: Engine, namespace: Namespace | None, plan: Plan, harvester: Harvester
    ) -> None:
        self.decoy = Decoy()
        self.limits_enforced = False
        self._engine = engine
        self._attacher = Attacher(engine, namespace)
        self._plan = plan
        self._harvester = harvester
        self.disk = DiskWatch(namespace, plan.settings.disk)

    async def open(self) -> None:
        """Learn what the host offers and what the image says; raises HermesError."""
        self._plan = replace(self._plan, host=await read_host(self._engine, self._plan.profile))
        await self.follow_image()

    async def follow_image(self) -> None:
        """Learn what the image says, also when its name was given to another one."""
        image = await image_id(self._engine, self._plan.settings.image)
        if image == self.decoy.image:
            return
        box = Sandbox(self._engine, self._plan, Decoy(image))
        try:
            await box.create()
            self.decoy = await read_decoy(self._engine, box.name, image)
        finally:
            await box.delete()
        log.info("sandboxes are made of the image %.12s", image)

    def draft(self, on_lost: Callable[[Sandbox], None]) -> Sandbox:
        """Name a sandbox that nobody has made yet."""
        box = Sandbox(self._engine, self._plan, self.decoy)
        box.on_lost = on_lost
        return box

    async def members(
        self, known: Container[str], on_lost: Callable[[Sandbox], None]
    ) -> list[Sandbox]:
        """List the running sandboxes that units of systemd keep and nobody knows."""
        try:
            found = await members(self._engine)
        except PodmanError as error:
            log.warning("the members of the pool could not be looked for: %s", error)
            return []
        boxes = [self._member(container, image, on_lost) for container, image in found.items()]
        return [box for box in boxes if box.name not in known]

    async def join(self, box: Sandbox) -> None:
        """Take a sandbox that a unit of systemd started; raises HermesError.

        One that is not shut in as ours are is refused.
        """
        await box.join(self._attacher)
        await asyncio.to_thread(check_member, box.pid, self._plan.settings)

    async def make(self, box: Sandbox) -> None:
        """Create and start it; raises HermesError, and then it is still owed its end."""
        await box.create()
        await box.start(self._attacher)
        if box.given_filter and not is_filtered(box.pid):
            raise PodmanError(f"{box.name} started without its seccomp filter")

    def _member(self, container: str, image: str, on_lost: Callable[[Sandbox], None]) -> Sandbox:
        box = Sandbox(self._engine, self._plan, replace(self.decoy, image=image), container)
        box.on_lost = on_lost
        return box

    async def prove(self, box: Sandbox) -> None:
        """Look from inside whether it is what it claims to be; raises HostError.

        Limits that the kernel does not enforce are noted in ``limits_enforced`` instead. No
        visitor may have it afterwards: it has been worked in.
        """

        async def run(command: str) -> str:
            return await _run(box, command)

        found = await probe(run, box.pid, self._plan.settings)
        self.limits_enforced = not any(finding.is_limit for finding in found)
        for finding in found:
            if not finding.is_limit:
                raise HostError(
                    f"a sandbox is not shut in on this host ({finding.claim} is {finding.found} "
                    f"and should be {finding.expected}); run hermes doctor"
                )
        await self._spare_compiling(box)

    async def _spare_compiling(self, proven: Sandbox) -> None:
        """Give those to come the filter of one that was made by the profile."""
        if self._plan.host is not None and proven.filter_path is not None:
            program = await asyncio.to_thread(read_filter, proven.filter_path)
            self._plan = replace(self._plan, host=replace(self._plan.host, seccomp_filter=program))

    def note(self, box: Sandbox) -> None:
        """Keep a note of whose it is, for the case that this process is killed."""
        self._harvester.note(box)

    async def end(self, box: Sandbox) -> None:
        """Take what its visitor left, end it and delete it; raises PodmanError."""
        await self._harvester.take(box)
        await box.delete()

    async def sweep(self, known: Container[str] = ()) -> None:
        """Delete the containers of this instance that nobody knows; raises PodmanError."""
        await sweep(self._engine, self._plan.instance, known)

    async def recover(self) -> None:
        """Take what a killed service's visitors left, and delete its sandboxes."""
        await self._harvester.recover()
        await self.sweep()

    def spent(self, box: Sandbox) -> str:
        """Say why nobody should get this sandbox; empty when one may."""
        if box.image != self.decoy.image:
            return "of an image that was replaced"
        if box.left_seconds < self._plan.timeout_seconds / 2:
            return "old"
        return ""

    def lasts(self, box: Sandbox) -> bool:
        """Whether it will be there for one more session."""
        return box.left_seconds > self._plan.timeout_seconds / 4


async def _run(box: Sandbox, command: str) -> str:
    """Run a shell command as root and return its output."""
    channel = await box.open(ChannelRequest(user="root", command=command))
    try:
        await channel.write_eof()
        text = b""
        while (output := await channel.read()) is not None:
            text += output.data
        return text.decode(errors="replace")
    finally:
        await channel.close()
