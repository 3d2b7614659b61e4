"""docs/push.md has proxies for `zkpoll serve`: they run as they stand there, with a real one behind."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import subprocess
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from tests.certificates import Authority
from tests.peers import free_ports, listens
from tests.serve.pages import blocks
from tests.serve.serving import AWAY, GATE, SERIAL, Heard, ask, journalled, serving
from tests.waiting import wait_for
from zkpoll.simulator import PushModel, PushTerminal, Terminal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.site import Site

SECRET: Final = "the-secret-of-this-gate"
THERE: Final = "127.0.0.7"
"""Where the terminal `far` may call from."""
FAR: Final = f"name: far, serial: FAR1, push: {{secret: {SECRET}, networks: [{THERE}]}}"
POLL: Final = f"/{SECRET}/iclock/getrequest?SN=FAR1"
TAKEN, REFUSED = Heard(200, "OK"), Heard(403, "Forbidden")
FORGED: Final = f"x\r\nX-Forwarded-For: {THERE}"
"""A Host, and behind it what a caller makes up."""
PLACES: Final = f"/usr/sbin:{os.environ.get('PATH', os.defpath)}"
NGINX, HAPROXY = shutil.which("nginx", path=PLACES), shutil.which("haproxy", path=PLACES)
STREAM: Final = Path("/usr/lib/nginx/modules/ngx_stream_module.so")
needs_nginx = pytest.mark.skipif(NGINX is None, reason="nginx is not on this machine")
needs_stream = pytest.mark.skipif(
    NGINX is None or not STREAM.is_file(), reason="nginx's module for streams is not on this machine"
)
needs_haproxy = pytest.mark.skipif(HAPROXY is None, reason="HAProxy is not on this machine")


class Front:
    """A block of the page as a proxy that can run here: with ports and a certificate of its own."""

    def __init__(self, folder: Path, text: str, door: int) -> None:
        self.folder = folder
        self.tls, self.plain = free_ports(2)
        authority = Authority(folder)
        cert, key = authority.issue("punches")
        (folder / "both.pem").write_text(cert.read_text() + key.read_text())
        self._trust = ssl.create_default_context(cafile=authority.file)
        for before, after in (
            ("listen 8443 ", f"listen 127.0.0.1:{self.tls} "),
            ("listen 8444 ", f"listen 127.0.0.1:{self.tls} "),
            ("listen 8080;", f"listen 127.0.0.1:{self.plain};"),
            ("bind :8443 ", f"bind 127.0.0.1:{self.tls} "),
            ("bind :8080\n", f"bind 127.0.0.1:{self.plain}\n"),
            ("/etc/ssl/punches.crt", str(cert)),
            ("/etc/ssl/punches.key", str(key)),
            ("/etc/ssl/punches.pem", str(folder / "both.pem")),
            ("/var/log/nginx/zkpoll.log", str(folder / "error.log")),
            ("203.0.113.0/24", f"{THERE}/32"),
            ("127.0.0.1:8081", f"127.0.0.1:{door}"),
        ):
            text = text.replace(before, after)
        self.text = text

    def ask(
        self,
        target: str,
        body: bytes | None = None,
        *,
        tls: bool = True,
        me: str = "127.0.0.1",
        host: str | None = "x",
    ) -> Heard:
        """Call it from the address `me`, as a terminal does."""
        there = ("127.0.0.1", self.tls if tls else self.plain)
        with ExitStack() as stack:
            call = stack.enter_context(socket.create_connection(there, 40, source_address=(me, 0)))
            if tls:
                call = stack.enter_context(self._trust.wrap_socket(call, server_hostname="127.0.0.1"))
            return ask(call, target, body, host=host)

    @contextmanager
    def nginx(self) -> Iterator[None]:
        """Run it as nginx."""
        head = "daemon off; events {}\n" + ("user root;\n" if os.getuid() == 0 else "")
        if self.text.startswith("server"):
            kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
            paths = "".join(f"{kind}_temp_path {self.folder / kind};\n" for kind in kinds)
            whole = f"{head}http {{\n{paths}{self.text}}}\n"
        else:
            whole = f"load_module {STREAM};\n{head}{self.text}"
        file = self.folder / "nginx.conf"
        file.write_text(f"pid {self.folder / 'nginx.pid'};\n{whole}")
        words = [NGINX or "", "-e", str(self.folder / "start.log"), "-c", str(file)]
        subprocess.run([*words, "-t"], check=True, capture_output=True)
        with _running(words, self.tls):
            yield

    @contextmanager
    def haproxy(self) -> Iterator[None]:
        """Run it as HAProxy."""
        file = self.folder / "haproxy.cfg"
        file.write_text(self.text)
        words = [HAPROXY or "", "-f", str(file)]
        subprocess.run([*words, "-c"], check=True, capture_output=True)
        with _running([*words, "-db"], self.tls):
            yield


@contextmanager
def _running(words: list[str], port: int) -> Iterator[None]:
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            wait_for(lambda: process.poll() is not None or listens(port))
            assert process.poll() is None, "the proxy ended"
            yield
        finally:
            process.terminate()


def of_nginx(kind: str) -> str:
    """Return the page's block for nginx that begins so."""
    (found,) = [one for one in blocks("push.md", "nginx") if one.startswith(f"{kind} ")]
    return found


