"""Certificates for tests, made by the openssl program."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


class Authority:
    """An authority of our own, which issues certificates into its folder."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        self._folder = folder
        self.file = folder / f"{name}.pem"
        """Its own certificate."""
        self._key = folder / f"{name}.key"
        usage = ("-addext", "keyUsage=critical,keyCertSign")  # the strict rules of newer Pythons ask for it
        subject = ("-subj", f"/CN={name}", "-out", self.file)
        self._openssl("req", "-x509", "-days", "2", *subject, *usage, key=self._key)

    def issue(self, name: str, *, days: int = 2, place: str = "IP:127.0.0.1") -> tuple[Path, Path]:
        """Issue a certificate for 127.0.0.1, and return its file and that of its key.

        One of fewer than 0 days has expired when it is made.
        """
        cert, key, request = (self._folder / f"{name}.{end}" for end in ("pem", "key", "csr"))
        extensions = self._folder / "extensions"
        extensions.write_text(f"subjectAltName={place}\nauthorityKeyIdentifier=keyid\n")
        self._openssl("req", "-new", "-subj", f"/CN={name}", "-out", request, key=key)
        self._openssl(
            *("x509", "-req", "-in", request, "-CA", self.file, "-CAkey", self._key, "-CAcreateserial"),
            *("-days", str(days), "-extfile", extensions, "-out", cert),
        )
        return cert, key

    def in_one_file(self, name: str, *, days: int = 2, place: str = "IP:127.0.0.1") -> Path:
        """Issue a certificate, and return the file that holds it and its key."""
        cert, key = self.issue(name, days=days, place=place)
        cert.write_text(cert.read_text() + key.read_text())
        return cert

    def lock(self, key: Path) -> Path:
        """Given the file of a key, return one in which the same key needs a passphrase."""
        locked = key.with_suffix(".locked")
        self._openssl("pkey", "-in", key, "-aes128", "-passout", "pass:hunter2", "-out", locked)
        return locked

    @staticmethod
    def _openssl(command: str, *arguments: str | Path, key: Path | None = None) -> None:
        program = shutil.which("openssl")
        if program is None:
            pytest.skip("the openssl program, which makes certificates, is not installed")
        new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", str(key))
        line = [program, command, *map(str, arguments), *(new if key else ())]
        subprocess.run(line, check=True, capture_output=True, stdin=subprocess.DEVNULL)
