import io
import json
import stat
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from hermes.cli import app
from hermes.errors import EvidenceError
from hermes.evidence import events as ev
from hermes.evidence import store
from hermes.evidence.artifacts import Artifacts
from hermes.evidence.changes import Change, ChangesFile, to_line
from hermes.evidence.record import Desk, SessionRecord
from hermes.evidence.writer import Writer


@dataclass
class Evidence:
    """A directory with one session that has ended, whose sandbox is about to be harvested."""

    root: Path
    heard: list[ev.Event]

    def desk(self, writer: Writer) -> Desk:
        """Return a desk whose listener remembers."""
        return Desk(writer, self.root, "sensor", 1 << 20, self.heard.append)

    @property
    def session(self) -> Path:
        """The session's directory."""
        return next(store.session_directories(self.root))

    def amend(self) -> None:
        """Add the fact that the sandbox was harvested, and wait for the disk."""
        writer = Writer()
        self.desk(writer).amend(self.session, harvested(self.session.name))
        writer.close()

    def harvest(self, *changes: Change) -> None:
        """Write ``changes.json``."""
        document = ChangesFile(self.session / "changes.json")
        for change in changes:
            document.add(to_line(change))
        head = {"sandbox": "box-1", "started": "", "ended": "", "sessions": [self.session.name]}
        document.finish({**head, "complete": False, "left_out": {"entries": 7}})

    def cli(self, *arguments: str) -> Result:
        """Run a command on this evidence."""
        environment = {"HERMES_EVIDENCE__DIR": str(self.root)}
        return CliRunner().invoke(app, arguments, env=environment)


def harvested(session: str) -> ev.SandboxHarvested:
    """Tell of a harvest of this moment."""
    return ev.SandboxHarvested(
        time=datetime.now(UTC),
        session=session,
        sandbox="box-1",
        files=3,
        bytes=9,
        artifacts=2,
        complete=False,
        seconds=0.1,
    )


def close(record: SessionRecord) -> None:
    """End a session."""
    record.close(ev.SessionClosed(**record.stamp(), reason="idle", seconds=1.0))


@pytest.fixture
def evidence(tmp_path: Path) -> Evidence:
    """Make a session that has ended."""
    made = Evidence(tmp_path, [])
    writer = Writer()
    close(made.desk(writer).begin())
    writer.close()
    return made


def keep(root: Path, data: bytes) -> str:
    """Keep bytes, and return their hash."""
    return Artifacts(root / "artifacts").keep(io.BytesIO(data), 1 << 20)[0]


def test_a_harvest_is_told_after_the_end_of_the_session(evidence: Evidence) -> None:
    """The event is appended, heard, and the story has it beside how the session ended."""
    evidence.amend()
    told = json.loads((evidence.session / "session.json").read_bytes())
    assert told["harvest"] == {"files": 3, "bytes": 9, "artifacts": 2, "complete": False}
    assert told["reason"] == "idle"
    assert isinstance(evidence.heard[-1], ev.SandboxHarvested)
    assert len((evidence.session / "events.jsonl").read_bytes().splitlines()) == 2


def test_a_line_cut_short_by_a_crash_does_not_spoil_what_is_added(evidence: Evidence) -> None:
    """The late event stands on a line of its own."""
    with (evidence.session / "events.jsonl").open("ab") as file:
        file.write(b'{"torn')
    evidence.amend()
    story = store.read(evidence.session)
    assert story.harvest is not None
    assert story.damaged_lines == 1


def test_a_session_still_open_writes_on_behind_a_late_event(tmp_path: Path) -> None:
    """When a sandbox ends under its session, neither overwrites the other's events."""
    evidence = Evidence(tmp_path, [])
    writer = Writer()
    desk = evidence.desk(writer)
    record = desk.begin()
    record.add(ev.ClientIdentified(**record.stamp(), version="SSH-2.0-Go"))
    desk.amend(record.directory, harvested(record.session))
    close(record)
    writer.close()
    story = store.read(evidence.session)
    assert (story.harvest is not None, story.reason, story.damaged_lines) == (True, "idle", 0)


