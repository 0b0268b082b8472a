"""What a client's env requests may leave behind."""

from hermes.ssh.environment import MOST_VARIABLES, Environment


def test_as_many_variables_as_sshd_takes() -> None:
    """What comes after the last that is taken is ignored, but may change what is there."""
    environment = Environment()
    for number in range(MOST_VARIABLES + 1):
        environment[b"V%d" % number] = b"x"
    environment[b"V0"] = b"y"
    assert list(environment) == [b"V%d" % number for number in range(MOST_VARIABLES)]
    assert environment[b"V0"] == b"y"


def test_no_more_bytes_than_a_shell_would_use() -> None:
    """What would be too long is ignored, names count too, and a change counts once."""
    environment = Environment()
    for _ in range(3):
        environment[b"A"] = b"x" * 20_000
    environment[b"B"] = b"x" * 20_000
    environment[b"x" * 20_000] = b""
    environment[b"A"] = b"x" * 40_000
    environment[b"C"] = b"z"
    assert environment == {b"A": b"x" * 20_000, b"C": b"z"}
