"""What is published: the wheel and the source archive of a commit, and what an index page shows of them."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email import message_from_string
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

import pytest
from markdown_it import MarkdownIt

from tests.packaging.test_wheel import OFFLINE
from tests.test_version import Checkout
from zkpoll import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import Message

    from markdown_it.token import Token

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]
ROOT: Final = Path(__file__).parents[2]
PROJECT: Final = "https://github.com/zkpoll/zkpoll"


class Builder:
    """An environment with what builds and checks."""

    def __init__(self, folder: Path) -> None:
        """Install it; skip where there is no package index."""
        subprocess.run([sys.executable, "-m", "venv", folder], check=True, timeout=60)
        self._python = folder / "bin" / "python"
        words = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "build", "twine"]
        result = subprocess.run(
            [self._python, *words], capture_output=True, text=True, timeout=200, check=False
        )
        if result.returncode and any(word in result.stderr for word in OFFLINE):
            pytest.skip("no package index can be reached, to build with")
        assert result.returncode == 0, result.stderr

    def run(self, *words: str | Path) -> None:
        """Run a module of the environment, and see that all is well."""
        subprocess.run([self._python, "-m", *words], check=True, capture_output=True, timeout=200)


@pytest.fixture(scope="module")
def builder(tmp_path_factory: pytest.TempPathFactory) -> Builder:
    """Give what builds."""
    return Builder(tmp_path_factory.mktemp("builder"))


class Copy(Checkout):
    """A checkout of all that is in this one, with one commit."""

    def fill(self) -> None:
        """Copy what git knows here and what is new; skip where this is no checkout."""
        if not (ROOT / ".git").exists():
            pytest.skip("this is no checkout")
        listing = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        names = subprocess.run(listing, check=True, capture_output=True, text=True).stdout
        self.names = {name for name in names.split("\0") if name and (ROOT / name).is_file()}
        for name in self.names:
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, self.folder / name)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    """Give such a checkout."""
    return Copy(tmp_path_factory.mktemp("copy") / "zkpoll")


def member(archive: Path, name: str) -> str:
    """Return the text of a file in a wheel, by the end of its name."""
    with zipfile.ZipFile(archive) as packed:
        (found,) = (one for one in packed.namelist() if one.endswith(name))
        return packed.read(found).decode()


@pytest.fixture(scope="module")
def built(builder: Builder, checkout: Copy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build a source archive and a wheel, each from the checkout, and give their folder."""
    folder = tmp_path_factory.mktemp("built")
    builder.run("build", "--sdist", "--wheel", "--outdir", folder, checkout.folder)
    return folder


def one(folder: Path, kind: str) -> Path:
    """Return the only file of a kind in a folder."""
    (found,) = folder.glob(f"zkpoll-{__version__}*{kind}")
    return found


def test_the_commit_goes_with_it(builder: Builder, checkout: Copy, built: Path, tmp_path: Path) -> None:
    """A wheel has the commit of its checkout, and so has one that is made of the source archive."""
    assert member(one(built, ".whl"), "/commit.txt") == f"g{checkout.first}\n"
    with tarfile.open(one(built, ".tar.gz")) as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
    (source,) = (tmp_path / "unpacked").iterdir()
    builder.run("build", "--wheel", "--outdir", tmp_path, source)
    assert member(one(tmp_path, ".whl"), "/commit.txt") == f"g{checkout.first}\n"


def test_a_release_has_none(builder: Builder, tmp_path: Path) -> None:
    """At the tag of its version, the wheel is that release."""
    checkout = Copy(tmp_path / "zkpoll")
    checkout.git("tag", f"v{__version__}")
    builder.run("build", "--wheel", "--outdir", tmp_path, checkout.folder)
    assert member(one(tmp_path, ".whl"), "/commit.txt") == "\n"


def test_the_source_archive_is_the_checkout(checkout: Copy, built: Path) -> None:
    """It has all files that the checkout has, but the gate's, and none besides but what builders write."""
    with tarfile.open(one(built, ".tar.gz")) as archive:
        names = {found.name.partition("/")[2] for found in archive.getmembers() if found.isfile()}
    assert names - checkout.names == {"PKG-INFO", "zkpoll/commit.txt"}
    assert {name for name in checkout.names - names if not name.startswith(".ci/")} == set()


def test_the_index_page(builder: Builder, built: Path, checkout: Copy) -> None:
    """An index page has no link that works in a checkout alone, and each names a file that there is."""
    told = message_from_string(member(one(built, ".whl"), ".dist-info/METADATA"))
    assert told["Description-Content-Type"] == "text/markdown"
    links, pictures = set(targets(told, "href")), set(targets(told, "src"))
    assert links
    assert pictures
    for target in links | pictures:
        place = urlsplit(target)
        if not target.startswith("#"):
            assert place.scheme == "https", target
        kind = "blob" if target in links else "raw"
        if target.startswith(f"{PROJECT}/{kind}/"):
            version, _, path = target.removeprefix(f"{PROJECT}/{kind}/").partition("/")
            assert version == f"v{__version__}"
            assert (checkout.folder / unquote(urlsplit(path).path)).exists(), target
        else:
            assert target not in pictures, target
    builder.run("twine", "check", "--strict", *built.iterdir())


def targets(told: Message, attribute: str) -> Iterator[str]:
    """Yield where the links, or the pictures, of the description lead."""
    text = told.get_payload()
    assert isinstance(text, str)
    left: list[Token] = MarkdownIt("commonmark").enable("table").parse(text)
    while left:
        token = left.pop()
        left += token.children or []
        written = token.content if token.type.startswith("html_") else ""
        assert not re.search("(?:href|src|srcset)=", written), "links in HTML are not made absolute"
        if found := token.attrs.get(attribute):
            yield str(found)


def test_what_is_named(built: Path) -> None:
    """The wheel names where its project is, where its issues go, and how far it is."""
    told = message_from_string(member(one(built, ".whl"), ".dist-info/METADATA"))
    named = dict(line.split(", ") for line in told.get_all("Project-URL", []))
    assert set(named) == {"Homepage", "Documentation", "Changelog", "Issues"}
    assert all(address.startswith(PROJECT) for address in named.values())
    assert "Development Status :: 4 - Beta" in told.get_all("Classifier", [])
