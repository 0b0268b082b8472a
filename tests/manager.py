"""The other end of sd_notify(3)."""

import socket


class Manager:
    """Listens as systemd would."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.socket.settimeout(0)

    def messages(self) -> list[dict[str, str]]:
        """Take every message that has come."""
        found: list[dict[str, str]] = []
        while True:
            try:
                lines = self.socket.recv(4096).decode().splitlines()
            except BlockingIOError:
                return found
            found.append(dict(line.split("=", 1) for line in lines))
