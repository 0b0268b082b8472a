"""One Hermes for each directory."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from hermes.errors import HostError


@contextlib.contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold a directory for this process alone; raises HostError when another one has it."""
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(directory / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise HostError(f"{directory} cannot be used: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise HostError(
            f"another hermes uses {directory}; stop it, or give this one its own "
            "HERMES_RUNTIME_DIR and HERMES_EVIDENCE__DIR"
        ) from error
    try:
        yield
    finally:
        os.close(descriptor)
