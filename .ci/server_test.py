"""Tests of server.py: `python3 -m unittest discover --start-directory .ci --pattern '*_test.py'`."""

import contextlib
import io
import socket
import sys
import tempfile
import unittest
import urllib.request
from unittest import mock

import server

WITHIN = 30


def serve(port):
    return [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(port)]


def answers(port):
    with contextlib.suppress(OSError):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=WITHIN).close()
        return True
    return False


class Listening(unittest.TestCase):
    def setUp(self):
        self.log = tempfile.NamedTemporaryFile()
        self.addCleanup(self.log.close)
        self.taken = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(self.taken.close)
        for stream in ("stdout", "stderr"):
            self.enterContext(mock.patch(f"sys.{stream}", io.StringIO()))

    def test_a_port_that_another_process_has_taken_meanwhile_is_no_failure(self):
        taken, free = self.taken.getsockname()[1], server.free_port()
        with mock.patch("server.free_port", side_effect=[taken, free]):
            with server.listening(serve, self.log.name, answers_but_on(taken), WITHIN) as (process, port):
                self.assertEqual(port, free)
                self.assertIsNone(process.poll())

    def test_a_process_that_ends_on_every_port_is_a_failure(self):
        ends_at_once = lambda _: [sys.executable, "-c", "raise SystemExit(1)"]
        with self.assertRaises(SystemExit):
            with server.listening(ends_at_once, self.log.name, lambda _: False, WITHIN):
                self.fail("the process hasn't started")


def answers_but_on(taken):
    """Returns `answers`, but false for `taken`, where the test's own listener accepts connections and sends nothing."""
    return lambda port: port != taken and answers(port)


if __name__ == "__main__":
    unittest.main()
