"""A service that systemd runs, on a machine that enforces limits; the tests build on each other."""

import json
import re
import time

import pytest

from hermes.settings import SandboxSettings
from tests.vm.deployment import Deployment

pytestmark = [pytest.mark.vm, pytest.mark.timeout(900)]

BUSY_SECONDS = 10


def test_every_check_is_ok(deployment: Deployment) -> None:
    """The doctor has nothing to say against a machine like this one but what it lacks indeed.

    It has no clock to go by, Debian's crun, and a decoy of busybox.
    """
    checks = json.loads(deployment.cli("doctor --json"))
    known = {"clock", "crun", "podman", "decoy label", "decoy persona"}
    assert {check["name"] for check in checks if check["status"] != "ok"} <= known
    assert [check for check in checks if check["status"] == "fail"] == []


def test_limits_are_enforced(deployment: Deployment) -> None:
    """The pool says so, after it has looked."""
    assert deployment.pool()["limits_enforced"] is True


def test_a_visitor_has_a_box(deployment: Deployment) -> None:
    """Who comes from outside gets a shell, and the journal has him."""
    assert deployment.visit("id -u; cat /proc/1/comm") == "0\ninit"
    assert "10.0.2.2" in deployment.journal()


def test_a_fork_bomb_stops_at_the_limit(deployment: Deployment) -> None:
    """The box has no more processes than it may have, and is usable afterwards."""
    deployment.visit("for n in $(seq 300); do sleep 20 & done; true")
    cgroup = deployment.cgroup_of_guest()
    look = f"cat {cgroup}/pids.peak {cgroup}/pids.max"
    peak, most = deployment.machine.run(look, user="root").split()
    assert int(peak) <= int(most) == SandboxSettings().pids
    deployment.visit("kill -9 -1")
    assert deployment.visit("echo alive") == "alive"


def test_a_memory_hog_is_killed_in_its_box(deployment: Deployment) -> None:
    """The kernel kills it, its box lives on, and so do the others."""
    before = {row["name"] for row in deployment.pool()["sandboxes"]}
    count = SandboxSettings().memory + (64 << 20)
    deployment.visit(f"dd if=/dev/zero of=/dev/null bs={count} count=1 && echo DONE >/done")
    assert "No such file" in deployment.visit("ls /done")
    events = deployment.machine.run(f"cat {deployment.cgroup_of_guest()}/memory.events")
    assert int(re.findall(r"oom_kill (\d+)", events)[0]) > 0
    assert before <= {row["name"] for row in deployment.pool()["sandboxes"]}


def test_a_busy_loop_gets_half_a_core(deployment: Deployment) -> None:
    """As the kernel counts it."""
    deployment.visit("setsid sh -c 'while :; do :; done' </dev/null >/dev/null 2>&1 &")
    look = f"cat /proc/uptime {deployment.cgroup_of_guest()}/cpu.stat"

    def used() -> tuple[float, float]:
        said = deployment.machine.run(look)
        return float(said.split()[0]), int(re.findall(r"usage_usec (\d+)", said)[0]) / 1e6

    began, before = used()
    time.sleep(BUSY_SECONDS)
    ended, after = used()
    assert (after - before) / (ended - began) <= SandboxSettings().cpus * 1.1
    stat = deployment.machine.run(look)
    assert int(re.findall(r"nr_throttled (\d+)", stat)[0]) > 0
    deployment.visit("kill -9 -1")


def test_a_killed_member_is_replaced_by_systemd(deployment: Deployment) -> None:
    """Its unit starts a fresh one, which is adopted."""
    before = {row["name"] for row in deployment.pool()["sandboxes"]}
    deployment.systemctl("kill --signal=KILL hermes-sandbox@2.service")
    deployment.ready()
    after = deployment.pool()["sandboxes"]
    assert {row["name"] for row in after} - before
    assert len([row for row in after if row["supervised"]]) == 3


def test_a_killed_service_is_back_and_has_lost_nothing(deployment: Deployment) -> None:
    """What a visitor left is harvested, and the pool is adopted again."""
    deployment.visit("echo kept >/root/left; echo too >/tmp/left")
    sessions = "~/.local/share/hermes/evidence/sessions/*/*/*/*/changes.json"
    deployment.systemctl("kill --signal=KILL hermes.service")
    deployment.ready()
    found = deployment.machine.run(f"cat {sessions}")
    assert '"/root/left"' in found
    assert '"/tmp/left"' in found
    assert deployment.visit("ls /root/left 2>/dev/null; echo fresh") == "fresh"


def test_the_service_has_no_network_of_its_own(deployment: Deployment) -> None:
    """Connections come from the socket unit alone, and the exposure is low."""
    pid = deployment.systemctl("show --property=MainPID --value hermes.service")
    interfaces = deployment.machine.run(f"cat /proc/{pid.strip()}/net/dev")
    assert re.findall(r"^ *(\w+):", interfaces, re.MULTILINE) == ["lo"]
    said = deployment.machine.run("systemd-analyze --user security --no-pager hermes.service")
    assert float(re.findall(r"exposure level for hermes.service: ([\d.]+)", said)[0]) <= 2.0


def test_it_comes_back_after_a_reboot(deployment: Deployment) -> None:
    """Nobody logs in: the user's manager starts it."""
    deployment.machine.reboot()
    deployment.ready()
    assert deployment.visit("echo alive") == "alive"


def test_a_stop_leaves_no_container(deployment: Deployment) -> None:
    """The pool, the visitor's box among it, is gone when systemctl returns."""
    deployment.systemctl("stop hermes.target hermes.service 'hermes-sandbox@*.service'")
    assert deployment.containers() == []


def test_an_uninstall_leaves_nothing_but_the_evidence(deployment: Deployment) -> None:
    """No unit is known any more."""
    said = deployment.cli("quadlet uninstall", seconds=180)
    assert "the evidence stays in" in said
    assert "hermes" not in deployment.systemctl(
        "list-unit-files --no-legend 'hermes*'", check=False
    )
    assert deployment.machine.run("ls ~/.local/share/hermes/evidence/sessions")
