"""Where settings come from: code, `settings.toml`, secret files, the environment; the last of them wins."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from datetime import timedelta
from types import NoneType
from typing import Any, TypeVar

import msgspec

from erlen.app.settings import Settings, is_secret
from erlen.binding.parameter import bare, describe
from erlen.errors import Mistake, raise_all
from erlen.schema.model import kind_of, members_of
from erlen.schema.sentence import sentence
from erlen.schema.text import text_decoder

__all__ = ["read_settings"]

AnySettings = TypeVar("AnySettings", bound=Settings)
Layer = tuple[str, Mapping[str, Any]]
"""Where values come from, and the values by the name of their field."""

CODE, OVERRIDES = "the code", "overrides"


def read_settings(
    defaults: AnySettings | type[AnySettings],
    environment: Mapping[str, str] | None = None,
    overrides: Mapping[str, Any] | None = None,
    folder: str | None = None,
) -> tuple[AnySettings, dict[str, str]]:
    """Return the settings in force, and where each comes from.

    In rising order: the code; `settings.toml`; `settings.production.toml`, or what `ERLEN_ENV` names; files in the folder that
    `SECRETS_DIR` names, called as the settings are; the file that `<NAME>_FILE` names; the variable `<NAME>`; overrides.

    Args:
        defaults: the values in code, or the class, whose fields need not all have defaults.
        environment: the environment variables, `os.environ` by default.
        overrides: by name of the field.
        folder: where the TOML files are.

    Raises:
        ConfigurationError: listing every value that is missing, unknown or does not fit its field, with where it comes from.
    """
    environment = os.environ if environment is None else environment
    fields = {field.name: field for field in msgspec.structs.fields(defaults)}
    mistakes: list[Mistake] = []
    layers = list(_layers(fields, environment, overrides or {}, folder, mistakes))
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for name, field in fields.items():
        origin, value = next(((origin, layer[name]) for origin, layer in layers if name in layer), (CODE, msgspec.NODEFAULT))
        if value is msgspec.NODEFAULT:
            value = getattr(defaults, name) if not isinstance(defaults, type) else _default_of(field)
        if value is msgspec.NODEFAULT:
            fix = f"set {name.upper()} in the environment, or {name} in settings.toml"
            mistakes.append(Mistake(f"setting {name.upper()} is missing", fix=fix))
            continue
        origins[name] = origin
        try:
            # A text where a list belongs would be taken for a list of its letters: types are held in the code too.
            is_text = isinstance(value, str) and origin not in (CODE, OVERRIDES)
            values[name] = parse_setting(value, field.type) if is_text else msgspec.convert(value, field.type)
        except (msgspec.DecodeError, ValueError, OverflowError) as error:
            shown = "its value" if is_secret(name) else repr(value)
            # What is wrong with a model names the member, in msgspec's own words.
            reason = error if kind_of(field.type) in ("struct", "mapping") else sentence(str(error))
            mistakes.append(
                Mistake(
                    f"setting {name.upper()}: {shown} does not fit: {reason}",
                    origin,
                    f"give it a value of type {describe(bare(field.type))}",
                )
            )
    raise_all(mistakes)
    kind = defaults if isinstance(defaults, type) else type(defaults)
    return kind(**values), origins


def _layers(
    fields: Mapping[str, Any], environment: Mapping[str, str], overrides: Mapping[str, Any], folder: str | None, mistakes: list[Mistake]
) -> Iterator[Layer]:
    """Yield the sources, the strongest first."""
    yield OVERRIDES, _known(overrides, fields, OVERRIDES, mistakes)
    yield "the environment", {name: environment[name.upper()] for name in fields if name.upper() in environment}
    secrets = environment.get("SECRETS_DIR")
    for name in fields:
        variable = f"{name.upper()}_FILE"
        if environment.get(variable) and f"{name}_file" not in fields:
            yield environment[variable], {name: _read_secret(environment[variable], variable, mistakes)}
        for file in [os.path.join(secrets, each) for each in (name, name.upper())] if secrets else []:
            if os.path.isfile(file):
                yield file, {name: _read_secret(file, "SECRETS_DIR", mistakes)}
    if folder is not None:
        for name in (f"settings.{environment.get('ERLEN_ENV', 'production')}.toml", "settings.toml"):
            if os.path.isfile(os.path.join(folder, name)):
                yield name, _known(_read_toml(folder, name, mistakes), fields, name, mistakes)


def _known(values: Mapping[str, Any], fields: Mapping[str, Any], where: str, mistakes: list[Mistake]) -> Mapping[str, Any]:
    for name in values:
        if name not in fields:
            from difflib import get_close_matches

            near = get_close_matches(name, fields, 1)
            fix = f"did you mean {near[0]!r}?" if near else f"one of {', '.join(fields)}"
            mistakes.append(Mistake(f"there is no setting {name!r}", where, fix))
    return values


def _read_toml(folder: str, name: str, mistakes: list[Mistake]) -> Mapping[str, Any]:
    import tomllib

    try:
        with open(os.path.join(folder, name), "rb") as file:
            return tomllib.load(file)
    except (OSError, ValueError) as error:
        mistakes.append(Mistake(f"{name} cannot be read: {error}", name, "correct it (TOML 1.0)"))
        return {}


def _read_secret(path: str, variable: str, mistakes: list[Mistake]) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        mistakes.append(Mistake(f"the file {path!r} cannot be read: {error}", variable, "correct the path, or its permissions"))
        return ""


def _default_of(field: msgspec.structs.FieldInfo) -> Any:
    return field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()


def parse_setting(text: str, annotation: Any) -> Any:
    """Read a setting's value from text.

    Raises:
        ValueError or msgspec.DecodeError: saying what was expected.
    """
    if not text and NoneType in members_of(annotation):
        return None
    plain, kind = bare(annotation), kind_of(annotation)
    if plain is bool:
        word = text.strip()
        return word != "" and text_decoder(bool)(word)
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
    if not number.strip().replace(".", "", 1).isdecimal() or kind not in (int, float, timedelta):
        return text
    factor = _SECONDS.get(unit) or (_BYTES.get(unit) if kind is int else None)
    if factor is None:
        return text
    value = float(number) * factor
    return timedelta(seconds=value) if kind is timedelta else int(value) if value.is_integer() else value


_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_SECONDS = {"ms": 0.001, "s": 1, "min": 60, "m": 60, "h": 3600, "d": 86_400}
_BYTES = {"b": 1, "kb": 1000, "kib": 1024, "mb": 1000**2, "mib": 1024**2, "gb": 1000**3, "gib": 1024**3}
