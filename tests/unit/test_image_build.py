import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hermes.errors import HermesError, ImageError
from hermes.image import bootstrap, catalogue, derive, guest_init, identity, workspace
from hermes.image.archive import Archive, Source
from hermes.image.identity import Identity
from hermes.image.recipe import BOOTSTRAP, DEFAULT_TAG, Recipe
from hermes.resources import _find, containerfiles
from hermes.settings import SandboxSettings

RECIPE = Recipe("localhost/d:1", BOOTSTRAP, Identity("web-02", "10.9.8.7"), "5eed", 1_790_000_000)
HOST = Archive("bookworm", (Source("http://mirror.invalid/debian", "bookworm", ("main",)),))


def test_the_default_tag_is_that_of_the_settings() -> None:
    """What is built by default is what sandboxes are made of by default."""
    assert SandboxSettings().image == DEFAULT_TAG


def test_a_seed_always_draws_the_same_identity() -> None:
    """Host name and address come from the seed, and a host name of one's own wins."""
    assert identity.draw("a") == identity.draw("a")
    assert len({identity.draw(str(seed)).address for seed in range(20)}) > 15
    assert identity.draw("a", "db1").hostname == "db1"
    assert identity.draw("a", "db1").address == identity.draw("a").address


def test_recipes_do_not_resemble_each_other() -> None:
    """Each build has its own seed, which its repr does not show."""
    first, second = Recipe.fresh("t"), Recipe.fresh("t")
    assert first.seed != second.seed
    assert first.seed not in repr(first)


@pytest.mark.parametrize("value", ["", "{}", "[]", "web-02", '{"hostname": "x"}'])
def test_a_foreign_label_is_no_identity(value: str) -> None:
    """Anyone can label an image."""
    assert Identity.from_label(value) is None


def test_a_recipe_labels_the_init_that_it_is_built_with() -> None:
    """So that a service notices an image of another version."""
    assert RECIPE.labels()[guest_init.LABEL] == guest_init.version()


def test_an_identity_survives_its_label() -> None:
    """What a build writes, a service reads."""
    assert Identity.from_label(RECIPE.identity.label()) == RECIPE.identity


def test_mmdebstrap_gets_the_hosts_archives_and_the_furnishing(tmp_path: Path) -> None:
    """The whole build is one command, with its temporary files beside the tarball."""
    decoy = tmp_path / "a decoy"
    decoy.mkdir()
    (decoy / "packages.txt").write_text("# tools\nbash  # the shell\n\ngit\n")
    command = bootstrap.mmdebstrap_command(
        RECIPE, HOST, tmp_path / "root.tar", decoy=decoy, apt_options=("Acquire::http::Proxy x",)
    )
    assert f"TMPDIR={tmp_path}" in command
    assert "--include=?or(?exact-name(bash),?exact-name(git))" in command
    assert "--aptopt=Acquire::http::Proxy x" in command
    assert f"--customize-hook=copy-in '{decoy}' /mnt" in command
    assert command[-3:] == (
        "bookworm",
        str(tmp_path / "root.tar"),
        "deb http://mirror.invalid/debian bookworm main",
    )


def test_the_hook_furnishes_with_the_recipes_values() -> None:
    """The script reads who it is from its environment."""
    assert bootstrap.furnish_hook(RECIPE) == (
        "env SEED=5eed NOW=1790000000 DECOY_HOSTNAME=web-02 DECOY_ADDRESS=10.9.8.7 "
        'chroot "$1" sh /mnt/decoy/furnish.sh'
    )


def test_proxies_are_taken_from_apt() -> None:
    """The build reads no apt.conf of the host, and needs no other part of it."""
    dump = (
        'Acquire::http "";\nAcquire::http::Proxy "http://proxy.invalid:3142";\n'
        'Acquire::https::mirror.invalid::Proxy "DIRECT";\nAcquire::Retries "3";\n'
    )
    assert list(bootstrap.proxies(dump)) == [
        'Acquire::http::Proxy "http://proxy.invalid:3142"',
        'Acquire::https::mirror.invalid::Proxy "DIRECT"',
    ]


