"""Where things are, in specifiers of systemd.unit(5), so that a unit fits every machine."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

CONFIG: Final = "%E/hermes"
RUNTIME: Final = "%t/hermes"


@dataclass(frozen=True)
class Places:
    """What differs from machine to machine; the defaults are where ``scripts/up`` installs."""

    home: Path = Path("/home/hermes")
    runtime: Path = Path("/run/user/1000")
    """Settings are expanded when they are read; these two turn into %h and %t again."""
    python: str = "%h/.local/lib/hermes/venv/bin/python"
    """Of the virtual environment that has Hermes, for the shape that is a program."""
    sources: str = "%h/.local/lib/hermes/decoy"
    """The furnishing of a decoy, with its compiled init, for podman build."""

    def specify(self, path: Path) -> str:
        """Write a path so that it holds for another user, too."""
        for base, specifier in ((self.runtime, "%t"), (self.home, "%h")):
            if path.is_relative_to(base):
                inner = path.relative_to(base)
                return specifier if inner == Path() else f"{specifier}/{escape(str(inner))}"
        return escape(str(path))

    @property
    def environment(self) -> str:
        """The virtual environment, a directory."""
        return self.python.rpartition("/bin/")[0]


def escape(text: str) -> str:
    """Keep systemd from reading specifiers into a text."""
    return text.replace("%", "%%")


def quote(text: str) -> str:
    """Write a word for a unit file, where what a setting says may hold anything."""
    if text and not any(letter in " \t\"'\\;" for letter in text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
