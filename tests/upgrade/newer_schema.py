"""A plugin of pytest for the tests of the version before: the schema that they get is the one of this version."""

import os
import subprocess
import sys
from importlib import import_module


def upgrade(url: str, **_: object) -> None:
    """As `wutang-auth migrate` of this version, whose package is at NEWER."""
    program = "from wutang_auth.cli import main; main()"
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.environ["NEWER"], "WUTANG_DATABASE_URL": url}
    subprocess.run([sys.executable, "-c", program, "migrate"], env=environment, check=True)


vars(import_module("wutang_auth.migrations"))["upgrade"] = upgrade  # where 0.1.0 has it
