"""``hermes doctor`` on the machine that the tests run on."""

import hashlib
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.integration.running import Hermes


def examined(hermes: Hermes) -> tuple[int, dict[str, dict[str, Any]]]:
    """Run the doctor; return its status and the checks by name."""
    done = hermes.cli("doctor", "--json", check=False)
    assert done.stderr == ""
    return done.returncode, {check["name"]: check for check in json.loads(done.stdout)}


def test_a_running_service_is_in_nobodys_way(shared: Hermes) -> None:
    """It has its port, goes on unharmed, and no container is left of the examination."""
    before = shared.pool()["sandboxes"]
    _status, checks = examined(shared)
    assert checks["service"]["found"].startswith("hermes runs")
    assert checks["port"]["found"].endswith(f":{shared.port}")
    assert {checks[name]["status"] for name in ("rootless", "decoy", "sub-ids")} == {"ok"}
    assert checks["decoy label"]["fix"] == "hermes image build"
    assert {box["name"] for box in shared.pool()["sandboxes"]} == {box["name"] for box in before}
    own = hashlib.sha256(f"doctor {shared.directory / 'run'}".encode()).hexdigest()[:12]
    command = ["podman", "ps", "--all", "--quiet", "--filter", f"label=hermes.instance={own}"]
    assert subprocess.run(command, check=True, capture_output=True).stdout == b""


def test_a_machine_without_podman_is_told_what_to_install(
    make_hermes: Callable[..., Hermes], tmp_path: Path
) -> None:
    """Everything else is checked all the same; the status is 1."""
    hermes = make_hermes()
    hermes.environment["PATH"] = str(tmp_path)
    status, checks = examined(hermes)
    assert (status, checks["podman"]["status"]) == (1, "fail")
    assert "scripts/up" in checks["podman"]["fix"]
    assert {"kernel", "cgroups", "port", "evidence"} <= set(checks)
    assert "storage" not in checks


def test_a_decoy_that_is_not_there_has_a_fix(make_hermes: Callable[..., Hermes]) -> None:
    """A name that the operator chose is a failure, in words for people too."""
    hermes = make_hermes(SANDBOX__IMAGE="localhost/hermes-test:absent")
    status, checks = examined(hermes)
    assert (status, checks["decoy"]["status"]) == (1, "fail")
    told = hermes.cli("doctor", check=False).stdout.splitlines()
    line = next(number for number, text in enumerate(told) if text.startswith("✗ decoy"))
    assert told[line + 1] == f"    {checks['decoy']['fix']}"


def test_strangers_are_kept_out_where_limits_do_not_hold(
    make_hermes: Callable[..., Hermes],
) -> None:
    """Where nothing is delegated, listening on every address is the failure that hermes up has."""
    hermes = make_hermes(SSH__HOST="0.0.0.0")  # noqa: S104 - what is refused
    _status, checks = examined(hermes)
    enforced = checks["cgroups"]["status"] == "ok"
    assert (checks["reach"]["status"] == "ok") == enforced
