"""The seccomp profile as crun(1) compiled it for one sandbox, so that it need not for each.

crun keeps the filter beside a container's state, and takes one from an annotation in place of the
profile. Another runtime does neither and compiles the profile as ever.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

_INSTRUCTION_BYTES: Final = 8
_MOST_INSTRUCTIONS: Final = 4096  # BPF_MAXINSNS, the kernel's own bound


def filter_path(container: Mapping[str, Any]) -> Path:
    """Find where crun keeps the filter, given podman's document; raises KeyError, IndexError.

    The runtime's states and podman's own lie side by side in the user's runtime directory.
    """
    podmans_states = Path(container["ConmonPidFile"]).parents[3]
    return podmans_states.with_name("crun") / str(container["Id"]) / "seccomp.bpf"


def read_filter(path: Path) -> bytes:
    """Read a filter; nothing where none is kept, or nothing that the kernel would take."""
    try:
        program = path.read_bytes()
    except OSError:  # another runtime, or podman's service is elsewhere
        return b""
    count, rest = divmod(len(program), _INSTRUCTION_BYTES)
    return program if not rest and count <= _MOST_INSTRUCTIONS else b""
