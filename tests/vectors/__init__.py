"""Examples that both sides of a protocol are held to."""

import json
from pathlib import Path
from typing import Any


def vectors(name: str) -> list[dict[str, Any]]:
    """Return one list of frames.json; every entry has a name and the frame's bytes in hex."""
    text = (Path(__file__).parent / "frames.json").read_text(encoding="utf-8")
    found: list[dict[str, Any]] = json.loads(text)[name]
    return found
