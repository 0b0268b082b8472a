"""How the rooms of the house are started beside each other."""

from pathlib import Path

import pytest

from hermes.errors import EvidenceError
from hermes.ssh.host_keys import making_keys


async def test_host_keys_are_made_beside_what_else_starts(tmp_path: Path) -> None:
    """Making them takes a core for up to a second, which the pool does not wait for."""
    async with making_keys(tmp_path) as making:
        assert not making.done()
        assert len(await making) == 3


async def test_a_damaged_host_key_ends_the_start(tmp_path: Path) -> None:
    """Before anything else has begun."""
    (tmp_path / "ssh_host_rsa_key").write_text("no key")
    with pytest.raises(EvidenceError, match="HERMES_SSH__HOST_KEY_DIR"):
        async with making_keys(tmp_path):
            pytest.fail("what comes beside it was started")
