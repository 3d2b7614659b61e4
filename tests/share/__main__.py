"""Write `share/` anew, or into another folder."""

from __future__ import annotations

import argparse
from pathlib import Path

from tests.share.files import SHARE, files


def main() -> None:
    """Write the files, and remove those that are no more."""
    parser = argparse.ArgumentParser(prog="python -m tests.share", description=__doc__)
    parser.add_argument("--into", metavar="FOLDER", type=Path, default=SHARE, help="Else share/.")
    into: Path = parser.parse_args().into
    made = files()
    for old in [path for path in into.rglob("*") if path.is_file()]:
        if old.relative_to(into).as_posix() not in made:
            old.unlink()
    for name, text in made.items():
        path = into / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
