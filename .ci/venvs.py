#!/usr/bin/env python3
"""Virtual environments of one's own for the Python tools, as `.ci/requirements/<name>.txt` lists them.

`.ci/venvs.py NAME` makes one, or leaves it as it is when the list hasn't changed, and prints where its commands are.
"""

import hashlib
import pathlib
import subprocess
import sys
import venv

ROOT = pathlib.Path(__file__).resolve().parent.parent


def commands(name):
    """The folder of the environment's commands, made first when it is missing or made from another list."""
    wanted = ROOT / ".ci" / "requirements" / f"{name}.txt"
    home = ROOT / "target" / "ci" / "venvs" / name
    # Another Python's packages don't serve this one.
    state = hashlib.sha256(wanted.read_bytes() + sys.version.encode()).hexdigest()
    made = home / "made-from"
    if not made.is_file() or made.read_text() != state:
        venv.create(home, clear=True, with_pip=True)
        pip = [home / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement", wanted]
        subprocess.run(pip, stdin=subprocess.DEVNULL, check=True)
        made.write_text(state)
    return home / "bin"


if __name__ == "__main__":
    print(commands(sys.argv[1]))
