"""The settings: their forms, their sources, and that each is read."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import hermes
from hermes.errors import SettingsError
from hermes.settings import Settings, parse_size
from hermes.settings_source import as_text, load, names, restart_wanted, rows, template

EMPTY = Path("/dev/null")


@pytest.mark.parametrize(
    ("text", "size"),
    [("256m", 256 << 20), ("1.5g", 3 << 29), ("64K", 65536), ("10mb", 10 << 20), ("17", 17)],
)
def test_sizes_are_read_as_podman_reads_them(text: str, size: int) -> None:
    """Units are binary multiples, whatever the case."""
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["lots", "", "-1m", "1q", "1 2"])
def test_what_is_no_size_is_refused(text: str) -> None:
    """A size is a number with at most one unit."""
    with pytest.raises(ValueError, match="should be a size"):
        parse_size(text)


def test_options_win_over_the_file(tmp_path: Path) -> None:
    """An option beats hermes.env, and each value keeps its source."""
    file = tmp_path / "hermes.env"
    file.write_text("HERMES_SSH__PORT=2022\nHERMES_SSH__HOST='127.0.0.1, ::1'\n# comment\n")
    loaded = load(file, {"SSH__PORT": "2023", "SSH__HOST": None})
    assert loaded.settings.ssh.port == 2023
    assert loaded.settings.ssh.host == ("127.0.0.1", "::1")
    assert loaded.sources["HERMES_SSH__PORT"] == "option"
    assert loaded.sources["HERMES_SSH__HOST"] == str(file)


def test_empty_values_are_unset() -> None:
    """What may be empty is None then."""
    names_ = (
        "AUTH__USERDB",
        "SSH__BANNER",
        "SSH__PUBLIC_PORT",
        "SANDBOX__HOSTNAME",
        "PODMAN__SOCKET",
    )
    settings = load(EMPTY, dict.fromkeys(names_, "")).settings
    assert settings.auth.userdb is None
    assert settings.ssh.banner is None
    assert settings.ssh.public_port is None
    assert settings.sandbox.hostname is None
    assert settings.podman.socket is None


def test_paths_know_home_and_runtime_directory() -> None:
    """A tilde in a path is the user's home."""
    settings = load(EMPTY, {"EVIDENCE__DIR": "~/e"}).settings
    assert settings.evidence.dir == Path.home() / "e"
    assert settings.runtime_dir.name == "hermes"
    assert "$" not in str(settings.runtime_dir)


def test_a_home_of_nobody_is_named() -> None:
    """A tilde with a name that no user has is a wrong setting, and no failure of Hermes."""
    with pytest.raises(SettingsError, match=r"EVIDENCE__DIR is .*~nobody-there is nobody's home"):
        load(EMPTY, {"EVIDENCE__DIR": "~nobody-there/e"})


def test_what_needs_a_restart_is_told_apart() -> None:
    """The userdb and the log are taken over by a reload, all else is named."""
    before = load(EMPTY).settings
    now = load(EMPTY, {"LOG__LEVEL": "error", "AUTH__USERDB": "/u", "POOL__MAX": "5"}).settings
    assert restart_wanted(before, now) == ["HERMES_POOL__MAX"]


def test_a_name_near_to_none_gets_no_suggestion() -> None:
    """Only a likely name is suggested."""
    with pytest.raises(SettingsError, match=r"HERMES_ZZZ9 \(from option\) is no setting$"):
        load(EMPTY, {"ZZZ9": "1"})


def test_the_template_sets_every_default(tmp_path: Path) -> None:
    """hermes.env with every line uncommented is valid and changes nothing."""
    file = tmp_path / "hermes.env"
    lines = template().splitlines()
    file.write_text("\n".join(line.removeprefix("#") for line in lines if "=" in line))
    assert load(file).settings == load(EMPTY).settings
    assert {line[1:].partition("=")[0] for line in lines if line.startswith("#H")} == names()


def test_every_setting_has_a_meaning() -> None:
    """Each has one line of documentation that a reader can take as it is."""
    for row in rows(load(EMPTY).settings):
        assert row.meaning
        assert "\n" not in row.meaning


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (True, "true"),
        ((1, 2, 3), "1:2:3"),
        (("a", "b"), "a,b"),
        (3 << 30, "3g"),
        ((1 << 20) + 1, "1048577"),
        (0.5, "0.5"),
        (Path("/x"), "/x"),
    ],
)
def test_values_are_written_as_they_are_read(value: object, text: str) -> None:
    """The text of a value is what a file would say."""
    assert as_text(value) == text


def attributes_read() -> Iterator[str]:
    """Every attribute that the package reads, outside the settings themselves."""
    for path in Path(hermes.__file__).parent.rglob("*.py"):
        if path.name not in ("settings.py", "settings_source.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
                    yield node.attr


def test_every_setting_is_read_by_something() -> None:
    """No setting does nothing."""
    read = set(attributes_read())
    leaves = {name.removeprefix("HERMES_").rpartition("__")[2].lower() for name in names()}
    assert leaves <= read


def test_settings_are_frozen() -> None:
    """Nobody changes a setting while the service runs."""
    with pytest.raises(ValueError, match="frozen"):
        load(EMPTY).settings.ssh.port = 1  # type: ignore[misc]
    assert isinstance(load(EMPTY).settings, Settings)
