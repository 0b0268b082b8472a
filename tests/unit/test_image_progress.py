import pytest

from hermes.image.progress import BootstrapProgress, DerivationProgress, Step

MMDEBSTRAP = """\
I: using /var/tmp/x as tempdir
I: running apt-get update...
Get:1 http://deb.debian.org/debian bookworm InRelease [151 kB]
I: downloading packages with apt...
0 upgraded, 2 newly installed, 0 to remove and 0 not upgraded.
Get:1 http://deb.debian.org/debian bookworm/main amd64 a amd64 1 [1 kB]
Get:2 http://deb.debian.org/debian bookworm/main amd64 b amd64 1 [1 kB]
I: extracting archives...
I: installing essential packages...
Unpacking a (1) ...
Setting up a (1) ...
I: installing remaining packages inside the chroot...
0 upgraded, 1 newly installed, 0 to remove and 0 not upgraded.
Get:1 http://deb.debian.org/debian bookworm/main amd64 c amd64 1 [1 kB]
Fetched 1 kB in 1s (1 kB/s)
Unpacking c (1) ...
Setting up c (1) ...
furnish: 20-system
furnish: 90-age
I: creating tarball...
I: done
"""


def test_the_bar_follows_mmdebstrap_and_never_goes_back() -> None:
    """Every stage appears once, in order, with a growing fraction."""
    progress = BootstrapProgress()
    steps = [step for line in MMDEBSTRAP.splitlines() if (step := progress.feed(line))]
    fractions = [step.fraction for step in steps]
    assert fractions == sorted(fractions)
    assert list(dict.fromkeys(step.stage for step in steps)) == [
        "reading the package lists",
        "downloading the base",
        "unpacking the base",
        "installing the base",
        "downloading packages",
        "installing packages",
        "furnishing",
        "packing",
    ]


def test_packages_are_counted_against_what_apt_announced() -> None:
    """Half of the announced downloads is half of that stage."""
    progress = BootstrapProgress()
    steps = [progress.feed(line) for line in MMDEBSTRAP.splitlines()[:6]]
    assert steps[-1] == Step("downloading the base", 0.085)


@pytest.mark.parametrize("line", ["", "W: something", "Setting up a (1) ...", "Fetched 1 kB in 1s"])
def test_lines_before_the_first_stage_move_nothing(line: str) -> None:
    """What comes before the package lists is noise."""
    assert BootstrapProgress().feed(line) is None


def test_a_derivation_names_what_it_furnishes() -> None:
    """Installing packages takes the longest, so all the rest comes late."""
    progress = DerivationProgress()
    lines = ["STEP 1/2: FROM x", "furnish: 10-packages", "furnish: 50-logs", "[2/2] COMMIT tag"]
    steps = [step for line in lines if (step := progress.feed(line))]
    assert [step.stage for step in steps] == [
        "furnishing: packages",
        "furnishing: logs",
        "committing",
    ]
    assert [step.fraction for step in steps] == sorted(step.fraction for step in steps)
