"""Starting and stopping a server of one's own, for the scripts beside this file."""

import os
import pathlib
import select
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent

# A first start imports 16,975 films, and `cargo run` may have to link first.
READY_WITHIN = 300
STOPS_WITHIN = 30


class Server:
    """`cargo run -- --port 0 <options>`, ready when both ready lines have been read from its standard output."""

    def __init__(self, *options, **environment):
        command = ["cargo", "run", "--quiet", "--", "--port", "0", *options]
        self.log = tempfile.NamedTemporaryFile("w+", prefix="marquee-", suffix=".log")
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "RUST_LOG": "warn", **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self.log,
        )
        try:
            self.lines = self._ready_lines()
        except Exception:
            self.process.kill()
            self.process.wait()
            raise
        self.url = self.lines[0].removeprefix("listening on ")
        self.dynamodb = self.lines[1].removeprefix("dynamodb on ")

    def _ready_lines(self):
        out, text, ends = self.process.stdout, b"", time.monotonic() + READY_WITHIN
        while text.count(b"\n") < 2:
            readable, _, _ = select.select([out], [], [], max(0, ends - time.monotonic()))
            read = os.read(out.fileno(), 4096) if readable else b""
            if not read:
                why = "ended" if readable else f"not ready within {READY_WITHIN} s"
                raise RuntimeError(f"the server: {why}\n{self.logged()}")
            text += read
        lines = text.decode().splitlines()
        if not lines[0].startswith("listening on http://127.0.0.1:") or not lines[1].startswith("dynamodb on http"):
            raise RuntimeError(f"not the two ready lines: {lines}")
        return lines

    def logged(self):
        """What it wrote to standard error."""
        self.log.flush()
        return pathlib.Path(self.log.name).read_text()

    def stop(self):
        """Ends it by SIGTERM and gives its exit code, after a look at what else it printed: nothing."""
        # `cargo run` replaces itself by the program on Unix, so this is the server's own process.
        self.process.send_signal(signal.SIGTERM)
        try:
            rest, _ = self.process.communicate(timeout=STOPS_WITHIN)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise RuntimeError(f"the server didn't end within {STOPS_WITHIN} s of SIGTERM") from None
        if rest:
            raise RuntimeError(f"more than the ready lines on standard output: {rest!r}")
        return self.process.returncode

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


def fail(text):
    """Ends the script with a failure."""
    print(text, file=sys.stderr)
    sys.exit(1)