def test_a_failure_names_the_first_complaint() -> None:
    """One sentence with cause and fix; without a complaint, the exit status."""
    assert "(no such host)" in bootstrap.failure(["no such host", "later"], 1, 2.0)
    assert "(exit status 25 after 2 s)" in bootstrap.failure([], 25, 2.0)


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The fix is an apt command, or another way to build."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ImageError, match=r"mmdebstrap is not installed.*apt install mmdebstrap"):
        bootstrap.check_host()


def test_podman_builds_with_the_same_values() -> None:
    """The Containerfile's arguments are the environment of the other way."""
    recipe = Recipe("localhost/d:1", "debian:12", RECIPE.identity, "5eed", 7)
    command = derive.build_command(Path("/run/p.sock"), recipe, Path("/c/decoy"))
    arguments = {command[i + 1] for i, word in enumerate(command) if word == "--build-arg"}
    assert arguments == {
        "BASE=debian:12",
        "SEED=5eed",
        "NOW=7",
        "DECOY_HOSTNAME=web-02",
        "DECOY_ADDRESS=10.9.8.7",
    }
    labels = {command[i + 1] for i, word in enumerate(command) if word == "--label"}
    assert labels == {f"{name}={value}" for name, value in recipe.labels().items()}
    assert command[:3] == ("podman", "--url", "unix:///run/p.sock")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["Error: no such registry"], "no such registry"),
        (["mktemp: no room", 'Error: building at STEP "RUN x": exit status 1'], "mktemp: no room"),
        (
            ["STEP 2/3: RUN x", 'Error: building at STEP "RUN x": no sh'],
            'building at STEP "RUN x": no sh',
        ),
    ],
)
def test_podmans_last_words_say_why(words: list[str], why: str) -> None:
    """The program that failed says more than the step that it failed in."""
    assert derive.cause(words) == why


def test_a_build_lies_where_there_is_room(tmp_path: Path) -> None:
    """The first directory with room; none is an error that says how much is wanted."""
    missing = tmp_path / "missing"
    assert workspace.choose((missing, tmp_path), wanted=1) == tmp_path
    with pytest.raises(ImageError, match=r"1048576 MB .* neither .*missing nor .* free some space"):
        workspace.choose((missing, tmp_path), wanted=1 << 40)


def test_only_builds_that_ended_are_abandoned(tmp_path: Path) -> None:
    """What a killed build left is ours to remove, what runs now is not."""
    ended = tmp_path / f"{workspace.PREFIX}{2**22 + 1}-abc"
    for name in (ended.name, f"{workspace.PREFIX}1-abc", "other"):
        (tmp_path / name).mkdir()
    assert workspace.abandoned(tmp_path) == [ended]


async def test_a_workspace_is_gone_afterwards(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With everything in it."""
    monkeypatch.setattr(workspace, "candidates", lambda: (tmp_path,))
    async with workspace.workspace() as path:
        (path / "root.tar").write_bytes(b"x")
    assert not await asyncio.to_thread(path.exists)


def test_the_catalogue_reads_podmans_list() -> None:
    """Every name is a row; an image without one is still listed."""
    document = {
        "Id": "sha256:0123456789abcdef",
        "RepoTags": ["localhost/a:1", "localhost/b:1"],
        "Created": 1_790_000_000,
        "Size": 400,
        "Labels": {identity.LABEL: json.dumps({"hostname": "web-02", "address": "10.1.1.1"})},
    }
    first, second = catalogue.read(document)
    assert (first.name, second.name) == ("localhost/a:1", "localhost/b:1")
    assert (first.id, first.hostname, first.size) == ("0123456789ab", "web-02", 400)
    assert first.created == datetime.fromtimestamp(1_790_000_000, UTC)
    (unnamed,) = catalogue.read(document | {"RepoTags": None, "Labels": None})
    assert (unnamed.name, unnamed.hostname) == ("<none>", "")


def test_the_containerfiles_are_found() -> None:
    """In a checkout they are at its top; what is nowhere is an error with a fix."""
    assert (containerfiles() / "decoy/Containerfile").is_file()
    with pytest.raises(HermesError, match="nothing/ is missing"):
        _find("nothing")
