"""The files of deploy/high-availability agree with their pages, with each other, and with what is set by default."""

import json
import re
from pathlib import Path

from ha.stage import HEAD
from wutang_auth.response_codes import ResponseCode
from wutang_auth.settings import Settings

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "high-availability"
PAGE = (ROOT / "docs" / "high-availability.md").read_text("utf-8")
FIRST_HOUR = (ROOT / "docs" / "first-hour.md").read_text("utf-8")
CODE_BLOCK = re.compile(r"^```(\w+)\n.*?^```$", re.MULTILINE | re.DOTALL)
UNAVAILABLE = {"code": ResponseCode.FAILED.number, "message": ResponseCode.FAILED.message("zh"), "data": None}


def text_of(name: str) -> str:
    return (FOLDER / name).read_text("utf-8")


def test_each_file_is_linked_from_the_page() -> None:
    files = sorted(path.name for path in FOLDER.iterdir())
    assert len(files) >= 7
    assert [name for name in files if f"](../deploy/high-availability/{name})" not in PAGE] == []


def test_the_page_names_the_lines_that_matter_as_they_stand_in_the_files() -> None:
    for name, line in (
        ("patroni.yaml", "synchronous_mode: true"),
        ("patroni.yaml", "failsafe_mode: true"),
        ("nginx.conf", "max_fails=0"),
        ("haproxy.cfg", "errorfile 503"),
        ("haproxy.cfg", "/readyz"),
        ("pgbouncer.ini", "server_login_retry = 1"),
    ):
        assert line in text_of(name)
        assert line.removesuffix(" 503") in PAGE


def test_the_table_is_one_that_make_ha_printed() -> None:
    lines = PAGE.partition("<!-- table -->\n")[2].partition("<!-- end of table -->")[0].splitlines()
    head, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert tuple(head) == HEAD
    assert len(rows) >= 11
    assert {cell for row in rows for cell in row[-4:]} == {"0"}


def test_the_answer_of_haproxy_is_the_envelope() -> None:
    head, _, body = text_of("unavailable.http").partition("\n\n")
    assert head.startswith("HTTP/1.1 503 ")
    assert f"Content-Length: {len(body.encode())}" in head
    assert re.search(r"^Retry-After: \d+$", head, re.MULTILINE)
    assert json.loads(body) == UNAVAILABLE


def test_the_answer_of_nginx_is_the_envelope() -> None:
    [body] = re.findall(r"return 503 '(.*)';", text_of("nginx.conf"))
    assert json.loads(body) == UNAVAILABLE
    assert "add_header Retry-After 1 always;" in text_of("nginx.conf")


def test_nginx_closes_idle_connections_before_the_service_does() -> None:
    [seconds] = re.findall(r"keepalive_timeout (\d+)s", text_of("nginx.conf"))
    assert int(seconds) < Settings.model_fields["keep_alive"].default


def test_postgresql_has_connections_for_two_instances_of_one_worker() -> None:
    [connections] = re.findall(r"max_connections: (\d+)", text_of("patroni.yaml"))
    assert int(connections) > 2 * (Settings.model_fields["db_pool_size"].default + 4)


def test_each_command_of_the_first_hour_is_run_or_said_not_to_be() -> None:
    assert not re.search(r"^    \S", CODE_BLOCK.sub("", FIRST_HOUR), re.MULTILINE)
    languages = [block[1] for block in CODE_BLOCK.finditer(FIRST_HOUR)]
    assert set(languages) == {"bash", "sh", "text"}
    for not_run in re.finditer(r"^```sh\n", FIRST_HOUR, re.MULTILINE):
        assert FIRST_HOUR[: not_run.start()].rstrip().rpartition("\n\n")[2].startswith("Not run by `make ha`")
