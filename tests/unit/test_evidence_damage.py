"""What is left of the evidence when the disk refuses, or a file is damaged."""

import subprocess
import sys
from pathlib import Path

_WRITE_ON_A_SMALL_DISK = """
import resource, sys
from pathlib import Path
from hermes.evidence.writer import Writer
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
pen = Writer()
sink = pen.open(Path(sys.argv[1]))
for line in (b"a" * 59, b"b" * 59, b"c" * 29):
    sink.write(line + b"\\n")
sink.close()
pen.close()
"""


def test_a_line_that_the_disk_takes_in_part_is_taken_back(tmp_path: Path) -> None:
    """A line is written whole or not at all, and the next one begins where it would have."""
    path = tmp_path / "lines"
    written = subprocess.run(
        [sys.executable, "-c", _WRITE_ON_A_SMALL_DISK, str(path)],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert "File too large" in written.stderr
    assert path.read_bytes() == b"a" * 59 + b"\n" + b"c" * 29 + b"\n"
