#!/usr/bin/env bash
# A first day with zkpoll on a Debian that has Python and little else: from the wheel to a punch on a dashboard,
# units for systemd, pages to read, and off the machine again.
#
#     bash first_day.sh WHEELS       a folder with the wheel of zkpoll and those that it needs
#
# It takes over the machine it runs on, as root. test_empty_root.py runs it in a root of its own, on a network of
# its own: 192.168.1.201/24, and nobody else there.
set -euo pipefail
wheels=$1
cd

say() { printf '%4d s  %s\n' "$SECONDS" "$*"; }
part() { printf '\n== %s\n' "$*"; }
fail() { echo "first_day.sh: $*" >&2; exit 1; }
# Where a command fails, its line is told.
trap 'fail "line $LINENO: $BASH_COMMAND"' ERR
set -o errtrace
# Wait until a command succeeds, ten seconds at most.
until_so() {
    for _ in {1..100}; do
        if "$@"; then return; fi
        sleep 0.1
    done
    fail "not so within ten seconds: $*"
}

part "Install"
python3 -m venv /opt/zkpoll
# With a network it is: /opt/zkpoll/bin/pip install zkpoll
/opt/zkpoll/bin/pip install --quiet --disable-pip-version-check --root-user-action ignore \
    --no-index --find-links "$wheels" zkpoll
export PATH=/opt/zkpoll/bin:$PATH
zkpoll --version
say "installed"

part "A terminal, and a dashboard that takes what comes with its token"
# Its clock shows UTC. People are at work.
zkpoll simulate --host 192.168.1.201 --records 20 --punch-every 1s >terminal.out &
cat >dashboard.py <<'END'
import json
from http.server import BaseHTTPRequestHandler, HTTPServer

class Dashboard(BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        known = self.headers["Authorization"] == "Bearer s3cret"
        self.send_response(200 if known else 401)
        self.end_headers()
        with open("punches", "a") as punches:
            punches.writelines(json.dumps(event) + "\n" for event in body["events"] if known)

HTTPServer(("127.0.0.1", 8000), Dashboard).serve_forever()
END
touch punches
python3 dashboard.py 2>dashboard.err &
trap 'kill $(jobs -p)' EXIT
until_so grep -q 192.168.1.201 terminal.out
until_so bash -c '</dev/tcp/127.0.0.1/8000' 2>/dev/null

part "The first inventory: zkpoll looks for terminals, and asks nothing that options say"
install -m 0600 <(echo s3cret) token.txt
zkpoll init --dashboard http://127.0.0.1:8000/punches --token-file token.txt --zone UTC \
    --config devices.yaml
cat devices.yaml
zkpoll config check
zkpoll devices ping
say "first result"

part "The same at a terminal, where it asks"
cat >answers.py <<'END'
import os, pty, sys

ANSWERS = {"URL": "http://127.0.0.1:8000/punches", "oken": "s3cret", "zone": "UTC"}
child, screen = pty.fork()
if not child:
    os.execvp(sys.argv[1], sys.argv[1:])
seen = ""
try:
    while part := os.read(screen, 1000).decode():
        sys.stdout.write(part)
        seen += part
        for question in [one for one in ANSWERS if one in seen and seen.endswith(": ")]:
            os.write(screen, ANSWERS.pop(question).encode() + b"\n")
            seen = ""
except OSError:  # the end
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
END
python3 answers.py zkpoll init
zkpoll config check --config /etc/zkpoll/devices.yaml
test "$(stat -c %a /etc/zkpoll/token)" = 600

part "Look before you send"
zkpoll sync --dry-run >would
tail -n 2 would
test ! -s punches

part "The first punches"
zkpoll sync
test "$(wc -l <punches)" -ge 20
head -n 1 punches
say "first punch"

part "Only what is new is sent, and nothing twice"
sleep 2
zkpoll sync
python3 - <<'END'
import json
ids = [json.loads(line)["id"] for line in open("punches")]
assert len(ids) == len(set(ids)) > 20, ids
END
zkpoll status

part "systemd: what is to be done, then the units; systemd finds them in order"
if zkpoll systemd install; then :; else echo "code $?"; fi
zkpoll systemd install --apply --root / --backup
systemd-analyze verify /etc/systemd/system/zkpoll*
grep ExecStart /etc/systemd/system/zkpoll.service
# What zkpoll.service does each five minutes. A journal that is new has no end of what was sent; the punches have
# the same ids.
zkpoll sync --verbose --config /etc/zkpoll/devices.yaml

part "Pages to read, 80 columns wide"
for page in zkpoll zkpoll-sync zkpoll-init zkpoll-systemd-install zkpoll.yaml; do
    MANWIDTH=80 man "$page" | col -bx >page
    test "$(wc -l <page)" -gt 10
    if grep -n '.\{81\}' page; then fail "man $page is wider than 80 columns"; fi
done
MANWIDTH=80 man zkpoll-sync | col -bx | sed -n 1,20p
MANWIDTH=80 man 5 zkpoll.yaml | col -bx | sed -n 1,20p

part "The Tab key: bash finds what completes zkpoll, once it is told of this folder"
cat >tab.sh <<'END'
source /usr/share/bash-completion/bash_completion
_completion_loader zkpoll || test $? = 124    # which means: loaded, try again
complete -p zkpoll
COMP_WORDS=(zkpoll sy) COMP_CWORD=1
_zkpoll_completion zkpoll
echo "${COMPREPLY[@]}"
END
XDG_DATA_DIRS=/opt/zkpoll/share:/usr/share bash tab.sh | tee tab
grep -qx "sync systemd" tab

part "Away with it: pip leaves nothing of zkpoll; units, inventory and journal are yours to remove"
/opt/zkpoll/bin/pip uninstall --quiet --yes --root-user-action ignore zkpoll
hash -r
if (cd /opt/zkpoll && find . -iname '*zkpoll*' | grep .); then fail "pip uninstall left these"; fi
rm /etc/systemd/system/zkpoll* /etc/zkpoll/devices.yaml /etc/zkpoll/token
say "the end"
