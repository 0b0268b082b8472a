"""The furnishing's own parts, run by this machine's sh and awk."""

import re
import struct
import subprocess
from pathlib import Path

import pytest

from hermes.resources import containerfiles

DECOY = containerfiles() / "decoy"
NOW = 1_790_000_000
UTMP = struct.Struct("<h2xi32s4s32s256shhiii16s20s")


def shell(script: str, **variables: str) -> str:
    """Run a script with the helpers at hand."""
    text = f'. "$HERE/lib.sh"\n{script}'
    environment = {"PATH": "/usr/bin:/bin", "HERE": str(DECOY), "TZ": "UTC", "LC_ALL": "C"}
    done = subprocess.run(
        ["sh", "-euc", text], env=environment | variables, capture_output=True, check=True
    )
    return done.stdout.decode()


def values(seed: str) -> dict[str, str]:
    """Return every value that templates may name."""
    script = """ADDRESS=10.9.8.7; HOST=web-02; . "$HERE/values.sh"
    for name in $FIELDS; do eval "echo \\"$name=\\$$name\\""; done"""
    lines = shell(script, SEED=seed, NOW=str(NOW)).splitlines()
    return dict(line.split("=", 1) for line in lines)


def awk(program: str, text: str, **variables: str | int) -> str:
    """Run one of the generators."""
    options = [word for name, value in variables.items() for word in ("-v", f"{name}={value}")]
    done = subprocess.run(
        ["awk", *options, "-f", str(DECOY / "generate" / program)],
        input=text.encode(),
        env={"PATH": "/usr/bin:/bin", "TZ": "UTC", "LC_ALL": "C"},
        capture_output=True,
        check=True,
    )
    return done.stdout.decode()


def test_the_seed_decides_everything() -> None:
    """The same seed gives the same machine, another one shares no secret with it."""
    first, again, other = values("one"), values("one"), values("two")
    secrets = [name for name in first if re.search(r"PASSWORD|SECRET|KEY|SALT|UUID|_ID$", name)]
    assert first == again
    assert len(secrets) > 10
    assert all(first[name] != other[name] for name in secrets)


def test_credentials_have_the_form_of_true_ones() -> None:
    """A tool that looks for keys by their form finds these."""
    found = values("one")
    assert re.fullmatch(r"AKIA[A-Z2-7]{16}", found["AWS_KEY"])
    assert re.fullmatch(r"[A-Za-z0-9+/]{40}", found["AWS_SECRET"])
    assert re.fullmatch(r"[0-9a-f]{32}", found["MACHINE_ID"])
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", found["ROOT_UUID"])


def test_the_past_is_in_order() -> None:
    """The machine is older than its site, and nothing happened after the build."""
    found = values("one")
    names = ("INSTALLED", "LAUNCHED", "MIGRATED", "REDESIGNED", "RECENT", "LASTNIGHT")
    past = [int(found[name]) for name in names]
    assert past == sorted(past)
    assert past[-1] < NOW


def test_every_placeholder_has_a_value() -> None:
    """A template that names an unknown value would show it to attackers."""
    known = set(values("one"))
    for path in (DECOY / "trees").rglob("*"):
        text = str(path) + (path.read_text() if path.is_file() else "")
        used = set(re.findall(r"@([A-Z][A-Z_]*[A-Z])@", text))
        assert used <= known, path


def test_templates_are_planted_under_their_true_names(tmp_path: Path) -> None:
    """dot_x is .x, names hold values too, and a value may contain what sed minds."""
    (tmp_path / "tree/home/@WHO@").mkdir(parents=True)
    (tmp_path / "tree/home/@WHO@/dot_netrc").write_text("login @WHO@ password @PASS@\n")
    script = 'SUBSTITUTIONS=$T/s; substitutions WHO PASS >$T/s; plant "$T/tree" "$T/root"'
    shell(script, T=str(tmp_path), WHO="ops", PASS=r"a|b&c\d")
    planted = tmp_path / "root/home/ops/.netrc"
    assert planted.read_text() == "login ops password a|b&c\\d\n"


@pytest.mark.parametrize(
    ("version", "before"),
    [
        ("2.36-9+deb12u14", "2.36-9+deb12u13"),
        ("1.22.1-9+deb12u1", "1.22.1-9"),
        ("3.134", "3.133"),
        ("1.0-0", "0.0-0"),
        ("2024a-0", "2023a-0"),
        ("0-0", "0-0~1"),
    ],
)
def test_an_upgrade_came_from_the_version_before(version: str, before: str) -> None:
    """What was built after the installation was upgraded a day or two later."""
    line = awk("upgrades.awk", f"a:amd64 {version} 2000000\n", installed=1000, newest=9_000_000)
    when, verb, package, old, new = line.split()
    assert (verb, package, old, new) == ("upgrade", "a:amd64", before, version)
    assert 2000000 < int(when) < 2000000 + 3 * 86400


def test_logins_can_be_read_by_last() -> None:
    """Records are utmp's, byte for byte, whatever bytes the numbers have."""
    text = "7 9511 pts/0 ts/0 root 10.1.2.3 1790000000 10.1.2.3\n2 0 ~ ~~ reboot 6.1 1789999999 -\n"
    escaped = awk("utmp.awk", text).split()
    raw = b"".join(
        re.sub(r"\\0(\d{3})", lambda m: chr(int(m[1], 8)), e).encode("latin1") for e in escaped
    )
    first, second = UTMP.iter_unpack(raw)
    assert first[:3] == (7, 9511, b"pts/0".ljust(32, b"\0"))
    assert first[4].rstrip(b"\0") == b"root"
    assert (first[9], first[11][:4]) == (1_790_000_000, bytes([10, 1, 2, 3]))
    assert (second[0], second[2].rstrip(b"\0"), second[9]) == (2, b"~", 1_789_999_999)


def test_logs_are_cut_where_logrotate_would_have(tmp_path: Path) -> None:
    """Lines go to the file of their week, and too old ones nowhere."""
    day = 86400
    text = "".join(f"{NOW - age * day}.000001 x[1]: {age} days\n" for age in (30, 8, 7, 1, 0))
    awk(
        "rotate.awk",
        text,
        file=str(tmp_path / "log"),
        current=NOW - day,
        step=7 * day,
        keep=2,
        style="iso",
        host="web-02",
    )
    names = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert set(names) == {"log", "log.1"}
    assert re.fullmatch(
        r"\S+T\S+\.000001\+00:00 web-02 x\[1\]: 1 days\n\S+ web-02 x\[1\]: 0 days\n", names["log"]
    )
    assert "8 days" in names["log.1"]


def test_both_logs_tell_of_the_same_login() -> None:
    """What is in auth.log is in wtmp, because both are made from one list."""
    login = f"{NOW - 5000} ops 10.1.2.3 40000 777 60 key\n"
    lines = awk(
        "messages.awk",
        login,
        seed=1,
        now=NOW,
        admin="ops",
        deploy="ci",
        admin_uid=1000,
        deploy_uid=1001,
        admin_key="SHA256:x",
        deploy_key="SHA256:y",
        logind=500,
        **{"from": NOW - 86400},
    )
    assert "Accepted publickey for ops from 10.1.2.3 port 40000 ssh2: ED25519 SHA256:x" in lines
    assert all(float(line.split()[0]) < NOW for line in lines.splitlines())


@pytest.mark.parametrize("path", sorted(DECOY.rglob("*.sh")), ids=lambda path: path.name)
def test_scripts_are_plain_sh(path: Path) -> None:
    """They run in busybox as well."""
    subprocess.run(["sh", "-n", str(path)], check=True, capture_output=True)
