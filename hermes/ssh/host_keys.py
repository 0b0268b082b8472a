"""The server's host keys: made at the first start, loaded once."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import asyncssh

from hermes.errors import EvidenceError

# sshd's own order and sizes; the comment is empty, as it would name this host.
_MAKERS: Final = {
    "rsa": lambda: asyncssh.generate_private_key("ssh-rsa", key_size=3072),
    "ecdsa": lambda: asyncssh.generate_private_key("ecdsa-sha2-nistp256"),
    "ed25519": lambda: asyncssh.generate_private_key("ssh-ed25519"),
}


HostKeys = list[asyncssh.SSHKey]


def load_host_keys(directory: Path) -> HostKeys:
    """Return the keys, made first where one is missing; it takes up to a second, off the loop.

    They are handed to asyncssh as objects: it would read paths again for every connection.
    Raises EvidenceError naming the file.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        return [_load(directory / f"ssh_host_{kind}_key", make) for kind, make in _MAKERS.items()]
    except (OSError, asyncssh.KeyImportError) as error:
        raise _unusable(directory, error) from error


@asynccontextmanager
async def making_keys(directory: Path) -> AsyncIterator["asyncio.Task[HostKeys]"]:
    """Make the keys beside the body: at the first start they take a core for a second.

    Raises EvidenceError at once for one that cannot be read.
    """
    await asyncio.to_thread(_check, directory)
    async with asyncio.TaskGroup() as tasks:
        yield tasks.create_task(asyncio.to_thread(load_host_keys, directory), name="host-keys")


def _check(directory: Path) -> None:
    """Read the keys that are there; raises EvidenceError."""
    for path in directory.glob("ssh_host_*_key"):
        try:
            asyncssh.read_private_key(path)
        except (OSError, asyncssh.KeyImportError) as error:
            raise _unusable(directory, error) from error


def _unusable(directory: Path, error: Exception) -> EvidenceError:
    return EvidenceError(
        f"the host keys in {directory} cannot be read or made: {error}; "
        "check HERMES_SSH__HOST_KEY_DIR"
    )


def _load(path: Path, make: Callable[[], asyncssh.SSHKey]) -> asyncssh.SSHKey:
    if not path.exists():
        key = make()
        _write_private(path, key.export_private_key())
        path.with_name(path.name + ".pub").write_bytes(key.export_public_key())
    return asyncssh.read_private_key(path)


def _write_private(path: Path, data: bytes) -> None:
    """Create with mode 0600 from the first moment, whole or not at all."""
    beside = path.with_name(path.name + ".new")
    beside.unlink(missing_ok=True)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    beside.rename(path)
