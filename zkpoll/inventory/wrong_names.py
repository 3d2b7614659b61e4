"""Names that people write for a setting, as other programs have them. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

_MEANT: Final[Mapping[tuple[str, ...], tuple[str, ...]]] = {
    ("ip", "ipaddr", "ipaddress", "addr", "address", "hostname", "server", "dns"): ("host", "url"),
    ("password", "passwd", "pass", "pwd", "pin", "key", "commkey", "comm", "comkey", "commpassword"): (
        "comm_key",
        "password",
        "basic",
    ),
    ("tz", "zone", "timezones", "tzone", "tzinfo"): ("timezone",),
    ("sn", "serialnumber", "serialno", "deviceserial"): ("serial",),
    ("protocol", "proto", "udp", "tcp", "forceudp", "connection"): ("transport", "url"),
    ("label", "title", "devicename", "alias"): ("name",),
    ("branch", "office", "group", "building", "area"): ("site",),
    ("disabled", "disable", "active", "inactive", "off"): ("enabled",),
    ("lat",): ("latitude",),
    ("lon", "lng", "long"): ("longitude",),
    ("charset", "codepage"): ("encoding",),
    ("endpoint", "uri", "link", "webhook", "api", "baseurl", "dsn", "connectionstring"): ("url",),
    ("apikey", "bearer", "authorization", "accesstoken", "secret", "auth"): ("token",),
    ("user", "username", "login"): ("basic",),
    ("path", "filename", "mdb"): ("file", "journal"),
    ("type", "vendor", "program", "software"): ("kind", "format"),
    ("db", "database", "sqlite", "store", "storage", "postgres", "postgresql"): ("journal",),
    ("statedirectory", "statefolder", "datadir", "datafolder"): ("state_dir",),
    ("dashboards", "target", "targets", "destination"): ("dashboard",),
    ("terminals", "terminal", "clocks", "machines", "readers"): ("devices",),
    ("branches", "locations", "groups", "offices"): ("sites",),
    ("default", "common", "global", "globals"): ("defaults",),
    ("workers", "threads", "concurrency", "jobs"): ("parallel",),
    ("celery", "fleet", "queue", "queues"): ("workers",),
    ("brokerurl", "redis", "rabbitmq", "amqp", "url"): ("broker",),
    ("prometheus",): ("metrics",),
    ("html", "statuspage", "webpage"): ("page",),
    ("healthcheck", "healthchecks"): ("health",),
    ("web", "webui", "ui", "http", "livepage", "adminpage"): ("admin",),
}
"""What is meant by each, the first that is known where it stands; without the signs between words."""
_BY_NAME: Final = {name: meant for names, meant in _MEANT.items() for name in names}
_NO_SETTING: Final[Mapping[str, str]] = {
    name: sentence
    for names, sentence in {
        ("interval", "pollinterval", "pollevery", "every", "schedule", "cron", "frequency", "refresh"): (
            "no setting: how often `zkpoll sync` runs is said in cron or in zkpoll.timer; leave it out"
        ),
        ("ommitping", "omitping", "ping"): "no setting: nothing is pinged first; leave it out",
        ("loglevel", "logging", "logfile", "verbose", "debug"): (
            "no setting: `zkpoll sync -v` says on stderr what is done; leave it out"
        ),
    }.items()
    for name in names
}


def _bare(word: str) -> str:
    return word.casefold().replace("_", "").replace("-", "")


def meant_by(word: str, names: Collection[str]) -> str | None:
    """Given a name that is no setting where it stands, and those that are, return the one that it is for."""
    bare = _bare(word)
    same = next((name for name in names if _bare(name) == bare), None)
    return same or next((name for name in _BY_NAME.get(bare, ()) if name in names), None)


def no_setting(word: str) -> str | None:
    """Given a name, return what to say of it where nothing here is set by it, or None."""
    return _NO_SETTING.get(_bare(word))
