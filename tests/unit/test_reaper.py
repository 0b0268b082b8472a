"""What a broker does for a service that was killed."""

import dataclasses
from pathlib import Path

from hermes.evidence import changes as changes_file
from hermes.sandbox.collection import Order, Stay
from hermes.sandbox.reaper import Reaper


def noted(reaper: Reaper, directory: Path) -> tuple[Order, Path, Path]:
    """Note a sandbox with one file and a visitor of two sessions."""
    days = directory / "sessions" / "2026" / "01" / "02"
    first, second = days / "0123456789ab", days / "ba9876543210"
    for place in (first, second, directory / "upper"):
        place.mkdir(parents=True)
    (directory / "upper" / "loot").write_text("loot")
    stay = Stay("box-1", "2026-01-02T03:04:05Z", "2026-01-02T03:05:05Z", (first.name, second.name))
    order = Order(
        directory / "upper", directory / "artifacts", first / changes_file.FILE_NAME, stay
    )
    reaper.note("box-1", order.to_json(), "sensor")
    return order, first, second


def paths(directory: Path) -> list[str]:
    """Name what the document says is different."""
    document = changes_file.read(directory)
    return [] if document is None else [change.path for change in document.changes]


def test_what_is_noted_is_harvested_for_every_session(tmp_path: Path) -> None:
    """Each session of the visit gets the document, and the note is gone."""
    reaper = Reaper(tmp_path / "notes", "instance")
    _, first, second = noted(reaper, tmp_path)
    assert reaper.recover(str(tmp_path / "artifacts")) == ["box-1"]
    assert paths(first) == paths(second) == ["/loot"]
    assert reaper.recover(str(tmp_path / "artifacts")) == []


def test_a_harvest_that_was_done_is_shared_and_not_done_again(tmp_path: Path) -> None:
    """A document that says more than is left now stays as it is."""
    reaper = Reaper(tmp_path / "notes", "instance")
    order, first, second = noted(reaper, tmp_path)
    done = changes_file.ChangesFile(order.changes)
    done.add(changes_file.to_line(changes_file.Change(path="/run/gone", kind="fifo")))
    done.finish({**dataclasses.asdict(order.stay), "complete": True, "left_out": {}})
    assert reaper.recover(str(tmp_path / "artifacts")) == ["box-1"]
    assert paths(first) == paths(second) == ["/run/gone"]


def test_a_copy_that_was_cut_short_is_removed(tmp_path: Path) -> None:
    """Half an artifact is none; whole ones stay."""
    artifacts = tmp_path / "artifacts"
    (artifacts / "ab").mkdir(parents=True)
    for name in (".0123456789abcdef.new", "ab/abcd"):
        (artifacts / name).touch()
    Reaper(tmp_path / "notes", "instance").recover(str(artifacts))
    assert [path.name for path in artifacts.rglob("*") if path.is_file()] == ["abcd"]
