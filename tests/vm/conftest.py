"""One machine for the whole suite, with Hermes in it as a user would install it."""

import asyncio
import os
import shutil
from collections.abc import Generator, Iterator

import pytest

from hermes.image import guest_init
from tests import busybox
from tests.vm.deployment import Deployment
from tests.vm.machine.disk import provide
from tests.vm.machine.qemu import Machine
from tests.vm.supplies import wheelhouse

_NEEDED = ("qemu-system-x86_64", "qemu-img", "mmdebstrap", "mkfs.ext4", "podman")


@pytest.fixture(scope="session")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine that has booted."""
    missing = [name for name in _NEEDED if shutil.which(name) is None]
    if missing and not os.environ.get("CI"):
        pytest.skip(f"needs {', '.join(missing)}: run scripts/test")
    one = Machine(provide(), tmp_path_factory.mktemp("vm"))
    try:
        one.start()
        yield one
    finally:
        one.stop()


@pytest.fixture(scope="session")
def deployment(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """Hermes, installed from its wheel and run by the user's systemd."""
    directory = tmp_path_factory.mktemp("supplies")
    init = asyncio.run(guest_init.compile_init(directory))
    one = Deployment(machine)
    one.install(wheelhouse(tmp_path_factory.mktemp("wheels")))
    one.import_decoy(busybox.tree(init, {}), busybox.label())
    one.start()
    return one


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Put the end of the machine's console into the report of a failure."""
    report = yield
    one = getattr(item, "funcargs", {}).get("machine")
    if isinstance(one, Machine) and report.failed and one.console.exists():
        report.sections.append(("console", one.last_words()))
    return report
