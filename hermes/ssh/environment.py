"""What a client may set of his program's environment, within bounds. Pure."""

from typing import Final

MOST_VARIABLES: Final = 129  # as sshd, which refuses once it has more than 128
_MOST_BYTES: Final = 32 << 10


class Environment(dict[bytes, bytes]):
    """Takes what ``env`` requests assign, and ignores what is too many or too much."""

    def __init__(self) -> None:
        super().__init__()
        self._bytes = 0

    def __setitem__(self, name: bytes, value: bytes) -> None:
        replaced = len(name) + len(self[name]) if name in self else 0
        size = self._bytes - replaced + len(name) + len(value)
        if size <= _MOST_BYTES and (name in self or len(self) < MOST_VARIABLES):
            super().__setitem__(name, value)
            self._bytes = size
