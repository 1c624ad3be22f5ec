"""Without a mail server, mail is absent: nothing of it is imported, nothing is written."""

import subprocess
import sys

from support.database import query
from support.http import success
from support.mail import Mailbox, waiting_mails
from support.services import Instance, Start, environment_of
from support.users import NEW_PASSWORD, PASSWORD, add_and_log_in

PROGRAM = """
import asyncio, sys
from wutang_auth.main import create_app
app = create_app()

async def start():
    async with app.router.lifespan_context(app):
        pass

asyncio.run(start())
found = {"aiosmtplib", "wutang_auth.mail", "wutang_auth.service.by_mail", "wutang_auth.api.routes.email"}
print(*sorted(found & sys.modules.keys()))
"""


async def change_password(service: Instance) -> None:
    login = await add_and_log_in(service)
    body = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    success(await service.client.put("/api/auth/password", json=body, headers=login.headers))


def test_nothing_of_it_is_imported(service: Instance) -> None:
    settings = service.settings
    environment = environment_of(settings.database_url.get_secret_value(), settings.keys_file)
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


async def test_a_changed_password_is_told_by_mail_only_where_mail_is_on(start: Start, mailbox: Mailbox) -> None:
    off = await start()
    await change_password(off)
    assert await waiting_mails(off.settings) == []
    await query(off.settings, "DELETE FROM users")
    on = await start(**mailbox.settings())
    await change_password(on)
    [mail] = await mailbox.all(on)
    assert (mail["To"], mail["Subject"]) == ("ada@wutang.example", "您在 id.shop.example 的密码已更改")
