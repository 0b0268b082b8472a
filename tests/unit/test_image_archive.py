from pathlib import Path

import pytest

from hermes.image import archive
from hermes.image.archive import Source

BOOKWORM = 'ID=debian\nVERSION_CODENAME="bookworm"\n'
DEB822 = """\
Types: deb deb-src
# the mirror of the house
URIs: http://mirror.invalid/debian
Suites: bookworm bookworm-updates
Components: main
 contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.invalid/debian-security
Suites: bookworm-security
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----

Enabled: no
Types: deb
URIs: http://disabled.invalid/debian
Suites: bookworm
Components: main

Types: deb
URIs: https://packages.invalid/php
Suites: bookworm
Components: main
"""


def machine(root: Path, release: str, lists: dict[str, str]) -> Path:
    """Lay out what is read of a machine under ``root``."""
    (root / "etc/apt/sources.list.d").mkdir(parents=True)
    (root / "etc/os-release").write_text(release)
    for name, text in lists.items():
        (root / "etc/apt" / name).write_text(text)
    return root


def test_the_machines_own_archives_are_used(tmp_path: Path) -> None:
    """Stanzas are read in full; disabled ones and third parties are left out."""
    root = machine(tmp_path, BOOKWORM, {"sources.list.d/debian.sources": DEB822})
    found = archive.of_host(root)
    key = "[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] "
    assert found.suite == "bookworm"
    assert found.lines() == (
        f"deb {key}http://mirror.invalid/debian bookworm main",
        f"deb {key}http://mirror.invalid/debian bookworm-updates main",
        "deb http://mirror.invalid/debian-security bookworm-security main",
    )


def test_the_one_line_format_is_read() -> None:
    """Options, comments and source packages are told apart."""
    text = (
        "# deb http://old.invalid/debian bookworm main\n"
        "deb [arch=amd64 signed-by=/k.gpg] http://a.invalid/debian bookworm main contrib # all\n"
        "deb-src http://a.invalid/debian bookworm main\n"
    )
    assert list(archive.parse_one_line(text)) == [
        Source("http://a.invalid/debian", "bookworm", ("main", "contrib"), "/k.gpg")
    ]


def test_a_mirror_list_stands_for_its_first_mirror(tmp_path: Path) -> None:
    """Cloud images name a file of mirrors instead of one."""
    line = "deb mirror+file:/etc/apt/mirrors.txt bookworm main\n"
    mirrors = "# near\nhttp://near.invalid/debian\tpriority:1\nhttp://far.invalid/debian\n"
    root = machine(tmp_path, BOOKWORM, {"sources.list": line, "mirrors.txt": mirrors})
    assert archive.of_host(root).lines() == ("deb http://near.invalid/debian bookworm main",)


@pytest.mark.parametrize(
    ("release", "suite", "uri"),
    [
        (BOOKWORM, "bookworm", "http://deb.debian.org/debian"),
        ("ID=ubuntu\nVERSION_CODENAME=noble\n", "noble", "http://archive.ubuntu.com/ubuntu"),
        ("ID=fedora\n", archive.DEFAULT_SUITE, "http://deb.debian.org/debian"),
        ("", archive.DEFAULT_SUITE, "http://deb.debian.org/debian"),
    ],
)
def test_without_archives_of_its_own_the_public_ones_are_used(
    tmp_path: Path, release: str, suite: str, uri: str
) -> None:
    """Debian and Ubuntu keep their release, anything else gets Debian."""
    found = archive.of_host(machine(tmp_path, release, {}))
    assert (found.suite, found.sources[0].uri) == (suite, uri)
