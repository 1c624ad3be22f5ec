"""`python -m wutang_auth.statements` prints the text of `repository/sql.py`."""

import sys

from wutang_auth.statements.compiling import module_text

sys.stdout.write(module_text())
