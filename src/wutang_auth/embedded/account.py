"""The account of the operating system that the server runs as."""

# ruff: noqa: S603, S606 - every command is put together here, from no one's input, and without a shell

import inspect
import os
import pwd
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self


@dataclass(frozen=True, slots=True)
class Account:
    """The account of the operating system that the server runs as, and that its files belong to."""

    way: Literal["self", "owner", "namespace", "nobody"]
    uid: int
    gid: int

    @classmethod
    def choose(cls, binaries: Path, data_dir: Path, cluster: Path) -> Self:
        """This process's own account, except for root: PostgreSQL refuses to run as root.

        The cluster of an ordinary user, met under sudo, stays with that user. Otherwise the best is a user namespace
        that shows root to PostgreSQL as `nobody`: the files stay root's, and a home of mode 0700 above them stays
        closed. Where the kernel forbids that, as in most containers, or where the closed home is another user's, it has
        to be the real `nobody`, who keeps root's right to pass.
        """
        if os.geteuid() != 0:
            return cls("self", os.geteuid(), os.getegid())
        nobody = pwd.getpwnam("nobody")
        if cluster.exists() and (status := cluster.stat()).st_uid not in (0, nobody.pw_uid):
            return cls("owner", status.st_uid, status.st_gid)
        namespace = cls("namespace", 0, os.getegid())
        reaches = ["/bin/sh", "-c", '[ -x "$0" ] && [ -w "$1" ]', str(binaries / "postgres"), str(data_dir)]
        if subprocess.run(namespace.command(*reaches), capture_output=True, check=False).returncode == 0:
            return namespace
        return cls("nobody", nobody.pw_uid, nobody.pw_gid)

    def own(self, path: Path) -> None:
        """Give the account a directory with all that is in it."""
        if path.stat().st_uid == self.uid:
            return
        for entry in (*path.rglob("*"), path):  # the directory last, so that an interrupted run is repeated
            os.chown(entry, self.uid, self.gid, follow_symlinks=False)

    def command(self, *command: str) -> list[str]:
        """The command, run as the account."""
        # In a fresh interpreter, since a process with threads may not do these things between fork and exec
        launcher = f"{inspect.getsource(_launch)}_launch()"
        return [sys.executable, "-ISc", launcher, self.way, str(self.uid), str(self.gid), str(os.getpid()), *command]


def _launch() -> None:
    """Become the account, then the program in sys.argv. An interpreter of its own runs this source and nothing else."""
    import ctypes
    import os
    import pwd
    import signal
    import sys
    from pathlib import Path

    way, uid, gid, parent, *command = sys.argv[1:]
    libc = ctypes.CDLL(None)
    linux = sys.platform == "linux"
    try:
        if way == "namespace":  # user_namespaces(7)
            nobody = pwd.getpwnam("nobody")
            if libc.unshare(0x10000000) != 0:  # CLONE_NEWUSER
                sys.exit("There are no user namespaces")
            Path("/proc/self/setgroups").write_text("deny")
            Path("/proc/self/uid_map").write_text(f"{nobody.pw_uid} {uid} 1")
            Path("/proc/self/gid_map").write_text(f"{nobody.pw_gid} {gid} 1")
        elif way != "self":
            keeps_capability = way == "nobody" and linux  # capabilities(7); where it cannot, the modes decide
            if keeps_capability:
                libc.prctl(28, ctypes.c_ulong(4))  # PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP
            os.setgroups([])
            os.setgid(int(gid))
            os.setuid(int(uid))
            if keeps_capability:  # of all only CAP_DAC_OVERRIDE, bit 1, and that over the exec
                libc.capset((ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)(2, 2, 2))
                libc.prctl(47, *map(ctypes.c_ulong, (2, 1, 0, 0)))  # PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # background jobs of a shell inherit it ignored
        if linux:
            libc.prctl(1, ctypes.c_ulong(signal.SIGINT))  # PR_SET_PDEATHSIG: a fast shutdown when the parent dies
            if os.getppid() != int(parent):
                sys.exit("The process that wanted PostgreSQL is gone")
        os.execv(command[0], command)
    except OSError as error:
        sys.exit(f"{command[0]} does not run as {way}: {error}. It may run for an ordinary user")
