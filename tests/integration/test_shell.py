"""What an attacker meets: shells and commands, as with sshd."""

import asyncio
import logging
import subprocess

import asyncssh
import pytest

from tests.integration.running import Hermes, Start


async def read_until(process: "asyncssh.SSHClientProcess[str]", text: str) -> str:
    """Collect output until it has the text in it."""
    seen = ""
    async with asyncio.timeout(10):
        while text not in seen:
            chunk = await process.stdout.read(4096)
            assert chunk, f"ended without {text!r}: {seen!r}"
            seen += chunk
    return seen


async def test_exec_keeps_streams_apart_and_tells_the_status(shared: Hermes) -> None:
    """stdout, stderr and the exit status of a command arrive as they were."""
    async with shared.connect() as connection:
        result = await connection.run("echo out; echo err >&2; exit 7")
    assert (result.stdout, result.stderr, result.exit_status) == ("out\n", "err\n", 7)


def test_openssh_client_gets_the_status_of_its_command(shared: Hermes) -> None:
    """``ssh host 'id; exit 7'`` ends with 7 and has printed a real answer."""
    done = subprocess.run(
        shared.ssh("id; exit 7"), capture_output=True, text=True, check=False, timeout=30
    )
    assert done.returncode == 7
    assert done.stdout.startswith("uid=0(root) gid=0(root)")


def test_exec_reads_stdin_to_its_end(shared: Hermes) -> None:
    """A binary stdin of 4 MB arrives whole and comes back whole."""
    data = bytes(range(256)) * 16384
    done = subprocess.run(
        shared.ssh("cat"), input=data, capture_output=True, check=True, timeout=60
    )
    assert done.stdout == data


def test_100_megabytes_of_output_are_complete(shared: Hermes) -> None:
    """Bulk output is neither cut nor does it break the connection."""
    command = shared.ssh("head -c 100000000 /dev/zero; exit 5")
    with subprocess.Popen(command, stdout=subprocess.PIPE) as client:
        assert client.stdout is not None
        size = 0
        while chunk := client.stdout.read(1 << 20):
            size += len(chunk)
    assert (size, client.returncode) == (100_000_000, 5)


async def test_output_is_sent_in_the_packets_of_an_sshd(
    shared: Hermes, caplog: pytest.LogCaptureFixture
) -> None:
    """No message that means nothing comes between those of a channel."""
    caplog.set_level(logging.DEBUG, "asyncssh")
    asyncssh.set_debug_level(3)
    try:
        async with shared.connect() as connection:
            await connection.run("echo out; echo err >&2; exit 7")
    finally:
        asyncssh.set_debug_level(1)
    received = [text for text in caplog.messages if "Received MSG_" in text]
    (opened,) = (n for n, text in enumerate(received) if "CHANNEL_OPEN_CONFIRMATION" in text)
    assert any("CHANNEL_DATA" in text for text in received[opened:])
    assert not any("IGNORE" in text for text in received[opened:])


async def test_shell_lives_through_resizes(shared: Hermes) -> None:
    """A new window size reaches the terminal, and the session goes on."""
    async with shared.connect() as connection:
        shell = await connection.create_process(term_type="xterm", term_size=(100, 40))
        await read_until(shell, "#")
        shell.stdin.write("stty size\n")
        await read_until(shell, "40 100")
        for columns, rows in ((120, 50), (90, 30)):
            shell.change_terminal_size(columns, rows)
            shell.stdin.write(f"echo; until stty size | grep '{rows} {columns}'; do :; done\n")
            await read_until(shell, f"\n{rows} {columns}")
        shell.stdin.write("exit 4\n")
        await shell.wait()
    assert shell.exit_status == 4


