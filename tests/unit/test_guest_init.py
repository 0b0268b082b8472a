"""The program that is process 1 of a sandbox, compiled by this machine's compiler."""

import shutil
from pathlib import Path

import pytest

from hermes.errors import ImageError
from hermes.image import guest_init

compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="needs cc: run scripts/test")


@compiler
async def test_the_furnishing_has_a_program_that_needs_no_library(tmp_path: Path) -> None:
    """It lies beside the decoy's sources, static, stripped and small."""
    decoy = await guest_init.furnishing(tmp_path)
    program = (decoy / "init").read_bytes()
    assert (decoy / "furnish.sh").is_file()
    assert program.startswith(b"\x7fELF")
    assert b"/ld-linux" not in program
    assert b".symtab" not in program
    assert len(program) < 2 << 20


async def test_a_missing_compiler_is_named_with_the_fix(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Before anything is downloaded or built."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ImageError, match=r"no C compiler.*apt install gcc libc6-dev"):
        guest_init.check_compiler()


@compiler
async def test_what_the_compiler_lacks_is_named_with_the_fix(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A compiler alone is not enough: it wants the C library's static half too."""
    monkeypatch.setattr(guest_init, "_SMALL_AND_ALONE", ("-static", "-lnowhere"))
    with pytest.raises(ImageError, match=r"cannot find -lnowhere.*glibc-static"):
        await guest_init.compile_init(tmp_path)
