"""Units for systemd and Quadlet, made of the settings."""

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from hermes.cli import app
from hermes.errors import SettingsError
from hermes.quadlet.generate import Shape
from hermes.quadlet.members import document
from hermes.quadlet.options import options
from hermes.quadlet.places import Places
from hermes.quadlet.versions import NEWEST, OLDEST, SINCE, Version, parse_version, show
from hermes.settings import Settings
from tests.quadlet_units import KINDS, REPOSITORY, entries, files, run_options

QUADLET = Path(__file__).parents[2] / "quadlet"
MEMBER = "hermes-sandbox@.container"
VERSIONS = sorted(
    {*SINCE.values(), OLDEST, NEWEST, *((4, n) for n in range(4, 10)), *((5, n) for n in range(9))}
)
OURS = {"Container", "Volume", "Build", "Quadlet"}


def settings(**groups: Any) -> Settings:
    """Build settings of the defaults but for those given."""
    return Settings.model_validate(groups)


def test_the_repository_holds_what_is_generated() -> None:
    """quadlet/ has every file for the default settings as it is generated, and no other."""
    kept = {path.name: path.read_text() for path in QUADLET.iterdir()}
    del kept["README.md"]
    assert kept == files(REPOSITORY), (
        "run: HOME=/nowhere hermes quadlet generate --env-file /dev/null --podman-version 5.4 "
        "-o quadlet"
    )


@pytest.mark.parametrize("version", VERSIONS, ids=show)
def test_no_unit_has_a_key_that_its_podman_does_not_know(version: Version) -> None:
    """Every key of Quadlet is as old as the podman that the units are for."""
    for name, text in files(version).items():
        if name.endswith(KINDS):
            keys = {key for section, key, _ in entries(text) if section in OURS}
            assert {key for key in keys if SINCE[key] > version} == set(), name
    assert ("hermes-decoy.build" in files(version)) == (version >= (5, 2))


@pytest.mark.parametrize("version", VERSIONS, ids=show)
@pytest.mark.parametrize("box", [{}, {"read_only": True, "hostname": "web-01"}], ids=str)
def test_a_member_means_the_same_to_every_podman(version: Version, box: dict[str, Any]) -> None:
    """What a podman has no key for is said by an option, so that every sandbox is alike."""
    chosen = settings(sandbox=box)
    newest = run_options(files(NEWEST, chosen)[MEMBER])
    lost = set() if version >= (5, 3) else {"--no-hostname"}  # which it does not know either
    assert run_options(files(version, chosen)[MEMBER]) == newest - lost


def test_a_member_is_what_the_specification_says() -> None:
    """Its isolation is in the unit: capabilities, namespaces, limits, mounts and mappings."""
    said = run_options(files()[MEMBER])
    chosen = settings().sandbox
    assert said >= {
        "--cap-drop=all",
        *(f"--cap-add={name}" for name in chosen.capabilities),
        *("--network=none", "--ipc=none", "--pid=private", "--uts=private"),
        *("--uidmap=0:1:65536", "--gidmap=0:1:65536", "--security-opt=no-new-privileges"),
        "--security-opt=seccomp=%E/hermes/seccomp.json",
        *(f"--memory={chosen.memory}", f"--memory-swap={chosen.memory}"),
        *(f"--pids-limit={chosen.pids}", "--cpu-quota=50000", "--timeout=18140"),
        *("--log-driver=none", "--systemd=false", "--interactive", "--pull=never"),
        "--label=hermes.supervisor=systemd",
    }


def test_no_field_of_the_specification_is_lost() -> None:
    """A field that nobody has translated stops the generation."""
    with pytest.raises(KeyError, match="devices"):
        list(options({**document(settings()), "devices": []}))


def test_the_output_is_the_same_on_every_machine() -> None:
    """Paths of the user who generates become specifiers of the user who runs."""
    homes = (Path("/home/a"), Path("/srv/b"))
    made = [
        files(
            settings=settings(
                evidence={"dir": home / "kept"},
                ssh={"host_key_dir": home / "keys"},
                auth={"userdb": home / "etc/userdb.txt"},
                runtime_dir=home / "run/hermes",
            ),
            places=Places(home=home, runtime=home / "run"),
        )
        for home in homes
    ]
    assert made[0] == made[1]
    assert "Environment=HERMES_EVIDENCE__DIR=%h/kept\n" in made[0]["hermes.service"]
    assert "Environment=HERMES_AUTH__USERDB=%h/etc/userdb.txt\n" in made[0]["hermes.service"]
    assert (
        "BindReadOnlyPaths=-%h/.local/lib/hermes/venv -%E/hermes -%h/etc\n"
        in (made[0]["hermes.service"])
    )
    assert "Volume=%h/etc:%h/etc:ro\n" in made[0]["hermes.container"]


