import dataclasses
import hashlib
import io
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hermes.errors import EvidenceError
from hermes.evidence import changes as changes_file
from hermes.evidence.artifacts import Artifacts
from hermes.evidence.changes import Change, Changes
from hermes.sandbox.broker import LARGEST_MESSAGE
from hermes.sandbox.collection import Caps, Order, Stay
from hermes.sandbox.harvest import harvest, moment, usage

STAY = Stay("box-1", "2026-01-02T03:04:05Z", "2026-01-02T03:05:05Z", ("0123456789ab",))
DEEP = 4_000


@pytest.fixture
def upper(tmp_path: Path) -> Path:
    """Make an upper directory."""
    made = tmp_path / "upper"
    made.mkdir()
    return made


Take = Callable[..., Changes]


@pytest.fixture
def take(tmp_path: Path, upper: Path) -> Take:
    """Harvest the upper directory within the given caps, and read the document."""

    def _take(first_id: int = os.getuid(), started: str = STAY.started, **caps: Any) -> Changes:
        order = Order(
            upper=upper,
            artifacts=tmp_path / "artifacts",
            changes=tmp_path / "session" / "changes.json",
            stay=dataclasses.replace(STAY, started=started),
            caps=Caps(**caps),
            first_id=first_id,
        )
        harvest(**json.loads(json.dumps(order.to_json())))
        found = changes_file.read(tmp_path / "session")
        assert found is not None
        return found

    return _take


def only(found: Changes) -> Change:
    """Return the one change there is."""
    (change,) = found.changes
    return change


def descend(top: Path, levels: int) -> None:
    """Make a tree deeper than any path can name."""
    here = os.open(top, os.O_PATH)
    for _ in range(levels):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_PATH, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)


