#!/usr/bin/env python3
"""Virtual environments for the Python tools, one for each list `.ci/requirements/<name>.txt`.

`.ci/venvs.py NAME` creates the environment, unless one exists that was made from the same list, and prints the folder of
its commands.
"""

import hashlib
import pathlib
import subprocess
import sys
import venv

ROOT = pathlib.Path(__file__).resolve().parent.parent


def commands(name):
    """Returns the folder of the environment's commands. Creates the environment if it is missing or out of date."""
    wanted = ROOT / ".ci" / "requirements" / f"{name}.txt"
    home = ROOT / "target" / "ci" / "venvs" / name
    # Packages of another Python version can't be used.
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
