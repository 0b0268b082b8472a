import base64
import io
import json

import pytest

from hermes.errors import PodmanError
from hermes.sandbox.harvest_api import Listed, parse_list, parse_stat

FILE = {"name": "x", "size": 7, "mode": 0o755, "mtime": "2026-01-02T03:04:05Z", "linkTarget": "/x"}


def header(**fields: object) -> str:
    """Write the header that describes a path."""
    return base64.b64encode(json.dumps(FILE | fields).encode()).decode()


@pytest.mark.parametrize(
    ("mode", "kind", "shown"),
    [
        (0o644 | 1 << 23, "file", "4644"),
        (0o755 | 1 << 31 | 1 << 20, "directory", "1755"),
        (0o777 | 1 << 27, "link", "0777"),
        (0o600 | 1 << 26 | 1 << 21, "device", "0600"),
        (0o600 | 1 << 25, "fifo", "0600"),
        (0o600 | 1 << 24, "socket", "0600"),
    ],
)
def test_the_modes_of_go_are_read(mode: int, kind: str, shown: str) -> None:
    """Podman tells kinds and special bits in places of its own language."""
    change = parse_stat("/x", header(mode=mode))
    assert (change.kind, change.mode) == (kind, shown)


def test_only_files_have_a_size_and_only_links_a_target() -> None:
    """What does not apply is not told."""
    assert (parse_stat("/x", header()).size, parse_stat("/x", header()).target) == (7, None)
    link = parse_stat("/x", header(mode=1 << 27))
    assert (link.size, link.target) == (None, "/x")


@pytest.mark.parametrize("damaged", ["", "%", base64.b64encode(b"[]").decode(), header(mode="x")])
def test_a_damaged_header_is_an_error(damaged: str) -> None:
    """Whatever podman sends, the error is podman's."""
    with pytest.raises(PodmanError):
        parse_stat("/x", damaged)


def test_the_list_of_changes_is_read_without_noise() -> None:
    """Nothing changed is null; what a sandbox changes by itself is left out."""
    assert parse_list(io.BytesIO(b"null")) == []
    told = [{"Path": "/etc/hosts", "Kind": 0}, {"Path": "/x", "Kind": 2}, {"Path": "/y", "Kind": 1}]
    listed = parse_list(io.BytesIO(json.dumps(told).encode()))
    assert listed == [Listed("/x", deleted=True), Listed("/y", deleted=False)]


@pytest.mark.parametrize("damaged", [b"", b"[1]", b'[{"Path":1}]', b"7"])
def test_a_damaged_list_is_an_error(damaged: bytes) -> None:
    """Whatever podman sends, the error is podman's."""
    with pytest.raises(PodmanError):
        parse_list(io.BytesIO(damaged))
