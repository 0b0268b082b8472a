"""Hermes as a container: its image, and the service in it beside podman and a broker."""

import asyncio
import hashlib
import json
import os
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path

import asyncssh
import pytest

from hermes import __version__
from hermes.image import ServiceRecipe, build_service
from hermes.sandbox.api_service import connected
from hermes.sandbox.engine import Engine
from tests.integration.running import READY_SECONDS, wait_for
from tests.manager import Manager
from tests.passing import passing

pytestmark = [pytest.mark.podman, pytest.mark.timeout(600)]

IMAGE = "localhost/hermes-test-service:1"
VOLUME = "hermes-test-evidence"
DROPPED = hashlib.sha256(b"dropped").hexdigest()
STATE = "/var/lib/hermes"
SHUT_IN = (
    *("--network=none", "--pull=never", "--read-only", "--cap-drop=all", "--pid=host"),
    *("--security-opt=no-new-privileges", "--security-opt=label=disable", "--log-driver=none"),
)
BROKERS_POWERS = ("DAC_READ_SEARCH", "SYS_PTRACE")


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    """A podman of this test's own."""
    async with connected(None, tmp_path / "run") as client:
        yield client


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The image, of this checkout and without a registry."""
    if shutil.which("mmdebstrap") is None:
        pytest.skip("needs mmdebstrap: run scripts/test")

    async def build() -> None:
        async with connected(None, tmp_path_factory.mktemp("build")) as client:
            await build_service(client, ServiceRecipe(IMAGE), lambda _stage, _fraction: None)

    asyncio.run(build())
    yield
    podman("rmi", "--force", IMAGE)
    podman("volume", "rm", "--force", VOLUME)


def podman(*arguments: str) -> str:
    """Run a command that has to succeed and return what it printed."""
    done = subprocess.run(
        ["podman", *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


class Deployment:
    """What the units start: a broker and a service, each a container, on one podman API."""

    def __init__(self, runtime: Path, engine: Engine, decoy: str) -> None:
        self.runtime = runtime
        self.broker = runtime / "broker.sock"
        self.log = runtime / "service.log"
        self.manager = Manager(str(runtime / "notify"))
        self.door = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.door.getsockname()[1]
        self.settings = {
            "RUNTIME_DIR": str(runtime),
            "PODMAN__SOCKET": str(engine.socket),
            "PODMAN__BROKER": str(self.broker),
            "SANDBOX__IMAGE": decoy,
            "POOL__SIZE": "1",
            "POOL__LINGER_SECONDS": "0",
        }
        self._stack = ExitStack()

    def start(self) -> None:
        """Start both, the service when it can reach the broker."""
        self._start_broker()
        self._start_service()

    def _start_broker(self) -> None:
        """Start it with podman's directories at the places they have on the host."""
        user = Path(os.environ["XDG_RUNTIME_DIR"])
        info = json.loads(podman("info", "--format", "json"))
        shared = (self.runtime, info["store"]["graphRoot"], user / "containers", user / "libpod")
        self._run(
            "hermes-test-broker",
            *(f"--cap-add={power}" for power in BROKERS_POWERS),
            *(f"--volume={path}:{path}" for path in shared),
            *("--user=0", "--entrypoint=", "--sdnotify=container"),
            *(IMAGE, "python", "-m", "hermes.sandbox.broker", "--listen", str(self.broker)),
        )
        wait_for(self._ready, READY_SECONDS, self.log.read_text)

    def _start_service(self) -> None:
        """Start it with a socket that listens already, and wait until it is ready."""
        self._run(
            "hermes-test-service",
            *(
                "--userns=keep-id:uid=990,gid=990",
                "--sdnotify=container",
                f"--volume={self.runtime}:{self.runtime}",
            ),
            "--volume=/sys/fs/cgroup:/sys/fs/cgroup:ro",
            *(f"--env=HERMES_{name}={value}" for name, value in self.settings.items()),
            IMAGE,
            before=passing(self.door.fileno()),
        )
        wait_for(self._ready, READY_SECONDS, self.log.read_text)

    def _run(self, name: str, *arguments: str, before: list[str] | None = None) -> None:
        podman("rm", "--force", "--ignore", "--time=0", name)
        log = self._stack.enter_context((self.runtime / f"{name}.log").open("wb"))
        process = subprocess.Popen(
            [
                *(before or ()),
                *("podman", "run", "--rm", "--name", name, *SHUT_IN),
                f"--volume={VOLUME}:{STATE}",
                *arguments,
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, "NOTIFY_SOCKET": self.manager.socket.getsockname()},
            pass_fds=(self.door.fileno(),) if before else (),
        )
        self._stack.callback(process.wait, 30)
        self._stack.callback(self._end, name)
        self.log = Path(log.name)
        self.process = process

    def _end(self, name: str) -> None:
        # Not podman stop: where the host's process numbers are shared, it signals all of a
        # cgroup, and without a manager of these there is none.
        subprocess.run(["podman", "kill", "--signal=TERM", name], check=False)

    def _ready(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        return any(message.get("READY") == "1" for message in self.manager.messages())

    def connect(self, source: str) -> "asyncssh.misc._ACMWrapper[asyncssh.SSHClientConnection]":
        """Log in from an address of this machine."""
        return asyncssh.connect(
            "127.0.0.1",
            self.port,
            username="root",
            password="toor",
            local_addr=(source, 0),
            known_hosts=None,
            client_keys=None,
            agent_path=None,
            config=None,
        )

    def close(self) -> None:
        """Stop both; idempotent."""
        self._stack.close()
        self.door.close()
        self.manager.socket.close()


@pytest.fixture
async def deployment(engine: Engine, built: None, image: str) -> AsyncIterator[Deployment]:
    """A broker and a service that run."""
    del built
    deployment = Deployment(engine.socket.parent.parent, engine, image)
    try:
        await asyncio.to_thread(deployment.start)
        yield deployment
    finally:
        await asyncio.to_thread(deployment.close)


async def test_a_visitor_of_the_container_is_served_and_his_files_are_kept(
    deployment: Deployment,
) -> None:
    """His address is his own, what he left is in the volume, and no sandbox outlives the stop."""
    async with deployment.connect("127.0.0.9") as connection:
        done = await connection.run("printf dropped >/root/left; echo $SSH_CONNECTION")
        health = podman("exec", "hermes-test-service", "hermes", "pool", "status", "--json")
    assert str(done.stdout).startswith("127.0.0.9 ")
    assert json.loads(health)["leased"] == 1
    wait_for(lambda: "harvested" in deployment.log.read_text(), 20.0, deployment.log.read_text)
    await asyncio.to_thread(deployment.close)
    assert podman("ps", "--all", "--quiet", "--filter=label=hermes.instance") == ""
    place = podman("volume", "inspect", VOLUME, "--format", "{{.Mountpoint}}").strip()
    kept = Path(place) / "evidence" / "artifacts" / DROPPED[:2] / DROPPED
    assert await asyncio.to_thread(kept.read_bytes) == b"dropped"


async def test_a_killed_container_leaves_its_evidence_and_no_sandbox(
    deployment: Deployment,
) -> None:
    """The broker's container has no podman program and deletes by the API."""
    async with deployment.connect("127.0.0.10") as connection:
        await connection.run("printf of-the-killed >/root/left")
        await asyncio.to_thread(podman, "kill", "--signal=KILL", "hermes-test-service")
        sandboxes = ("ps", "--all", "--quiet", "--filter=label=hermes.instance")
        wait_for(lambda: podman(*sandboxes) == "", 30.0)
    place = podman("volume", "inspect", VOLUME, "--format", "{{.Mountpoint}}").strip()
    artifacts = (Path(place) / "evidence" / "artifacts").glob("*/*")
    assert b"of-the-killed" in await asyncio.to_thread(
        lambda: [artifact.read_bytes() for artifact in artifacts]
    )


async def test_the_image_says_how_it_wants_to_be_run(built: None) -> None:
    """Not root, nothing that gains privileges, a version, and a question that proves it serves."""
    del built
    (image,) = json.loads(podman("inspect", IMAGE))
    config = image["Config"]
    assert (config["User"], config["StopSignal"]) == ("990:990", "SIGTERM")
    assert (config["Entrypoint"], config["Cmd"]) == (["hermes"], ["up"])
    assert config["Labels"]["org.opencontainers.image.version"] == __version__
    assert image["Healthcheck"]["Test"] == ["CMD", "hermes", "pool", "status", "--json"]
    look = "command -v podman pip; find / -xdev -perm /6000 -type f 2>/dev/null; hermes --version"
    run = ("run", "--rm", "--network=none", "--read-only", "--log-driver=none", "--entrypoint=")
    assert podman(*run, "--no-healthcheck", IMAGE, "sh", "-c", look) == f"hermes {__version__}\n"