def test_what_differs_from_the_defaults_is_passed_on() -> None:
    """Settings reach the service in both shapes, whatever letters they have."""
    made = files(settings=settings(sensor='50% "x" $y', pool={"size": 2}))
    for name, sensor in (("hermes.service", "$y"), ("hermes.container", "$$y")):
        assert "Environment=HERMES_POOL__SIZE=2\n" in made[name]
        assert f'Environment="HERMES_SENSOR=50%% \\"x\\" {sensor}"\n' in made[name]
        assert "HERMES_POOL__MAX" not in made[name]
    assert "hermes-sandbox@2.service\n" in made["hermes.target"]
    assert "hermes-sandbox@3" not in made["hermes.target"]


def test_every_address_is_listened_on() -> None:
    """The socket has each address with the port, an IPv6 address in brackets."""
    made = files(settings=settings(ssh={"host": ("192.0.2.1", "::1"), "port": 22}))
    assert "\nListenStream=192.0.2.1:22\nListenStream=[::1]:22\n" in made["hermes.socket"]


def test_the_ceilings_are_those_of_the_whole_pool() -> None:
    """The slice allows as much as the most sandboxes take together."""
    chosen = settings(pool={"size": 1, "max": 4}, sandbox={"memory": "64m", "cpus": 0.25})
    made = {key: value for _, key, value in entries(files(settings=chosen)["hermes.slice"])}
    assert (made["MemoryMax"], made["CPUQuota"]) == (str(4 * (80 << 20)), "100%")
    assert made["TasksMax"] == str(4 * 108)


@pytest.mark.parametrize(
    ("groups", "words"),
    [
        ({"ssh": {"port": 0}}, "HERMES_SSH__PORT is 0"),
        ({"ssh": {"host": ("localhost",)}}, "HERMES_SSH__HOST has localhost"),
        ({"sandbox": {"image": "a; reboot"}}, "HERMES_SANDBOX__IMAGE is 'a; reboot'"),
    ],
)
def test_what_no_unit_can_say_is_refused(groups: dict[str, Any], words: str) -> None:
    """A setting that a unit cannot express is named."""
    with pytest.raises(SettingsError, match=words):
        files(settings=settings(**groups))


def test_a_shape_has_only_its_own_units() -> None:
    """A hermes.service beside hermes.container would hide it, so one shape has one of them."""
    program, container = files(shape=Shape.PROGRAM), files(shape=Shape.CONTAINER)
    assert {"hermes.service", "hermes-broker.service"} <= program.keys() - container.keys()
    assert {"hermes.container", "hermes-broker.container"} <= container.keys() - program.keys()
    assert program | container == files()


@pytest.mark.parametrize(
    ("text", "words"), [("4.3.1", "podman 4.3 has no Quadlet"), ("new", "no version of podman")]
)
def test_a_podman_without_quadlet_is_refused(text: str, words: str) -> None:
    """One sentence says what to do."""
    with pytest.raises(SettingsError, match=words):
        parse_version(text)


def test_a_version_is_read_as_podman_prints_it() -> None:
    """The first two numbers count."""
    assert parse_version("podman version 5.4.2\n") == (5, 4)


def test_generate_writes_to_a_directory_that_it_makes(tmp_path: Path) -> None:
    """Each file is there, and the command says where."""
    where = tmp_path / "new" / "units"
    command = ["quadlet", "generate", "--env-file", "/dev/null", "--podman-version", "5.4"]
    result = CliRunner().invoke(app, [*command, "-o", str(where)])
    assert result.exit_code == 0, result.output
    assert {path.name for path in where.iterdir()} == files().keys()
    assert str(where) in result.output


def test_generate_prints_every_file_under_its_name() -> None:
    """Without a directory all goes to standard output."""
    command = ["quadlet", "generate", "--env-file", "/dev/null", "--podman-version", "5.4"]
    result = CliRunner().invoke(app, [*command, "--shape", "program"])
    names = files(shape=Shape.PROGRAM)
    assert [line for line in result.output.splitlines() if line in {f"# {n}" for n in names}] == [
        f"# {name}" for name in names
    ]