def ascend(top: Path) -> None:
    """Delete what `descend` made; shutil would need a descriptor for each level."""
    here = os.open(top, os.O_RDONLY)
    names = []
    while os.listdir(here):  # noqa: PTH208 - no path is short enough
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
        names.append("d")
    for name in names:
        above = os.open("..", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = above
        os.rmdir(name, dir_fd=here)
    os.close(here)


def test_a_file_is_told_and_its_bytes_are_kept(upper: Path, take: Take, tmp_path: Path) -> None:
    """Path, mode, owner, size, time and hash are told; the artifact can only be read."""
    (upper / "x.sh").write_bytes(b"#!/bin/sh\n")
    (upper / "x.sh").chmod(0o4755)
    os.utime(upper / "x.sh", (0, 86400))
    sha256 = hashlib.sha256(b"#!/bin/sh\n").hexdigest()
    found = take()
    assert only(found) == Change(
        path="/x.sh",
        kind="file",
        mode="4755",
        uid=0,
        gid=inside if (inside := os.getgid() - os.getuid()) >= 0 else None,
        size=10,
        mtime="1970-01-02T00:00:00.000000Z",
        sha256=sha256,
        artifact=True,
    )
    kept = tmp_path / "artifacts" / sha256[:2] / sha256
    assert kept.read_bytes() == b"#!/bin/sh\n"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o400
    assert (found.sandbox, found.sessions, found.complete) == ("box-1", STAY.sessions, True)


def test_equal_bytes_are_kept_once(upper: Path, take: Take, tmp_path: Path) -> None:
    """Two files of the same bytes, small or large, are one artifact, and nothing else is left."""
    for name in ("a", "b"):
        (upper / name).write_bytes(b"x" * (3 << 20))
        (upper / f"small-{name}").write_bytes(b"x")
    found = take()
    assert len({change.sha256 for change in found.changes}) == 2
    assert len(list(Artifacts(tmp_path / "artifacts").all())) == 2
    assert not list((tmp_path / "artifacts").glob(".*"))


@pytest.mark.parametrize("size", [1, 3 << 20])
def test_an_artifact_says_when_it_was_first_seen(tmp_path: Path, size: int) -> None:
    """Bytes that come again leave the file as it is."""
    artifacts = Artifacts(tmp_path)
    sha256, _ = artifacts.keep(io.BytesIO(bytes(size)), size)
    os.utime(artifacts.path(sha256), (86400, 86400))
    artifacts.keep(io.BytesIO(bytes(size)), size)
    assert [artifact.kept for artifact in artifacts.all()] == [86400]


def test_links_are_told_and_not_followed(upper: Path, take: Take, tmp_path: Path) -> None:
    """A link to a file or directory of the host gives its target's name alone."""
    (upper / "shadow").symlink_to("/etc/shadow")
    (upper / "etc").symlink_to("/etc")
    found = take()
    told = {(change.path, change.kind, change.target) for change in found.changes}
    assert told == {("/shadow", "link", "/etc/shadow"), ("/etc", "link", "/etc")}
    assert not (tmp_path / "artifacts").exists()


@pytest.mark.timeout(10)
def test_a_fifo_is_not_opened(upper: Path, take: Take) -> None:
    """A FIFO, at which a reader would wait for ever, is only told."""
    os.mkfifo(upper / "f", 0o600)
    assert (only(take()).kind, only(take()).mode) == ("fifo", "0600")


def test_a_name_that_is_no_utf_8_is_told_twice(upper: Path, take: Take) -> None:
    """It is escaped for readers, and its bytes are kept in hexadecimal."""
    (upper / os.fsdecode(b"\xff\nx")).mkdir()
    assert (only(take()).path, only(take()).raw) == ("/\\xff\nx", "2fff0a78")


def test_a_tree_deeper_than_any_path_is_bounded(upper: Path, take: Take) -> None:
    """Below the greatest depth nothing is taken, and the document says so."""
    descend(upper, DEEP)
    try:
        found = take(depth=50)
        measured = usage(upper=str(upper), seconds=10.0, files=100_000)
    finally:
        ascend(upper)
    assert (len(found.changes), found.complete, found.left_out) == (50, False, {"deep": 1})
    assert (measured["files"], measured["complete"]) == (200, False)


@pytest.mark.parametrize(
    ("caps", "reason"), [({"file_bytes": 99}, "file_bytes"), ({"stay_bytes": 99}, "stay_bytes")]
)
def test_a_file_over_a_cap_is_told_without_a_hash(
    upper: Path, take: Take, caps: dict[str, int], reason: str
) -> None:
    """Its size is told, and which cap it would have broken."""
    (upper / "large").write_bytes(bytes(100))
    found = take(**caps)
    change = only(found)
    assert (change.size, change.sha256, change.truncated) == (100, None, reason)
    assert (found.complete, found.left_out) == (False, {"unread": 1})


def test_the_bytes_of_a_stay_are_added_up(upper: Path, take: Take) -> None:
    """Files are read while they fit into what the others left."""
    for number in range(5):
        (upper / str(number)).write_bytes(bytes([number]) * 40)
    assert sum(change.artifact for change in take(stay_bytes=100).changes) == 2


def test_a_sparse_file_costs_nothing(upper: Path, take: Take) -> None:
    """A file of a tebibyte without a byte in it is told and not read."""
    (upper / "hole").touch()
    os.truncate(upper / "hole", 1 << 40)
    assert only(take()).truncated == "file_bytes"
    assert usage(upper=str(upper), seconds=10.0, files=100_000)["bytes"] == 0


@pytest.mark.parametrize("caps", [{"files": 10}, {"document_bytes": 1}])
def test_more_entries_than_the_cap_are_counted(
    upper: Path, take: Take, caps: dict[str, int]
) -> None:
    """The document stays small and says how many entries it does not have."""
    for number in range(30):
        (upper / str(number)).mkdir()
    found = take(**caps)
    assert len(found.changes) + found.left_out["entries"] == 30
    assert len(found.changes) == caps.get("files", 1)
    assert not found.complete


def test_time_runs_out(upper: Path, take: Take) -> None:
    """A harvest whose time is over ends with what it has."""
    (upper / "x").touch()
    found = take(seconds=0)
    assert (found.changes, found.left_out) == ((), {"seconds": 1})


def test_a_second_name_of_a_file_costs_no_reading(upper: Path, take: Take) -> None:
    """Hard links are told with the same hash, and count once against the caps and the disk."""
    (upper / "a").write_bytes(bytes(8192))
    os.link(upper / "a", upper / "b")
    one, other = take(stay_bytes=8192).changes
    assert one.sha256 == other.sha256 is not None
    assert usage(upper=str(upper), seconds=10.0, files=100_000) == {
        "bytes": 8192,
        "files": 2,
        "complete": True,
    }


@pytest.mark.parametrize("seconds", [1 << 39, -(1 << 62), float("inf")])
def test_a_time_of_no_calendar_is_left_out(seconds: float) -> None:
    """An attacker may give a file a time that Python cannot say."""
    assert moment(seconds) is None


def test_what_the_machine_changes_by_itself_is_left_out(upper: Path, take: Take) -> None:
    """Mount points and files of boot are noise; a file that only looks alike is not."""
    for directory in ("dev/pts", "etc", "run"):
        (upper / directory).mkdir(parents=True)
    for noise in ("etc/hosts", "run/utmp", "dev/pts/0", "device"):
        (upper / noise).touch()
    found = take(started="2100-01-01T00:00:00Z")
    assert {change.path for change in found.changes} == {"/etc", "/run", "/device"}


def test_what_a_visitor_did_to_the_same_paths_is_no_noise(upper: Path, take: Take) -> None:
    """A file of boot that was changed later is told, and so is one too large for its name."""
    (upper / "etc").mkdir()
    (upper / "run").mkdir()
    (upper / "etc" / "hosts").write_text("192.0.2.1 rival.example")
    (upper / "run" / "utmp").write_bytes(bytes(20 << 10))
    assert {"/etc/hosts", "/run/utmp"} <= {change.path for change in take().changes}


def test_an_owner_below_the_mapping_is_unknown(upper: Path, take: Take) -> None:
    """An id that the container does not have is not turned into a negative one."""
    (upper / "x").touch()
    assert only(take(first_id=1 << 31)).uid is None


def test_a_failed_harvest_leaves_nothing(tmp_path: Path, take: Take, upper: Path) -> None:
    """Without an upper directory there is an error, and no half a document."""
    upper.rmdir()
    with pytest.raises(FileNotFoundError):
        take()
    assert not list((tmp_path / "session").iterdir())


def test_a_stay_without_changes_has_a_document(take: Take) -> None:
    """It is valid, complete and empty."""
    assert (take().changes, take().complete) == ((), True)


def test_usage_stops_at_its_bound(upper: Path) -> None:
    """A tree of more entries than asked for is not walked to its end."""
    for number in range(20):
        (upper / str(number)).touch()
    measured = usage(upper=str(upper), seconds=10.0, files=10)
    assert (measured["files"], measured["complete"]) == (10, False)


def test_other_sessions_of_a_stay_get_the_same_document(take: Take, tmp_path: Path) -> None:
    """The document is written once and linked, over an older one too."""
    found = take()
    other = tmp_path / "other"
    other.mkdir()
    for _ in range(2):
        changes_file.share(tmp_path / "session" / "changes.json", [other])
    assert changes_file.read(other) == found
    assert (other / "changes.json").stat().st_nlink == 2


@pytest.mark.parametrize("damage", ["", "[]", "{}", '{"changes":[1]}', '{"changes":[{"x":1}]}'])
def test_a_damaged_document_is_an_error_of_evidence(tmp_path: Path, damage: str) -> None:
    """Whatever is wrong with it, one sentence names the file."""
    (tmp_path / "changes.json").write_text(damage)
    with pytest.raises(EvidenceError, match=r"changes\.json cannot be read"):
        changes_file.read(tmp_path)


def test_an_order_survives_its_way_to_the_broker() -> None:
    """What the broker is told is JSON with nothing but plain values."""
    here = Path("/x")
    order = Order(here, here, here, STAY)
    told = json.loads(json.dumps(order.to_json()))
    assert Caps(**told["caps"]) == order.caps
    assert told["stay"]["sandbox"] == STAY.sandbox
    assert set(told) == {field.name for field in dataclasses.fields(Order)}


def test_an_order_for_countless_sessions_fits_into_a_message() -> None:
    """A visitor who came back all day does not end the broker by it."""
    here = Path("/x")
    stay = dataclasses.replace(STAY, sessions=("0123456789ab",) * 10_000)
    assert len(json.dumps(Order(here, here, here, stay).to_json())) < LARGEST_MESSAGE // 2
