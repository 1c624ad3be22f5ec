"""The embedded PostgreSQL of `wutang-auth dev`, of the command line without a database URL, and of the tests.

A data directory has one server at most, and all processes that use the directory share it: who gets the lock starts the
server, everyone else attaches. In a data directory:

    postgres/             the cluster; it appears by a rename, so it is there complete or not at all
    postgres.unfinished/  a cluster being made, or what an interrupted start left of one
    postgres.lock         locked for as long as any process of the server lives
    postgres.log          what initdb and the server say
    postgres.socket       the directory of the server's socket, or a symbolic link to it
"""

from wutang_auth.embedded.programs import EmbeddedError, find_binaries
from wutang_auth.embedded.server import EmbeddedPostgres

__all__ = ["EmbeddedError", "EmbeddedPostgres", "find_binaries"]
