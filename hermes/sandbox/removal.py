"""Deletes the containers that have a label, for whoever has no event loop to do it in.

With the podman program, or, where there is none, by the API at a socket: see
https://docs.podman.io/en/latest/_static/api.html.
"""

import contextlib
import http.client
import json
import shutil
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

_SECONDS: Final = 40.0
_CONTAINERS: Final = "/v4.0.0/libpod/containers"
_TRIES: Final = 2  # podman fails once when a container's monitor was killed
_GONE: Final = (200, 204, 404)


def labelled(label: str, api: Path | None) -> list[str]:
    """Name the containers; none where podman cannot be asked."""
    if shutil.which("podman") or api is None:
        return _podman("ps", "--all", "--quiet", "--filter", f"label={label}").split()
    query = urlencode({"all": "true", "filters": json.dumps({"label": [label]})})
    try:
        return [str(one["Id"]) for one in json.loads(_ask(api, "GET", f"/json?{query}")[1])]
    except (OSError, http.client.HTTPException, ValueError, TypeError, KeyError):
        return []


def delete(containers: Sequence[str], api: Path | None) -> None:
    """Delete them with all that is theirs; what cannot be deleted is left to the next start."""
    if shutil.which("podman") or api is None:
        _podman("rm", "--force", "--time=0", "--volumes", *containers)
        return
    for container in containers:
        with contextlib.suppress(OSError, http.client.HTTPException):
            path = f"/{container}?force=true&timeout=0&v=true"
            any(_ask(api, "DELETE", path)[0] in _GONE for _ in range(_TRIES))


def _ask(api: Path, method: str, path: str) -> tuple[int, bytes]:
    with contextlib.closing(_Connection(api)) as connection:
        connection.request(method, _CONTAINERS + path)
        answer = connection.getresponse()
        return answer.status, answer.read()


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("d", timeout=_SECONDS)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket instead of a host."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(_SECONDS)
        self.sock.connect(str(self._path))


def _podman(*arguments: str) -> str:
    podman = shutil.which("podman")
    if podman is None:
        return ""
    try:
        done = subprocess.run(
            [podman, *arguments], capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return ""
    return done.stdout
