"""Starts and stops processes for the scripts of this folder."""

import contextlib
import os
import pathlib
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent

# A first start imports 16,975 movies, and `cargo run` may have to link before.
READY_WITHIN = 300
STOPS_WITHIN = 30
# A process that ends on this many ports in a row is considered broken.
PORTS = 5


class Server:
    """`cargo run -- --port 0 <options>`. It is ready once it has printed both ready lines to standard output."""

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
            raise RuntimeError(f"these aren't the two ready lines: {lines}")
        return lines

    def logged(self):
        """Returns what the server wrote to standard error."""
        self.log.flush()
        return pathlib.Path(self.log.name).read_text()

    def stop(self):
        """Ends the server with SIGTERM and returns its exit code. Fails if it has printed more than the ready lines."""
        # On Unix `cargo run` replaces itself with the program, so this is the server's own process.
        self.process.send_signal(signal.SIGTERM)
        try:
            rest, _ = self.process.communicate(timeout=STOPS_WITHIN)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise RuntimeError(f"the server didn't end within {STOPS_WITHIN} s of SIGTERM") from None
        if rest:
            raise RuntimeError(f"standard output has more than the ready lines: {rest!r}")
        return self.process.returncode

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


@contextlib.contextmanager
def started(command, log, **options):
    """Runs a process that writes to the file `log`. It gets SIGTERM at the end of the block."""
    with open(log, "wb") as out:
        process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, **options
        )
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(STOPS_WITHIN)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                fail(f"{command[0]} didn't end within {STOPS_WITHIN} s of SIGTERM")


@contextlib.contextmanager
def shown_on_failure(log):
    """Prints the file `log` when the block fails."""
    try:
        yield
    except BaseException:
        print(pathlib.Path(log).read_text(), file=sys.stderr)
        raise


class Ended(Exception):
    """A process ended before it was ready."""


def wait_until(ready, process, seconds):
    """Waits until `ready()` is true. Ends the script after `seconds`, and raises `Ended` if `process` ends before."""
    ends = time.monotonic() + seconds
    while True:
        # Checked first: if the process has ended, another one may answer on its port.
        if process.poll() is not None:
            raise Ended(f"{process.args[0]} ended")
        if ready():
            return
        if time.monotonic() > ends:
            fail(f"{process.args[0]} wasn't ready within {seconds} s")
        time.sleep(0.1)


@contextlib.contextmanager
def listening(command, log, ready, seconds, **options):
    """Runs a process that listens on a free port. `command(port)` is its command line. Yields the process and the port.

    Another process can take the port after it was chosen. So when the process ends before `ready(port)` is true, another
    port is tried.
    """
    for tried in range(1, PORTS + 1):
        port = free_port()
        with started(command(port), log, **options) as process:
            try:
                wait_until(lambda: ready(port), process, seconds)
            except Ended as ended:
                if tried == PORTS:
                    fail(f"{ended} on each of {PORTS} ports")
                print(f"{ended} before it listened on port {port}; trying another port", flush=True)
                continue
            yield process, port
            return


def ignored_test(name, **environment):
    """Runs one ignored test. Ends the script if the test fails or if there isn't exactly one test of this name."""
    command = ["cargo", "test", "--locked", "--test", "api", name, "--", "--ignored"]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **environment}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    )
    print(done.stdout, end="", flush=True)
    if done.returncode != 0 or "test result: ok. 1 passed" not in done.stdout:
        fail(f"{name}: exactly one test must pass")


def free_port():
    """Returns a port of the loopback interface that no process listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def fail(text):
    """Prints a message and ends the script with exit code 1."""
    print(text, file=sys.stderr)
    sys.exit(1)
