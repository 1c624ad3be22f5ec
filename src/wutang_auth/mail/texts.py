"""The texts of mails: `reset.zh.txt`, whose first line is the subject, and `reset.zh.html`."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from string import Template
from typing import Final, get_args

from wutang_auth.errors import in_words
from wutang_auth.fields import MailKind
from wutang_auth.response_codes import Language

BUILT_IN: Final = Path(__file__).parent / "templates"

_ALWAYS = frozenset({"email", "site", "home"})
_WITH_LINK: dict[MailKind, frozenset[str]] = {
    kind: frozenset({"link", "valid"})
    for kind in ("register", "reset", "invite", "verify", "email_change", "email_agree", "email_changed_notice")
}
_CHANGES = ("email_change", "email_agree", "email_changed_notice")


class TextsError(Exception):
    """A text cannot be used; the message names file and line."""


class Texts:
    """All of them, read and checked once."""

    def __init__(self, overrides: Path | None = None) -> None:
        """Read them; those of the directory, if there is one, instead of the built-in ones of the same names.

        Raises:
            TextsError: a file cannot be read, has a placeholder that nobody fills, or lacks its link.
        """
        if overrides is not None and not overrides.is_dir():
            raise TextsError(f"{overrides} is no directory")
        self._templates = {name: _read(name, overrides) for name in names()}
        if overrides is not None:
            for path in sorted(overrides.iterdir()):
                if path.suffix in (".txt", ".html") and path.name not in self._templates:
                    raise TextsError(f"{path} is no text of a mail; `wutang-auth mails templates DIR` writes them all")

    def text(self, kind: MailKind, language: Language) -> Template:
        """The plain text, its first line the subject."""
        return self._templates[f"{kind}.{language}.txt"]

    def html(self, kind: MailKind, language: Language) -> Template:
        """The same in HTML; what is put in must be escaped."""
        return self._templates[f"{kind}.{language}.html"]


def names() -> Iterator[str]:
    """The names of all files."""
    for kind in get_args(MailKind):
        for language in get_args(Language):
            yield f"{kind}.{language}.txt"
            yield f"{kind}.{language}.html"


def placeholders(kind: MailKind) -> frozenset[str]:
    """What the texts of a kind may name."""
    return _ALWAYS | _WITH_LINK.get(kind, frozenset()) | ({"other_email"} if kind in _CHANGES else set())


def _read(name: str, overrides: Path | None) -> Template:
    if overrides is not None and (overrides / name).exists():
        return _template(overrides / name)
    return _built_in(name)


@cache
def _built_in(name: str) -> Template:
    return _template(BUILT_IN / name)


def _template(path: Path) -> Template:
    try:
        content = path.read_text("utf-8")
    except OSError as error:
        raise TextsError(f"{path} cannot be read: {in_words(error)}") from None
    except UnicodeDecodeError:
        raise TextsError(f"{path} is not UTF-8") from None
    kind: MailKind = path.name.partition(".")[0]  # type: ignore[assignment]  # names() made it from one
    _check(path, content, kind)
    return Template(content)


def _check(path: Path, content: str, kind: MailKind) -> None:
    known = placeholders(kind)
    found = set()
    for match in Template.pattern.finditer(content):
        placeholder = match["named"] or match["braced"]
        if match["escaped"] is None and placeholder not in known:
            line = content.count("\n", 0, match.start()) + 1
            what = f"${placeholder} is no placeholder" if placeholder else "a single $ is written $$"
            listed = ", ".join(f"${name}" for name in sorted(known))
            raise TextsError(f"{path}:{line}: {what}; there are {listed}")
        found.add(placeholder)
    if "link" in known and "link" not in found:
        raise TextsError(f"{path}: $link is missing, without which the mail is of no use")
    if path.suffix == ".txt" and not (content.partition("\n")[0].strip() and content.partition("\n")[2].strip()):
        raise TextsError(f"{path}:1: the first line is the subject, and the text follows it")
