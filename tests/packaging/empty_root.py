"""An empty Debian: what debootstrap makes with Python and little else, made once and kept packed.

Where its packages come from is what this machine's apt says; nothing is written here.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

PACKAGES: Final = ("python3", "python3-venv", "man-db", "systemd", "bash-completion")
"""What is there besides what every Debian has. systemd is there for `systemd-analyze verify` alone."""
_CACHE: Final = Path(sys.prefix) / "roots"
"""Beside what else tests fetch, in the environment: 200 MB."""
_PROGRAMS: Final = ("debootstrap", "unshare", "ip", "chroot", "mount", "tar", "apt-get", "apt-config")
_MACHINE: Final = r"""
set -e
ip link set lo up
ip link add eth0 type veth peer name eth1
ip address add "$2" dev eth0
ip link set eth0 up
ip link set eth1 up
mount -t proc proc "$1/proc"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$1/dev/pts"
mount --bind "$1/dev/pts/ptmx" "$1/dev/ptmx"
root=$1
shift 2
PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
exec env -i "PATH=$PATH" HOME=/root LANG=C.UTF-8 TERM=dumb chroot "$root" "$@"
"""
"""What makes a machine of a root, in namespaces of its own. Given the root, its address, the command."""


class NoRoot(Exception):
    """There is none, and none can be made here; the text says why."""


@dataclass(frozen=True, slots=True)
class EmptyRoot:
    """A root, unpacked into a folder."""

    folder: Path

    def python(self) -> str:
        """Return its Python's version, such as `3.11`."""
        words = [
            "chroot",
            str(self.folder),
            "python3",
            "-c",
            "import sys; print('%d.%d' % sys.version_info[:2])",
        ]
        return _run(words, 60).stdout.strip()

    def run(self, words: Sequence[str], network: str, seconds: float) -> subprocess.CompletedProcess[str]:
        """Run a command there, as root of a machine whose own network has the one address `network`.

        All its processes end with it. Output and errors come as one text. Raise `subprocess.TimeoutExpired`
        after so many seconds.
        """
        alone = ["unshare", "--mount", "--net", "--pid", "--uts", "--ipc", "--fork", "--kill-child"]
        return subprocess.run(
            [*alone, "sh", "-c", _MACHINE, "machine", str(self.folder), network, *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=seconds,
            check=False,
        )


def unpacked(folder: Path) -> EmptyRoot:
    """Return a fresh root in an empty folder. The first time takes minutes. Raise `NoRoot` saying why not."""
    if os.geteuid():
        raise NoRoot("roots are made by root alone")
    if lacking := [one for one in _PROGRAMS if shutil.which(one) is None]:
        raise NoRoot(f"there is no {', '.join(lacking)}")
    alone = ["unshare", "--mount", "--net", "--pid", "--fork", "true"]
    if subprocess.run(alone, check=False, capture_output=True).returncode:
        raise NoRoot("no namespaces can be made")
    packed = _packed()
    _run(["tar", "--extract", "--numeric-owner", "--file", str(packed), "--directory", str(folder)], 300)
    return EmptyRoot(folder)


def _packed() -> Path:
    """Return the packed root, which is made where there is none for this release and these packages."""
    mirror, release = _source()
    named = hashlib.sha256("\n".join([mirror, release, *PACKAGES]).encode()).hexdigest()[:12]
    packed = _CACHE / f"{release}-{named}.tar"
    if not packed.exists():
        _CACHE.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=_CACHE) as folder:
            root, half = Path(folder, "root"), Path(folder, "root.tar")
            _make(root, mirror, release)
            _run(
                ["tar", "--create", "--numeric-owner", "--file", str(half), "--directory", str(root), "."],
                300,
            )
            half.replace(packed)
    return packed


def _make(root: Path, mirror: str, release: str) -> None:
    """Have debootstrap make a root. What it mounts is for its own eyes."""
    words = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "debootstrap", "--variant=minbase"]
    words += [f"--include={','.join(PACKAGES)}", release, str(root), mirror]
    proxy = _run(["apt-config", "shell", "proxy", "Acquire::http::Proxy/"], 60).stdout
    env = os.environ | ({"http_proxy": proxy.partition("=")[2].strip().strip("'")} if proxy else {})
    try:
        subprocess.run(words, env=env, check=True, capture_output=True, text=True, timeout=600)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        told = (error.stdout or "") if isinstance(error.stdout, str) else ""
        raise NoRoot(f"debootstrap: {(told.splitlines() or [str(error)])[-1]}") from None
    for archive in (root / "var/cache/apt/archives").glob("*.deb"):
        archive.unlink()


def _source() -> tuple[str, str]:
    """Return the address and the release of the archive that this machine's apt has `main` of."""
    asked = [
        "apt-get",
        "indextargets",
        "--format",
        "$(REPO_URI) $(CODENAME) $(COMPONENT)",
        "Created-By: Packages",
    ]
    for line in _run(asked, 60).stdout.splitlines():
        mirror, release, section = line.split(" ")
        if section == "main" and "-" not in release:
            return mirror, release
    raise NoRoot("apt has no archive; apt-get update first")


def _run(words: Sequence[str], seconds: float) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, check=True, capture_output=True, text=True, timeout=seconds)
