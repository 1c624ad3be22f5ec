"""`wutang-auth mails`: what waits to be sent, and the way to the mail server."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from wutang_auth.cli.context import DATA_DIR, AsJson, CommandError, DataDir, confirm, load, run
from wutang_auth.cli.output import document, documents, say, table
from wutang_auth.cli.users import parsed_email
from wutang_auth.database import Database
from wutang_auth.factory import mail_messages, mail_transport
from wutang_auth.repository import MailRecord, MailRepository
from wutang_auth.settings import LogSettings, MailSettings, SettingsError

app = typer.Typer(help="The mails.", no_args_is_help=True)

Address = Annotated[str, typer.Argument(metavar="ADDRESS", help="Whom to send it to.", show_default=False)]
Folder = Annotated[Path, typer.Argument(metavar="DIR", help="Made if it is not there.", show_default=False)]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]

_MOST = 1000


class MailCommandSettings(LogSettings, MailSettings):
    """What a command that sends a mail by itself needs."""


@app.command("list")
def list_(*, as_json: AsJson = False, data_dir: DataDir = DATA_DIR) -> None:
    """List the mails that wait to be sent, the oldest first; at most a thousand."""

    async def work(database: Database) -> Sequence[MailRecord]:
        return await MailRepository(database).list(limit=_MOST)

    mails = run(data_dir, work)
    if as_json:
        documents(map(asdict, mails))
        return
    table(
        ("kind", "email", "language", "asked", "due", "attempts"),
        [(mail.kind, mail.email, mail.language, mail.created_at, mail.due_at, mail.attempts) for mail in mails],
    )


@app.command()
def retry(*, as_json: AsJson = False, data_dir: DataDir = DATA_DIR) -> None:
    """Have the mails that wait for their next attempt come due now, but for those that are being sent."""
    due, left_alone = run(data_dir, lambda database: MailRepository(database).retry())
    if as_json:
        document({"due": due, "left_alone": left_alone})
    else:
        say(f"{_counted(due)} due now; {left_alone} being sent, or due within a minute anyway")


@app.command()
def drop(*, yes: Yes = False, as_json: AsJson = False, data_dir: DataDir = DATA_DIR) -> None:
    """Forget all mails that wait to be sent."""
    if not yes:
        confirm("Forget all mails that wait to be sent?")
    number = run(data_dir, lambda database: MailRepository(database).remove_all())
    if as_json:
        document({"dropped": number})
    else:
        say(f"dropped {_counted(number)}")


@app.command()
def test(address: Address) -> None:
    """Send a mail by the settings, and say whether the mail server took it."""
    from wutang_auth.mail.delivery import DeliveryError

    recipient = parsed_email(address)
    settings = load(MailCommandSettings)
    if settings.smtp_url is None:
        raise CommandError("WUTANG_SMTP_URL is not set; without a mail server mail is off")

    async def work() -> None:
        messages, transport = mail_messages(settings), mail_transport(settings)
        try:
            await transport.send(messages.compose_test(recipient))
        finally:
            await transport.close()

    try:
        asyncio.run(work())
    except (DeliveryError, SettingsError) as error:
        raise CommandError(f"no mail was sent: {error}") from None
    say(f"the mail server took a mail to {recipient}")


@app.command()
def templates(folder: Folder) -> None:
    """Write the built-in texts into a directory, to be changed; files that are there stay as they are."""
    from wutang_auth.mail.texts import BUILT_IN, names

    written = 0
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in names():
            if not (folder / name).exists():
                (folder / name).write_bytes((BUILT_IN / name).read_bytes())
                written += 1
    except OSError as error:
        raise CommandError(f"{folder} cannot be written to: {error.strerror}") from None
    say(f"wrote {written} texts to {folder}; WUTANG_MAIL_TEMPLATES={folder} uses them")


def _counted(number: int) -> str:
    return f"{number} mail{'' if number == 1 else 's'}"
