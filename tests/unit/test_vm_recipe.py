"""What the virtual machine's disk is made of."""

from pathlib import Path

import pytest

from hermes.image.archive import Source
from tests.vm.machine import recipe


@pytest.mark.parametrize(
    ("known", "uri"),
    [
        (
            [Source("http://mirror.example/debian/", "bookworm", ("main",))],
            "mirror.example/debian/",
        ),
        ([Source("http://mirror.example/ubuntu", "noble", ("main",))], "deb.debian.org/debian"),
        ([], "deb.debian.org/debian"),
    ],
)
def test_packages_come_from_the_machines_own_archive(known: list[Source], uri: str) -> None:
    """A Debian's mirror serves every release; elsewhere the public one does."""
    assert recipe.sources_from(known) == (f"deb http://{uri} trixie main",)


def test_a_key_with_spaces_stays_one_word() -> None:
    """The public key reaches the hook as it is."""
    command = recipe.mmdebstrap_command(
        Path("/x/root.tar"), Path("/s"), public_key="kind AAAA= vm", sources=(), options=()
    )
    assert """--customize-hook=env KEY='kind AAAA= vm' sh /s/setup.sh "$1\"""" in command
