"""`zkpoll config check` and `zkpoll config schema`."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from click.testing import CliRunner

from zkpoll.cli.config import config
from zkpoll.errors import ExitCode, InventoryError
from zkpoll.inventory import load

if TYPE_CHECKING:
    from click.testing import Result

TOP = Path(__file__).parents[2]
TEXT = """\
dashboard: {url: "https://dashboard.example.com/é", token: "${ZKPOLL_TOKEN}"}
journal: /var/lib/zkpoll/journal.db
defaults:
  timezone: Asia/Dhaka
  timeout: 20s
  quiet_hours: 22:00-5:00
  clock: {set_when_off_by: 30s}
devices:
  - {name: no, host: 192.168.1.201, serial: 0012, comm_key: 31337}
"""
SETTINGS = {
    "dashboard": [
        {
            "name": "dashboard",
            "url": "https://dashboard.example.com/é",
            "token": "********",
            "format": "events",
            "gzip": False,
            "batch_size": 500,
            "lanes": 1,
            "timeout": 30,
            "attempts": 4,
            "retry_wait": 1,
            "park_retry_every": 86400,
        }
    ],
    "defaults": {"timezone": "Asia/Dhaka"},
    "journal": "/var/lib/zkpoll/journal.db",
    "parallel": 16,
    "keep_raw": 34_560_000,
    "alert_after": 86_400,
    "devices": [
        {
            "name": "no",
            "host": "192.168.1.201",
            "port": 4370,
            "transport": "tcp",
            "comm_key": "********",
            "timezone": "Asia/Dhaka",
            "timeout": 20,
            "visit_limit": 900,
            "quiet_hours": "22:00-05:00",
            "clock": {"set_when_off_by": 30},
            "warn_clock": 120,
            "clear": "never",
            "warn_full": "90%",
            "direction": "state",
            "in_states": [0, 4],
            "out_states": [1, 5],
            "encoding": "utf-8",
            "serial": "0012",
            "trust": "device",
            "enabled": True,
        }
    ],
}


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    """Return the path of an inventory."""
    path = tmp_path / "devices.yaml"
    path.write_text(TEXT, encoding="utf-8")
    return path


def run(*arguments: str | Path, env: dict[str, str] | None = None) -> Result:
    """Given the words after `zkpoll config`, run it and return what came of it."""
    base = {"ZKPOLL_TOKEN": "hunter2", "ZKPOLL_CONFIG": ""}
    return CliRunner().invoke(config, list(map(str, arguments)), env=base | (env or {}))


def test_check_says_that_there_are_no_mistakes(inventory: Path) -> None:
    """One line says how much there is in the inventory, and the code is 0."""
    result = run("check", "-c", inventory)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == f"{inventory}: 1 device, 1 dashboard, no mistakes\n"
    more = "sites: {dhaka: {timeout: 5s}}\ndatabases:\n  - {name: a, kind: att2000, file: a.mdb}\n"
    inventory.write_text(TEXT + more, encoding="utf-8")
    told = run("check", "-c", inventory).stdout
    assert told == f"{inventory}: 1 device, 1 database, 1 site, 1 dashboard, no mistakes\n"


def test_check_shows_the_merged_settings_as_yaml(inventory: Path) -> None:
    """--show prints what will be used: defaults merged in, durations as people write them, no secret."""
    result = run("check", "-c", inventory, "--show")
    assert (result.exit_code, result.stderr) == (0, "")
    shown = yaml.safe_load(result.stdout)
    ((dashboard,), (device,)) = shown["dashboard"], shown["devices"]
    assert (shown["keep_raw"], shown["alert_after"]) == ("400d", "1d")
    assert [dashboard[one] for one in ("timeout", "retry_wait", "park_retry_every")] == ["30s", "1s", "1d"]
    assert [device[one] for one in ("timeout", "visit_limit", "warn_clock")] == ["20s", "15m", "2m"]
    assert device["clock"] == {"set_when_off_by": "30s"}
    assert device["quiet_hours"] == "22:00-05:00"
    assert set(device) == set(*map(dict.keys, SETTINGS["devices"]))  # type: ignore[call-overload]
    assert "hunter2" not in result.stdout
    assert "31337" not in result.stdout


def test_check_prints_json_when_asked(inventory: Path) -> None:
    """--json prints the same settings for programs, durations in seconds."""
    result = run("check", "--config", inventory, "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    assert json.loads(result.stdout) == SETTINGS


def test_check_finds_the_inventory_by_the_environment(inventory: Path) -> None:
    """ZKPOLL_CONFIG names the inventory where --config does not."""
    assert run("check", env={"ZKPOLL_CONFIG": str(inventory)}).exit_code == 0


def test_what_check_prints_can_be_loaded_again(tmp_path: Path, inventory: Path) -> None:
    """The printed settings are an inventory themselves, once the secrets are put back."""
    printed = run("check", "-c", inventory, "--show").stdout
    again = tmp_path / "again.yaml"
    restored = printed.replace("comm_key: '********'", "comm_key: 31337")
    again.write_text(restored.replace("'********'", "hunter2"), encoding="utf-8")
    settings = load(inventory, {"ZKPOLL_TOKEN": "hunter2"})
    assert load(again, {}) == settings.model_copy(update={"parallel": settings.at_once})


def test_check_warns_of_plain_http(inventory: Path) -> None:
    """A dashboard reached by http over a network is named on stderr; on this machine it is fine."""
    for url, warned in {"http://dashboard.example.com": True, "http://127.0.0.1:8000": False}.items():
        inventory.write_text(TEXT.replace("https://dashboard.example.com", url), encoding="utf-8")
        result = run("check", "-c", inventory)
        assert result.exit_code == 0
        assert result.stderr.count("\n") == warned
        assert ("dashboard: plain http" in result.stderr) is warned


@pytest.mark.parametrize("there", [True, False])
def test_check_warns_where_workers_lack_celery(
    inventory: Path, monkeypatch: pytest.MonkeyPatch, there: bool
) -> None:
    """With workers: a machine that cannot carry errands is told so; the inventory is right."""
    module = import_module("zkpoll.cli.config")  # the name is that of its command, too
    monkeypatch.setattr(module, "find_spec", lambda _: object() if there else None)
    assert run("check", "-c", inventory).stderr == ""
    inventory.write_text(f"workers: {{broker: 'redis://:${{PW}}@10.0.0.5/1'}}\n{TEXT}", encoding="utf-8")
    result = run("check", "-c", inventory, "--show", env={"PW": "hunter2"})
    assert result.exit_code == 0
    told = (
        ""
        if there
        else (
            "workers: this machine has no celery, which `zkpoll dispatch` and `zkpoll worker` need: "
            "pip install 'zkpoll[celery]', or '.[celery]' in a checkout\n"
        )
    )
    assert result.stderr == told
    shown = yaml.safe_load(result.stdout)["workers"]
    assert shown == {"broker": "redis://:********@10.0.0.5/1", "every": "5m"}


@pytest.mark.parametrize("there", [True, False])
def test_check_warns_where_the_journal_lacks_its_driver(
    inventory: Path, monkeypatch: pytest.MonkeyPatch, there: bool
) -> None:
    """With a journal in PostgreSQL; its server, which is not there, is not asked for anything."""
    module = import_module("zkpoll.cli.config")  # the name is that of its command, too
    monkeypatch.setattr(module, "find_spec", lambda _: object() if there else None)
    place = "journal: postgresql://zkpoll@127.0.0.1:9/zkpoll\nstate_dir: nowhere\n"
    inventory.write_text(place + TEXT.replace("journal: /var/lib/zkpoll/journal.db\n", ""), encoding="utf-8")
    result = run("check", "-c", inventory)
    assert result.exit_code == 0
    told = (
        "this machine has no psycopg, which a journal in PostgreSQL needs: pip install 'zkpoll[postgres]'\n"
    )
    assert result.stderr == ("" if there else f"journal: {told}")


def test_a_bad_inventory_is_the_one_error_with_code_78(inventory: Path) -> None:
    """Every problem is in the error, nothing is on stdout, and the code is 78."""
    inventory.write_text(TEXT.replace("timeout", "timeot").replace("/é", " é"), encoding="utf-8")
    result = run("check", "-c", inventory)
    assert isinstance(result.exception, InventoryError)
    assert result.exception.exit_code == ExitCode.INVENTORY
    assert len(str(result.exception).splitlines()) == 2
    assert result.stdout == ""


def test_the_committed_schema_is_what_the_command_prints() -> None:
    """The schema that editors read from docs/ is the program's own."""
    result = run("schema")
    assert result.exit_code == 0
    committed = (TOP / "docs/devices.schema.json").read_text(encoding="utf-8")
    assert result.stdout == committed, "run: zkpoll config schema > docs/devices.schema.json"
    assert json.loads(committed)["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize("arguments", [[], ["check"], ["schema"]])
def test_every_command_has_help(arguments: list[str]) -> None:
    """--help explains each command, and where the inventory is looked for."""
    result = run(*arguments, "--help")
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) > 5
    if arguments == ["check"]:
        text = " ".join(result.stdout.split())
        assert "~/.config/zkpoll/devices.yaml and /etc/zkpoll/devices.yaml" in text
        assert "ZKPOLL_CONFIG" in text


def test_the_command_loads_click_alone() -> None:
    """Help is fast: no settings, YAML or validation library is loaded for it."""
    code = "import sys, zkpoll.cli.config; print(*sys.modules)"
    command = [sys.executable, "-c", code]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True, cwd=TOP).stdout
    assert not {"pydantic", "yaml", "requests", "rich", "sqlite3", "logging"} & set(loaded.split())
    ours = {name for name in loaded.split() if name.startswith("zkpoll.")}
    assert {name for name in ours if not name.startswith("zkpoll.cli")} == {"zkpoll.errors"}
