"""Hermes itself as a wheel, wherever it runs from: a checkout or an installation.

The format: https://packaging.python.org/en/latest/specifications/binary-distribution-format/
"""

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import hermes
from hermes.resources import containerfiles, units

_NAME: Final = "hermes_honeypot"
_METADATA: Final = "Metadata-Version: 2.1\nName: hermes-honeypot\nVersion: {version}\n"
_WHEEL: Final = "Wheel-Version: 1.0\nGenerator: hermes\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
_ENTRY_POINTS: Final = "[console_scripts]\nhermes = hermes.cli:main\n"


def pack(directory: Path) -> Path:
    """Write the wheel into ``directory``; it names no dependencies. Raises OSError."""
    path = directory / f"{_NAME}-{hermes.__version__}-py3-none-any.whl"
    about = f"{_NAME}-{hermes.__version__}.dist-info"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        for name, file in _files():
            wheel.write(file, name)
        wheel.writestr(f"{about}/METADATA", _METADATA.format(version=hermes.__version__))
        wheel.writestr(f"{about}/WHEEL", _WHEEL)
        wheel.writestr(f"{about}/entry_points.txt", _ENTRY_POINTS)
        names = [*wheel.namelist(), f"{about}/RECORD"]
        wheel.writestr(f"{about}/RECORD", "".join(f"{name},,\n" for name in names))
    return path


def _files() -> Iterator[tuple[str, Path]]:
    package = Path(hermes.__file__).parent
    data = {"containerfiles": containerfiles(), "quadlet": units()}
    within = (f"data/{name}/" for name in data)
    yield from _tree("hermes", package, leaving_out=tuple(within))
    for name, top in data.items():
        yield from _tree(f"hermes/data/{name}", top)


def _tree(prefix: str, top: Path, leaving_out: tuple[str, ...] = ()) -> Iterator[tuple[str, Path]]:
    for file in sorted(top.rglob("*")):
        name = file.relative_to(top).as_posix()
        if file.is_file() and "__pycache__" not in name and not name.startswith(leaving_out):
            yield f"{prefix}/{name}", file
