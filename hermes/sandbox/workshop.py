"""Where sandboxes are made and ended: the mechanism below the pool's decisions."""

import logging
from collections.abc import Callable, Container

from hermes.sandbox import limits
from hermes.sandbox.attach import Attacher
from hermes.sandbox.containers import sweep
from hermes.sandbox.decoy import Decoy, image_id, read_decoy
from hermes.sandbox.engine import Engine
from hermes.sandbox.namespace import Namespace
from hermes.sandbox.sandbox import Plan, Sandbox
from hermes.sandbox.spec import resource_limits

log = logging.getLogger(__name__)


class Workshop:
    """Makes sandboxes of the image that the plan names, and takes them apart."""

    def __init__(self, engine: Engine, namespace: Namespace | None, plan: Plan) -> None:
        self.decoy = Decoy()
        self.limits_enforced = False
        self._engine = engine
        self._namespace = namespace
        self._attacher = Attacher(engine, namespace)
        self._plan = plan

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

    async def make(self, box: Sandbox) -> None:
        """Create and start it; raises HermesError, and then it is still owed its end."""
        await box.create()
        await box.start(self._attacher)

    async def prove(self, box: Sandbox) -> None:
        """Make the first one, and see what the kernel enforces."""
        await self.make(box)
        claimed = resource_limits(self._plan.settings)
        self.limits_enforced = not limits.unenforced(box.pid, claimed)

    async def end(self, box: Sandbox) -> None:
        """End it, keep what its visitor left, and delete it; raises PodmanError."""
        await box.end()
        await box.delete()

    async def sweep(self, known: Container[str] = ()) -> None:
        """Delete the containers of this instance that nobody knows; raises PodmanError."""
        await sweep(self._engine, self._plan.instance, known)

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