def write(site: Site, *proxies: str) -> None:
    """Write an inventory whose listener believes these proxies."""
    listen = f"listen: {{address: '127.0.0.1:0', trusted_proxies: [{', '.join(proxies)}]}}\n"
    site.write(AWAY, GATE, FAR, more=listen)


def check_http(front: Front, site: Site) -> None:
    """Call a proxy of HTTP in the ways that matter; a terminal that looks at every letter pushes its log."""
    for tls in (True, False):
        assert front.ask(POLL, tls=tls, me=THERE) == TAKEN
        assert front.ask(POLL, tls=tls) == REFUSED, "outside its networks"
        assert front.ask(POLL, tls=tls, me="127.0.0.9", host=FORGED) == REFUSED, (
            "what a caller says of itself counts for nothing"
        )
    photo = f"/iclock/cdata?SN={SERIAL}&table=ATTPHOTO"
    assert front.ask(photo, b"PIN=1.jpg\nSN=x\nsize=1\n\0" + bytes(4_000_000)) == TAKEN
    assert front.ask(photo, bytes(5_000_000)).status == 413
    gate = PushTerminal(
        f"http://127.0.0.1:{front.plain}", Terminal.with_samples(300), PushModel(picky=True, keeps_open=True)
    )
    gate.round()
    gate.close()
    assert len(gate.acknowledged) == len(journalled(site)) == 300
    assert gate.clock_sets, "the Date came through, under its name"


@needs_nginx
def test_nginx(site: Site) -> None:
    """Through the page's nginx all goes as without it, over TLS and plainly, and it writes down no secret."""
    write(site, "127.0.0.1")
    with serving(site) as door:
        front = Front(site.folder, of_nginx("server"), door.address[1])
        with front.nginx():
            check_http(front, site)
            assert front.ask(POLL, host=None).status == 400, "boards without Host need `stream`"
    logs = [file.read_text() for file in (site.folder / "error.log", site.folder / "start.log")]
    assert SECRET not in "".join(logs)


@needs_stream
def test_nginx_streams(site: Site) -> None:
    """By `stream` a board without Host is served, and who may not call is turned away by nginx."""
    write(site)
    with serving(site) as door:
        front = Front(site.folder, of_nginx("stream"), door.address[1])
        gate = f"/iclock/getrequest?SN={SERIAL}"
        with front.nginx():
            assert front.ask(gate, me=THERE, host=None) == TAKEN
            assert front.ask(POLL, me=THERE, host=FORGED) == REFUSED, "nobody is believed"
            with pytest.raises((OSError, ssl.SSLError)):
                front.ask(gate)


@needs_stream
def test_nginx_streams_from_another_address(site: Site) -> None:
    """Where a proxy of HTTP is believed, a stream that comes from another address is not."""
    write(site, "127.0.0.1")
    with serving(site) as door:
        text = of_nginx("stream")
        believed = Front(site.folder, text, door.address[1])
        with believed.nginx():
            assert believed.ask(POLL, me=THERE, host=FORGED) == TAKEN, "so the page warns of it"
        apart = Front(
            site.folder, text.replace("proxy_timeout", "proxy_bind 127.0.0.2; proxy_timeout"), door.address[1]
        )
        with apart.nginx():
            assert apart.ask(POLL, me=THERE, host=FORGED) == REFUSED


@needs_haproxy
def test_haproxy(site: Site) -> None:
    """Through the page's HAProxy all goes as without it, over TLS and plainly; boards without Host, too."""
    write(site, "127.0.0.1")
    (text,) = blocks("push.md", "haproxy")
    with serving(site) as door:
        front = Front(site.folder, text, door.address[1])
        with front.haproxy():
            check_http(front, site)
            assert front.ask(POLL, me=THERE, host=None) == TAKEN