def test_evidence_that_was_moved_away_is_not_made_again(evidence: Evidence) -> None:
    """A late event for a session without a directory is dropped."""
    directory = evidence.session
    for path in directory.iterdir():
        path.unlink()
    directory.rmdir()
    writer = Writer()
    evidence.desk(writer).amend(directory, harvested("0123456789ab"))
    writer.close()
    assert writer.failure is None
    assert not directory.exists()


def test_a_session_shows_at_most_20_changes(evidence: Evidence) -> None:
    """Text has the first of them with size and hash, and what was left out; JSON has all."""
    files = [Change(path=f"/root/\x1b{n:02}", kind="file", size=n, sha256="ab") for n in range(30)]
    evidence.harvest(Change(path="/root", kind="directory"), *files)
    told = evidence.cli("sessions", "show", evidence.session.name).stdout
    assert "/root/\\x1b00  0 bytes  ab" in told
    assert "/root/\\x1b19  19 bytes  ab" in told
    assert "/root/\\x1b20" not in told
    assert "10 more" in told
    assert "left out: 7 (entries)" in told
    document = json.loads(evidence.cli("sessions", "show", "--json", evidence.session.name).stdout)
    assert len(document["changes"]["changes"]) == 31


def test_a_session_is_shown_although_its_changes_are_damaged(evidence: Evidence) -> None:
    """The story is told, and one sentence says what could not be read."""
    (evidence.session / "changes.json").write_text("{")
    shown = evidence.cli("sessions", "show", evidence.session.name)
    assert "because" in shown.stdout
    assert "changes.json cannot be read" in shown.stderr


def test_artifacts_are_listed_with_their_sessions(evidence: Evidence) -> None:
    """Each has its size, when it was first kept, and where it was seen."""
    assert evidence.cli("artifacts", "list").stdout.startswith("no artifacts")
    sha256, unknown = keep(evidence.root, b"malware"), keep(evidence.root, b"other")
    evidence.harvest(Change(path="/root/x", kind="file", sha256=sha256))
    listed = json.loads(evidence.cli("artifacts", "list", "--json").stdout)
    found = {artifact.pop("sha256"): artifact for artifact in listed}
    assert found[sha256].pop("first_seen").endswith("Z")
    assert found[sha256] == {"size": 7, "sessions": [evidence.session.name], "paths": ["/root/x"]}
    assert found[unknown]["sessions"] == []
    assert sha256 in evidence.cli("artifacts", "list").stdout


def test_an_artifact_is_exported(evidence: Evidence) -> None:
    """The beginning of a hash will do; the file cannot be run, and none is overwritten."""
    sha256, target = keep(evidence.root, b"malware"), evidence.root / "out"
    assert evidence.cli("artifacts", "export", sha256[:6], "-o", str(target)).exit_code == 0
    assert target.read_bytes() == b"malware"
    assert stat.S_IMODE(target.stat().st_mode) == 0o400
    again = evidence.cli("artifacts", "export", sha256, "-o", str(target))
    assert "exists" in str(again.exception)


@pytest.mark.parametrize(
    ("sha256", "reason"), [("../x", "is no SHA-256"), ("00", "no artifact 00"), ("", "is no")]
)
def test_an_artifact_that_is_not_there_is_an_error(
    evidence: Evidence, sha256: str, reason: str
) -> None:
    """One sentence says why."""
    keep(evidence.root, b"malware")
    with pytest.raises(EvidenceError, match=reason):
        Artifacts(evidence.root / "artifacts").find(sha256)


def test_a_damaged_artifact_is_found_out(evidence: Evidence) -> None:
    """Bytes that no longer have their hash are exported with an error."""
    sha256 = keep(evidence.root, b"malware")
    artifacts = Artifacts(evidence.root / "artifacts")
    artifacts.path(sha256).chmod(0o600)
    artifacts.path(sha256).write_bytes(b"rotten")
    with pytest.raises(EvidenceError, match="damaged"):
        artifacts.export(artifacts.find(sha256), evidence.root / "out")
