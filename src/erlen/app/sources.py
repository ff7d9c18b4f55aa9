"""Where settings come from: code, `settings.toml`, secret files, the environment; the last of them wins."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from types import NoneType
from typing import Any, TypeVar

import msgspec

from erlen.app.settings import Settings, is_secret
from erlen.binding.parameter import bare
from erlen.errors import Mistake, raise_all
from erlen.schema.model import choices_of, kind_of, members_of
from erlen.schema.sentence import choices, sentence, split_path
from erlen.schema.text import text_decoder

__all__ = ["read_settings", "variable_of"]

AnySettings = TypeVar("AnySettings", bound=Settings)
CODE, OVERRIDES, ENVIRONMENT = "the code", "overrides", "the environment"


def read_settings(
    defaults: AnySettings | type[AnySettings],
    environment: Mapping[str, str] = os.environ,
    overrides: Mapping[str, Any] | None = None,
    folder: str | None = None,
) -> tuple[AnySettings, dict[str, str]]:
    """Return the settings in force, and where each comes from.

    In rising order: the code; `settings.toml`; `settings.production.toml`, or what `ERLEN_ENV` names; files in the folder that
    `SECRETS_DIR` names, called as the settings are; the file that `<NAME>_FILE` names; the variable `<NAME>`; overrides. What the
    variable of a setting is called is said by `variable_of`.

    Args:
        defaults: the values in code, or the class, whose fields need not all have defaults.
        environment: the environment variables.
        overrides: by name of the field.
        folder: where the TOML files are.

    Raises:
        ConfigurationError: listing every value that is missing, unknown or does not fit its field, with where it comes from.
    """
    fields = {field.name: field for field in msgspec.structs.fields(defaults)}
    mistakes: list[Mistake] = []
    layers = [*_layers(fields, environment, overrides or {}, folder, mistakes), (CODE, _in_code(defaults, fields))]
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for name, field in fields.items():
        origin, layer = next((one for one in layers if name in one[1]), ("", {}))
        if not origin:
            fix = f"set {variable_of(name)} in the environment, or {name} in settings.toml"
            mistakes.append(Mistake(f"setting {name.upper()} is missing", fix=fix))
            continue
        origins[name], value = origin, layer[name]
        try:
            # A text where a list belongs would be taken for a list of its letters: types are held in the code too.
            is_text = isinstance(value, str) and origin not in (CODE, OVERRIDES)
            values[name] = parse_setting(value, field.type) if is_text else msgspec.convert(value, field.type)
        except (msgspec.DecodeError, ValueError, OverflowError) as error:
            shown = "its value" if is_secret(name) else repr(value)
            fix = f"correct the environment variable {variable_of(name)}, or unset it" if origin == ENVIRONMENT else "correct it there"
            mistakes.append(Mistake(f"setting {name.upper()}: {shown} does not fit: {_reason(field.type, str(error))}", origin, fix))
    raise_all(mistakes)
    return (defaults if isinstance(defaults, type) else type(defaults))(**values), origins


def variable_of(name: str) -> str:
    """Return the environment variable of a setting: its name in upper case.

    A variable that the system or a shell sets by itself is never read: a setting `user` has `ERLEN_USER`.
    """
    return f"ERLEN_{name.upper()}" if _OF_THE_SYSTEM(name.upper()) else name.upper()


def _layers(
    fields: Mapping[str, Any], environment: Mapping[str, str], overrides: Mapping[str, Any], folder: str | None, mistakes: list[Mistake]
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the sources, the strongest first: what each is called, and its values by the name of their field."""
    yield OVERRIDES, _known(overrides, fields, OVERRIDES, mistakes)
    yield ENVIRONMENT, {name: environment[variable_of(name)] for name in fields if variable_of(name) in environment}
    for name in fields:
        variable = f"{variable_of(name)}_FILE"
        if environment.get(variable) and f"{name}_file" not in fields:
            yield environment[variable], {name: _read(environment[variable], _parse_secret, variable, mistakes)}
        for file in [os.path.join(environment["SECRETS_DIR"], each) for each in (name, name.upper()) if environment.get("SECRETS_DIR")]:
            if os.path.isfile(file):
                yield file, {name: _read(file, _parse_secret, "SECRETS_DIR", mistakes)}
    if folder is not None:
        for name in (f"settings.{environment.get('ERLEN_ENV', 'production')}.toml", "settings.toml"):
            if os.path.isfile(file := os.path.join(folder, name)):
                yield name, _known(_read(file, _parse_toml, name, mistakes), fields, name, mistakes)


