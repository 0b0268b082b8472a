"""Which release to build, and the package archives that this machine already trusts.

Reads os-release(5) and both formats of sources.list(5).
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

DEFAULT_SUITE: Final = "bookworm"
_DISTRIBUTIONS: Final = ("debian", "ubuntu")
_OFFICIAL_PATH: Final = re.compile(r"/(debian|debian-security|ubuntu|ubuntu-ports)/?$")
_ONE_LINE: Final = re.compile(r"deb\s+(?:\[(?P<options>[^\]]*)\]\s+)?(?P<uri>\S+)\s+(?P<rest>.+)")
_MIRROR_LIST: Final = "mirror+file:"


@dataclass(frozen=True)
class Source:
    """One archive of binary packages."""

    uri: str
    suite: str
    components: tuple[str, ...]
    signed_by: str = ""

    def line(self) -> str:
        """Return it in the one-line format."""
        option = f"[signed-by={self.signed_by}] " if self.signed_by.startswith("/") else ""
        return f"deb {option}{self.uri} {self.suite} {' '.join(self.components)}"


@dataclass(frozen=True)
class Archive:
    """A release and where it comes from."""

    suite: str
    sources: tuple[Source, ...]

    def lines(self) -> tuple[str, ...]:
        """Return the sources in the one-line format."""
        return tuple(source.line() for source in self.sources)


def of_host(root: Path = Path("/")) -> Archive:
    """Return the machine's own release and archives; elsewhere Debian and its public ones."""
    fields = os_release(_read(root / "etc/os-release"))
    if fields.get("ID") not in _DISTRIBUTIONS or not fields.get("VERSION_CODENAME"):
        return Archive(DEFAULT_SUITE, public("debian", DEFAULT_SUITE))
    suite = fields["VERSION_CODENAME"]
    found = tuple(select(host_sources(root), suite))
    if not any(source.suite == suite for source in found):
        found = public(fields["ID"], suite)
    return Archive(suite, found)


def os_release(text: str) -> dict[str, str]:
    """Return the fields of os-release."""
    pairs = (line.split("=", 1) for line in text.splitlines() if "=" in line)
    return {name: value.strip().strip("\"'") for name, value in pairs}


def public(distribution: str, suite: str) -> tuple[Source, ...]:
    """Return the archives that a fresh installation would use."""
    if distribution == "ubuntu":
        uri = "http://archive.ubuntu.com/ubuntu"
        suites = (suite, f"{suite}-updates", f"{suite}-security")
        return tuple(Source(uri, each, ("main", "universe")) for each in suites)
    return (
        Source("http://deb.debian.org/debian", suite, ("main",)),
        Source("http://deb.debian.org/debian", f"{suite}-updates", ("main",)),
        Source("http://deb.debian.org/debian-security", f"{suite}-security", ("main",)),
    )


def select(sources: Iterable[Source], suite: str) -> Iterator[Source]:
    """Pick the distribution's own archives of a release: no third party that builds for it."""
    suites = {suite, f"{suite}-updates", f"{suite}-security"}
    fitting = [each for each in sources if each.suite in suites and "main" in each.components]
    official = [each for each in fitting if _OFFICIAL_PATH.search(urlsplit(each.uri).path)]
    for source in dict.fromkeys(official or fitting):
        wanted = tuple(name for name in source.components if name in ("main", "universe"))
        yield Source(source.uri, source.suite, wanted, source.signed_by)


def host_sources(root: Path) -> Iterator[Source]:
    """Read every package source under ``root``/etc/apt."""
    directory = root / "etc/apt"
    lists = [directory / "sources.list", *sorted((directory / "sources.list.d").glob("*.list"))]
    for path in lists:
        yield from _resolved(parse_one_line(_read(path)), root)
    for path in sorted((directory / "sources.list.d").glob("*.sources")):
        yield from _resolved(parse_deb822(_read(path)), root)


def parse_one_line(text: str) -> Iterator[Source]:
    """Read the format ``deb [option=value] uri suite component…``."""
    for line in text.splitlines():
        if match := _ONE_LINE.match(line.split("#", 1)[0].strip()):
            suite, *components = match["rest"].split()
            signed = re.search(r"signed-by=(\S+)", match["options"] or "")
            yield Source(match["uri"], suite, tuple(components), signed[1] if signed else "")


def parse_deb822(text: str) -> Iterator[Source]:
    """Read stanzas of fields; a key in the stanza itself is left to the trusted key rings."""
    for stanza in re.split(r"\n[ \t]*\n", text):
        fields = _fields(stanza)
        if "deb" not in fields.get("types", "").split() or fields.get("enabled") == "no":
            continue
        for uri in fields.get("uris", "").split():
            for suite in fields.get("suites", "").split():
                components = tuple(fields.get("components", "").split())
                yield Source(uri, suite, components, fields.get("signed-by", "").strip())


def _fields(stanza: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    name = ""
    for line in stanza.splitlines():
        if line.startswith("#"):
            continue
        if line[:1].isspace():
            fields[name] = f"{fields.get(name, '')} {line.strip()}"
        elif ":" in line:
            name, value = line.split(":", 1)
            name = name.strip().lower()
            fields[name] = value.strip()
    return fields


def _resolved(sources: Iterable[Source], root: Path) -> Iterator[Source]:
    """Replace a list of mirrors, as cloud images have one, by its first mirror."""
    for source in sources:
        if not source.uri.startswith(_MIRROR_LIST):
            yield source
            continue
        path = root / source.uri.removeprefix(_MIRROR_LIST).lstrip("/")
        for line in _read(path).splitlines():
            if line.strip() and not line.startswith("#"):
                yield Source(line.split()[0], source.suite, source.components, source.signed_by)
                break


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:  # absent, or not for us: then it names no source
        return ""