def test_openssh_client_gets_a_terminal(shared: Hermes) -> None:
    """``ssh -tt`` has a terminal of the type that the client names."""
    done = subprocess.run(
        shared.ssh("-tt"),
        input="tty; echo term=$TERM; exit 3\n",
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 3
    assert "/dev/pts/" in done.stdout
    assert "term=" in done.stdout


async def test_environment_is_that_of_a_login(shared: Hermes) -> None:
    """Sshd's own variables are there, LC_* of the client too, others of the client are not."""
    async with shared.connect() as connection:
        result = await connection.run("env; pwd", env={"LC_ALL": "C", "SECRET": "x"})
    lines = str(result.stdout).splitlines()
    assert {"USER=root", "HOME=/root", "SHELL=/bin/sh", "LC_ALL=C", "/root"} <= set(lines)
    assert any(line.startswith("SSH_CONNECTION=127.0.0.1 ") for line in lines)
    names = {line.partition("=")[0] for line in lines}
    assert not names & {"SECRET", "container", "HERMES"}


async def test_a_redirected_port_is_the_one_to_see(start: Start) -> None:
    """SSH__PUBLIC_PORT is the server's port in sshd's variables; otherwise it is the socket's."""
    hermes = start(SSH__PUBLIC_PORT="22")
    async with hermes.connect() as connection:
        result = await connection.run("echo $SSH_CLIENT; echo $SSH_CONNECTION")
    client, whole = str(result.stdout).splitlines()
    assert client.endswith(" 22")
    assert whole.endswith(" 127.0.0.1 22")


async def test_an_unknown_user_has_an_account(shared: Hermes) -> None:
    """Whoever was let in has a home, a shell and groups of his own."""
    async with shared.connect("ubuntu", "ubuntu") as connection:
        result = await connection.run("id; pwd; touch mine && ls -l mine")
    assert "uid=1000(ubuntu) gid=1000(ubuntu)" in str(result.stdout)
    assert "/home/ubuntu" in str(result.stdout)
    assert "ubuntu   ubuntu" in str(result.stdout)


async def test_a_signal_reaches_the_program(shared: Hermes) -> None:
    """A signal request of the client ends a program that would sleep."""
    async with shared.connect() as connection:
        process = await connection.create_process("sleep 60")
        await asyncio.sleep(0.3)
        process.send_signal("TERM")
        async with asyncio.timeout(5):
            result = await process.wait()
    assert (result.exit_signal or ("",))[0] == "TERM"


async def test_what_one_channel_leaves_the_next_one_finds(shared: Hermes) -> None:
    """The channels of a session share one sandbox, and no other visitor's session does."""
    async with shared.connect() as connection, shared.connect(source="127.0.0.2") as other:
        await connection.run("echo here > /tmp/left")
        mine = await connection.run("cat /tmp/left")
        theirs = await other.run("cat /tmp/left")
    assert mine.stdout == "here\n"
    assert theirs.exit_status == 1


async def test_more_channels_than_allowed_are_refused_as_by_sshd(shared: Hermes) -> None:
    """The eleventh channel fails with sshd's words; closing one makes room."""
    async with shared.connect() as connection:
        open_ = [await connection.create_process("sleep 30") for _ in range(10)]
        with pytest.raises(asyncssh.ChannelOpenError, match=r"^open failed$"):
            await connection.create_process("id")
        open_[0].close()
        await open_[0].wait_closed()
        assert (await connection.run("echo again")).stdout == "again\n"


async def test_a_slow_reader_holds_up_nobody(shared: Hermes) -> None:
    """A channel whose output nobody reads leaves the other channels as fast as ever."""
    async with shared.connect() as connection:
        bulk = await connection.create_process("cat /dev/zero", encoding=None)
        await asyncio.sleep(0.5)
        async with asyncio.timeout(5):
            assert (await connection.run("echo quick")).stdout == "quick\n"
        bulk.close()


async def test_a_removed_shell_fails_as_with_sshd(shared: Hermes) -> None:
    """Whoever deletes his shell is told so in the words of sshd."""
    async with shared.connect() as connection:
        await connection.run("rm /bin/sh /bin/busybox")
        result = await connection.run("id")
    assert (result.stdout, result.stderr) == ("", "/bin/sh: No such file or directory\n")
    assert result.exit_status == 1


async def test_forwards_and_unknown_subsystems_are_refused(shared: Hermes) -> None:
    """Nothing is forwarded anywhere, and what was asked for is kept."""
    async with shared.connect() as connection:
        with pytest.raises(asyncssh.ChannelOpenError):
            await connection.open_connection("192.0.2.7", 25)
        with pytest.raises(asyncssh.ChannelOpenError):
            await connection.create_process(subsystem="netconf")
        session = shared.cli("sessions", "list", "--json", "--limit", "1")
    assert '"forwards": ["192.0.2.7:25"]' in session.stdout
    assert "netconf" in session.stdout


async def test_the_box_names_no_container(shared: Hermes) -> None:
    """Host name, hosts file and resolver are the decoy's own."""
    async with shared.connect() as connection:
        result = await connection.run("hostname; cat /etc/hosts /etc/resolv.conf")
    assert result.stdout == "archive-02\n127.0.0.1 localhost\nnameserver 192.0.2.53\n"


async def test_the_box_is_shut_in(shared: Hermes) -> None:
    """No interface but lo, the configured capabilities only, no-new-privileges, a filter."""
    async with shared.connect() as connection:
        result = await connection.run("ls /sys/class/net; cat /proc/self/status; ulimit -c")
    status = dict(line.split(":\t") for line in str(result.stdout).splitlines() if ":\t" in line)
    # CHOWN 0, DAC_OVERRIDE 1, FOWNER 3, FSETID 4, KILL 5, SETGID 6, SETUID 7
    assert int(status["CapBnd"], 16) == 0b11111011
    assert status["NoNewPrivs"] == "1"
    assert status["Seccomp"] == "2"
    assert str(result.stdout).startswith("lo\n")
    assert str(result.stdout).endswith("\n0\n")


async def test_a_read_only_root_can_be_had(start: Start) -> None:
    """SANDBOX__READ_ONLY leaves /tmp as the only place to write."""
    hermes = start(SANDBOX__READ_ONLY="true", SANDBOX__HOSTNAME="db-7")
    async with hermes.connect() as connection:
        result = await connection.run("touch /root/x; touch /tmp/x && hostname")
    assert result.stdout == "db-7\n"
    assert "Read-only file system" in str(result.stderr)
