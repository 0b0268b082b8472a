"""Every sandbox that there is, and the one place that changes their states."""

from collections.abc import Callable, Iterator
from time import monotonic

from hermes.sandbox.sandbox import Sandbox, State

OnMove = Callable[[Sandbox, State], None]


class Boxes:
    """The sandboxes by name, in the order in which they were asked for."""

    def __init__(self, on_move: OnMove) -> None:
        self._boxes: dict[str, Sandbox] = {}
        self._on_move = on_move

    def __len__(self) -> int:
        return len(self._boxes)

    def __contains__(self, name: object) -> bool:
        return name in self._boxes

    def __iter__(self) -> Iterator[Sandbox]:
        return iter(list(self._boxes.values()))

    def add(self, box: Sandbox) -> None:
        """Take in a new one, which is starting."""
        self._boxes[box.name] = box
        self._on_move(box, box.state)

    def move(self, box: Sandbox, state: State) -> None:
        """Change a state, and forget what is gone."""
        box.state, box.moved = state, monotonic()
        if state is State.GONE:
            self._boxes.pop(box.name, None)
        self._on_move(box, state)

    def having(self, state: State) -> list[Sandbox]:
        """List those in a state, the longest in it first."""
        return sorted((box for box in self if box.state is state), key=lambda box: box.moved)

    def count(self, state: State) -> int:
        """Count those in a state."""
        return sum(box.state is state for box in self)
