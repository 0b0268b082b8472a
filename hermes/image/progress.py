"""How far a build is: pure readers of what mmdebstrap and podman say while they work."""

import re
from dataclasses import dataclass
from typing import Final, Protocol


class Report(Protocol):
    """Told about every step of a build, from the event loop; must not block."""

    def __call__(self, stage: str, fraction: float | None) -> None:
        """``fraction`` of the whole build is done, from 0 to 1; None means nobody knows."""
        ...


@dataclass(frozen=True)
class Step:
    """One thing worth showing."""

    stage: str
    fraction: float


@dataclass(frozen=True)
class _Phase:
    """A stretch of mmdebstrap's work: the line that opens it and its share of the whole."""

    opening: str
    stage: str
    start: float
    end: float
    counted: re.Pattern[str] | None = None
    each: int = 1
    """How many counted lines there are for each new package."""


_DOWNLOADED: Final = re.compile(r"Get:\d+ ")
_INSTALLED: Final = re.compile(r"(Unpacking|Setting up) ")
_NEW: Final = re.compile(r"\d+ upgraded, (\d+) newly installed")
_PHASES: Final = (
    _Phase("I: running apt-get update", "reading the package lists", 0.0, 0.05),
    _Phase("I: downloading packages", "downloading the base", 0.05, 0.12, _DOWNLOADED),
    _Phase("I: extracting archives", "unpacking the base", 0.12, 0.18),
    _Phase("I: installing essential", "installing the base", 0.18, 0.35, _INSTALLED, each=2),
    _Phase("I: installing remaining", "downloading packages", 0.35, 0.45, _DOWNLOADED),
    _Phase("Fetched ", "installing packages", 0.45, 0.78, _INSTALLED, each=2),
    _Phase("furnish: ", "furnishing", 0.78, 0.86),
    _Phase("I: creating tarball", "packing", 0.86, 0.92),
)
IMPORTING: Final = Step("importing into podman", 0.92)
MAPPING: Final = Step("copying for the sandboxes' user namespace", 0.96)
DONE: Final = Step("done", 1.0)


class BootstrapProgress:
    """Follows one run of ``mmdebstrap --verbose``."""

    def __init__(self) -> None:
        self._position = -1
        self._expected = 0
        self._seen = 0

    def feed(self, line: str) -> Step | None:
        """Return where the build is if this line moved it."""
        if new := _NEW.match(line):
            self._expected = int(new[1])
        if self._opens_next(line):
            self._position += 1
            self._seen = 0
            return self._step()
        phase = self._phase
        if phase is None or phase.counted is None or not phase.counted.match(line):
            return None
        self._seen += 1
        return self._step()

    @property
    def _phase(self) -> _Phase | None:
        return _PHASES[self._position] if self._position >= 0 else None

    def _opens_next(self, line: str) -> bool:
        following = self._position + 1
        return following < len(_PHASES) and line.startswith(_PHASES[following].opening)

    def _step(self) -> Step:
        phase = _PHASES[self._position]
        total = self._expected * phase.each
        share = min(1.0, self._seen / total) if phase.counted and total else 0.0
        return Step(phase.stage, round(phase.start + share * (phase.end - phase.start), 4))


_FURNISHING: Final = re.compile(r"furnish: (\d+)-(\S+)")
_PACKAGES: Final = 10
_DERIVED: Final = {True: 0.05, False: 0.75}
"""Where installing packages begins, and where all the rest does."""
_COMMITTING: Final = Step("committing", 0.9)


class DerivationProgress:
    """Follows one run of ``podman build``: its one long step names what it furnishes."""

    def feed(self, line: str) -> Step | None:
        """Return where the build is if this line moved it."""
        if " COMMIT " in line:
            return _COMMITTING
        if furnishing := _FURNISHING.match(line):
            position = int(furnishing[1])
            fraction = _DERIVED[position == _PACKAGES] + position / 1000
            return Step(f"furnishing: {furnishing[2]}", round(fraction, 4))
        return None
