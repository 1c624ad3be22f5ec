"""The command that prints the OpenAPI document."""

import os
import subprocess

import pytest

from support.commands import PROGRAM, run_apart


async def test_openapi_is_a_document_that_needs_nothing() -> None:
    document = (await run_apart({}, "openapi")).document
    assert document["openapi"].startswith("3.1")
    assert "/api/auth/login" in document["paths"]


def test_reader_that_hangs_up_is_no_error() -> None:
    """As `wutang-auth openapi | head -1`."""
    read, write = os.pipe()
    os.close(read)
    process = subprocess.run(
        [*PROGRAM, "openapi"],
        stdout=write, stderr=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    os.close(write)
    assert process.stderr == ""


@pytest.mark.parametrize("language", ["C", "zh_CN.UTF-8", ""])
async def test_output_is_utf8_whatever_the_locale(language: str) -> None:
    printed = (await run_apart({"LANG": language, "LC_ALL": language}, "openapi")).said
    assert "操作成功" in printed or "用户" in printed
