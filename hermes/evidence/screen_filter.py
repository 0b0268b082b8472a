"""Terminal output made safe to replay: sequences that reach outside the screen are removed.

What stays moves the cursor, colours, erases and scrolls; what goes are strings to the
terminal (titles, clipboard, files: OSC, DCS, APC, PM, SOS), requests that it answers as if
typed, printing, resizing, and modes that change how the reader's keys and mouse work.
Sequences: ECMA-48 and https://invisible-island.net/xterm/ctlseqs/ctlseqs.html. Pure.
"""

import re
from typing import Final

_LONGEST_SEQUENCE: Final = 64
_CSI: Final = re.compile(r"\x1b\[([0-?]*)([ -/]*)([@-~])")
_STRING_INTRODUCERS: Final = frozenset("]PX^_")
_PLAIN_ESCAPES: Final = frozenset("78DEMHcNOZ=>()")
_SCREEN_FINALS: Final = frozenset("@ABCDEFGHIJKLMPSTXZ`abdefgmrsu")
_SCREEN_MODES: Final = frozenset(
    {"4", "20", "?1", "?6", "?7", "?25", "?47", "?1047", "?1048", "?1049"}
)
_CONTROLS: Final = frozenset("\b\t\n\r\x0b\x0c")


class ScreenFilter:
    """Filters a stream of text; what may become a sequence is held until it is one."""

    def __init__(self) -> None:
        self._held = ""
        self._in_string = False

    def feed(self, text: str) -> str:
        """Return what of ``text``, and of what was held, is safe to print."""
        data, self._held = self._held + text, ""
        out: list[str] = []
        index = 0
        while index < len(data):
            if self._in_string:
                index = self._skip_string(data, index)
            elif data[index] != "\x1b":
                out.append(_character(data[index]))
                index += 1
            else:
                taken, shown = self._sequence(data[index : index + _LONGEST_SEQUENCE])
                if not taken:
                    self._held = data[index:]
                    break
                out.append(shown)
                index += taken
        return "".join(out)

    def _sequence(self, data: str) -> tuple[int, str]:
        """Read one escape sequence: its length (0 when not whole yet), and what to show."""
        if len(data) == 1:
            return 0, ""
        kind = data[1]
        if kind in _STRING_INTRODUCERS:
            self._in_string = True
            return 2, ""
        if kind == "[":
            return _control_sequence(data)
        if kind in "()":
            return (0, "") if len(data) < 3 else (3, data[:3] if data[2] in "0AB" else "")  # noqa: PLR2004
        return (2, data[:2]) if kind in _PLAIN_ESCAPES else (2, "")

    def _skip_string(self, data: str, index: int) -> int:
        """Skip to after BEL, ST or CAN; an ESC at the end is held, as ST may follow."""
        while index < len(data):
            if data[index] in "\x07\x18\x9c":
                self._in_string = False
                return index + 1
            if data[index] == "\x1b":
                if index + 1 == len(data):
                    self._held = "\x1b"
                    return len(data)
                self._in_string = False
                return index + 2 if data[index + 1] == "\\" else index
            index += 1
        return index


def _control_sequence(data: str) -> tuple[int, str]:
    match = _CSI.match(data)
    if match is None:
        partial = re.fullmatch(r"\x1b\[[0-?]*[ -/]*", data)
        return (0, "") if partial and len(data) < _LONGEST_SEQUENCE else (2, "")
    parameters, intermediates, final = match.groups()
    return match.end(), match[0] if _is_screen(parameters, intermediates, final) else ""


def _is_screen(parameters: str, intermediates: str, final: str) -> bool:
    if intermediates:
        return False
    if final in "hl":
        modes = parameters.split(";")
        mark = "?" if modes[0].startswith("?") else ""
        return all(mark + mode.removeprefix("?") in _SCREEN_MODES for mode in modes)
    return final in _SCREEN_FINALS and not parameters.startswith(("<", "=", ">", "?"))


def _character(character: str) -> str:
    if character in _CONTROLS or (character >= " " and not "\x7f" <= character <= "\x9f"):
        return character
    return ""
