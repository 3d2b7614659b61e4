"""What a service may read: no home, no temporary file, nothing that is closed to others."""

from __future__ import annotations

from pathlib import Path

import pytest

from zkpoll.installation.service_view import why_unread


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Give the root folder of an image with a command in it."""
    command = tmp_path / "opt" / "zkpoll" / "bin" / "zkpoll"
    command.parent.mkdir(parents=True)
    command.write_text("")
    command.chmod(0o755)
    for folder in command.relative_to(tmp_path).parents:
        (tmp_path / folder).chmod(0o755)
    tmp_path.chmod(0o700)
    return tmp_path


COMMAND = Path("/opt/zkpoll/bin/zkpoll")


def test_what_is_open(root: Path) -> None:
    """What everybody may read a service may read, too."""
    assert why_unread(COMMAND, root) is None
    assert why_unread(Path("/usr/bin")) is None


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/root/.local/share/uv/tools/zkpoll/bin/zkpoll", "in a home folder"),
        ("/home/me/zkpoll/bin/zkpoll", "in a home folder"),
        ("/run/user/1000/zkpoll", "in a home folder"),
        ("/tmp/zkpoll", "among temporary files"),
        ("/var/tmp/zkpoll", "among temporary files"),
        ("/opt/other/zkpoll", "is not there"),
    ],
)
def test_what_is_out_of_sight(root: Path, path: str, words: str) -> None:
    """Homes and temporary folders are not the service's, whatever is in them."""
    found = why_unread(Path(path), root)
    assert found
    assert words in found.why


def test_a_link_into_a_home() -> None:
    """A command that leads into a folder out of sight is so itself."""
    found = why_unread(Path("/proc/self/cwd/../../../tmp"))
    assert found
    assert found.why.startswith("leads to /tmp, which is among temporary files")


def test_what_is_closed(root: Path) -> None:
    """The command that opens it is the one that does: once it is typed, the service may read it."""
    (root / "opt" / "zkpoll").chmod(0o700)
    found = why_unread(COMMAND, root)
    assert found
    assert found.mend == "sudo chmod o+x /opt/zkpoll"
    (root / "opt" / "zkpoll").chmod(0o711)
    assert why_unread(COMMAND, root) is None
    (root / "opt" / "zkpoll" / "bin" / "zkpoll").chmod(0o750)
    found = why_unread(COMMAND, root)
    assert found
    assert found.mend == "sudo chmod -R o+rX /opt/zkpoll/bin/zkpoll"
