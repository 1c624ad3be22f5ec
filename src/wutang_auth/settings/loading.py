"""How settings are read from the environment and .env, and what is said of bad ones."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    EnvSettingsSource,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

PREFIX = "WUTANG_"

_FILE = "_file"  # DATABASE_URL_FILE: the file whose content is DATABASE_URL
_OLD_NAMES = {  # taken for one release
    "throttle_account_free": "throttle_account_failures",
    "throttle_address_free": "throttle_address_failures",
    "throttle_forget": "throttle_reset_after",
}


class SettingsError(Exception):
    """A setting is missing or wrong; the message names it and shows no value."""


class SettingsGroup(BaseSettings):
    """Settings that belong together. A command loads what it needs: one group, or a class that inherits several."""

    model_config = SettingsConfigDict(
        defer_build=True,  # of the groups that add up, pydantic need make ready only the one that is loaded
        env_prefix=PREFIX,
        env_file=".env",
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 -- each secret names its own file instead
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments first, then the environment, then .env."""
        given = init_settings.init_kwargs if isinstance(init_settings, InitSettingsSource) else {}
        return init_settings, _Texts(settings_cls, _texts(dotenv_settings, env_settings), given)


Group = TypeVar("Group", bound=SettingsGroup)


class _Texts(PydanticBaseSettingsSource):
    """The texts that are set, and for secrets the content of the files that are named instead."""

    def __init__(self, group: type[BaseSettings], texts: Mapping[str, str], given: Mapping[str, Any]) -> None:
        super().__init__(group)
        self._texts = texts
        self._given = given

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[str | None, str, bool]:
        """The text of one setting, None where it is not set, as pydantic-settings asks for it."""
        text = self._texts.get(field_name)
        path = self._texts.get(field_name + _FILE)
        if _is_secret(field) and path is not None:
            if text is not None:
                raise SettingsError(f"{_shown(field_name)} and {_shown(field_name + _FILE)} are both set; unset one")
            text = _content(_shown(field_name + _FILE), Path(path))
        return text, field_name, False

    def __call__(self) -> dict[str, Any]:
        wanted = {name: field for name, field in self.settings_cls.model_fields.items() if name not in self._given}
        texts = {name: self.get_field_value(field, name)[0] for name, field in wanted.items()}
        return {name: text for name, text in texts.items() if text}


def load(group: type[Group], *, defaults: Mapping[str, Any] = {}, **given: Any) -> Group:
    """The settings of a group, from the environment and .env.

    Args:
        group: The class of the settings that are needed.
        defaults: Values for settings that are not set, instead of the group's own defaults.
        given: Values that outrank the environment.

    Raises:
        SettingsError: one line that names the setting, says what is wrong and shows no value.
    """
    try:
        return group(**{name: value for name, value in defaults.items() if not is_set(name)}, **given)
    except ValidationError as error:
        first = error.errors(include_input=False, include_context=False, include_url=False)[0]
        reason = first["msg"].removeprefix("Value error, ")
        if not first["loc"]:
            raise SettingsError(reason) from None
        name = str(first["loc"][0])
        if first["type"] == "missing":
            raise SettingsError(f"{_shown(name)} is not set: {group.model_fields[name].description}") from None
        raise SettingsError(f"{_shown(name)}: {reason[:1].lower()}{reason[1:]}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise _dotenv_error(error) from None


def is_set(name: str) -> bool:
    """Whether the environment or .env has a value for a setting, named as the field is: `database_url`.

    Raises:
        SettingsError: .env cannot be read.
    """
    texts = _texts(*_sources())
    return name in texts or name + _FILE in texts


def name_warnings(group: type[SettingsGroup]) -> list[str]:
    """A line for each name with our prefix that is old, or that is no setting of this group, with the nearest that is.

    Raises:
        SettingsError: .env cannot be read.
    """
    known = set(group.model_fields)
    known |= {name + _FILE for name, field in group.model_fields.items() if _is_secret(field)}
    names = sorted({name for source in _sources() for name, _ in _named(source)} - known)
    # Kubernetes tells every container of its services by variables; that of this one may have our prefix
    services = tuple(name.removesuffix("service_host") for name in names if name.endswith("_service_host"))
    lines = []
    for name in names:
        if name in _OLD_NAMES:
            lines.append(
                f"{_shown(name)} is called {_shown(_OLD_NAMES[name])} now; the next release ignores the old name"
            )
        elif not name.startswith(("test_", *services)):
            nearest = get_close_matches(name, sorted(known), 1)
            lines.append(
                f"{_shown(name)} is no setting" + "".join(f"; did you mean {_shown(near)}?" for near in nearest)
            )
    return lines


def _sources() -> tuple[PydanticBaseSettingsSource, ...]:
    try:
        return DotEnvSettingsSource(SettingsGroup), EnvSettingsSource(SettingsGroup)
    except (OSError, UnicodeDecodeError) as error:
        raise _dotenv_error(error) from None


def _texts(*sources: PydanticBaseSettingsSource) -> dict[str, str]:
    """What the sources have, later ones outranking earlier ones; in each a new name outranks its old one."""
    texts: dict[str, str] = {}
    for source in sources:
        found = dict(_named(source))
        texts |= {_OLD_NAMES[name]: text for name, text in found.items() if name in _OLD_NAMES}
        texts |= {name: text for name, text in found.items() if name not in _OLD_NAMES}
    return texts


def _named(source: PydanticBaseSettingsSource) -> Iterator[tuple[str, str]]:
    """The variables with our prefix that are not empty, named as fields are."""
    if isinstance(source, EnvSettingsSource):
        for name, text in source.env_vars.items():
            if text and name.startswith(PREFIX.lower()):
                yield name.removeprefix(PREFIX.lower()), text


def _is_secret(field: FieldInfo) -> bool:
    return SecretStr in (field.annotation, *get_args(field.annotation))


def _content(name: str, path: Path) -> str:
    try:
        return path.read_text("utf-8").rstrip("\r\n")
    except OSError as error:
        raise SettingsError(f"{name}: the file {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{name}: the file {path} is not UTF-8") from None


def _dotenv_error(error: OSError | UnicodeDecodeError) -> SettingsError:
    if isinstance(error, OSError):
        return SettingsError(f"the file .env cannot be read: {error.strerror}")
    return SettingsError("the file .env is not UTF-8")


def _shown(name: str) -> str:
    return PREFIX + name.upper()