def _in_code(defaults: Settings | type[Settings], fields: Mapping[str, msgspec.structs.FieldInfo]) -> Mapping[str, Any]:
    if not isinstance(defaults, type):
        return {name: getattr(defaults, name) for name in fields}
    known = [(name, field) for name, field in fields.items() if not field.required]
    return {name: field.default_factory() if field.default is msgspec.NODEFAULT else field.default for name, field in known}


def _reason(annotation: Any, message: str) -> str:
    """Return what is wrong with a value in words: what msgspec says, or what may be chosen."""
    values = [plain for plain, _ in choices_of(bare(annotation))]
    message, path = split_path(message)
    # Which member is missing or not known, only msgspec's own words say.
    reason = choices(values) if values else f"{message}." if "field `" in message else sentence(message)
    return "".join(f"{step}: " for step in path) + reason


def _known(values: Mapping[str, Any], fields: Mapping[str, Any], where: str, mistakes: list[Mistake]) -> Mapping[str, Any]:
    for name in values:
        if name not in fields:
            from difflib import get_close_matches

            fix = next((f"did you mean {near!r}?" for near in get_close_matches(name, fields, 1)), "`erlen settings` lists them all")
            mistakes.append(Mistake(f"there is no setting {name!r}", where, fix))
    return values


def _read(path: str, parse: Callable[[bytes], Any], where: str, mistakes: list[Mistake]) -> Any:
    try:
        with open(path, "rb") as file:
            return parse(file.read())
    except (OSError, ValueError) as error:
        mistakes.append(Mistake(f"{path} cannot be read: {error}", where, "correct its path, its permissions, or what is in it"))
        return parse(b"")


def _parse_toml(content: bytes) -> Mapping[str, Any]:
    import tomllib

    return tomllib.loads(content.decode())


def _parse_secret(content: bytes) -> str:
    return content.decode().rstrip("\r\n")


def parse_setting(text: str, annotation: Any) -> Any:
    """Read a setting's value from text.

    Raises:
        ValueError or msgspec.DecodeError: saying what was expected.
    """
    if not text and NoneType in members_of(annotation):
        return None
    plain, kind = bare(annotation), kind_of(annotation)
    if plain is bool:
        return text.strip() != "" and text_decoder(bool)(text.strip())
    if kind == "collection":
        parts = [part.strip() for part in text.split(",") if part.strip()]
        return msgspec.convert(parts, annotation, strict=False)
    if kind in ("struct", "mapping"):
        return msgspec.json.decode(text.encode(), type=annotation)
    return msgspec.convert(_scaled(text, plain), annotation, strict=False)


def _scaled(text: str, kind: Any) -> Any:
    """Read `512 KB`, `2MiB` as bytes for an integer, `30s`, `15 min`, `2h`, `14d` as seconds for any number or timedelta."""
    number = text.rstrip(_LETTERS)
    unit = text[len(number) :].lower()
    factor = _SECONDS.get(unit) or (_BYTES.get(unit) if kind is int else None)
    if factor is None or not number.strip().replace(".", "", 1).isdecimal() or kind not in (int, float, timedelta):
        return text
    value = float(number) * factor
    return timedelta(seconds=value) if kind is timedelta else int(value) if value.is_integer() else value


_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_SECONDS = {"ms": 0.001, "s": 1, "min": 60, "m": 60, "h": 3600, "d": 86_400}
_BYTES = {"b": 1, "kb": 1000, "kib": 1024, "mb": 1000**2, "mib": 1024**2, "gb": 1000**3, "gib": 1024**3}
# What POSIX.1-2024 (XBD 8), Windows, its subsystem for Linux, and login programs set.
_OF_THE_SYSTEM = re.compile(
    "BROWSER|COLUMNS|COMPUTERNAME|DISPLAY|EDITOR|HOME|HOMEPATH|HOSTNAME|LANG|LANGUAGE|LINES|LOGNAME|MAIL|NAME|OLDPWD|OS|PAGER|PATH|"
    "PROMPT|PUBLIC|PWD|SHELL|SHLVL|TEMP|TERM|TMP|TMPDIR|TZ|USER|USERDOMAIN|USERNAME|USERPROFILE|VISUAL"
).fullmatch
