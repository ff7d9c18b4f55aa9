"""Bodies into typed values: msgspec's decoder on the happy path, every fault at once after a refusal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from erlen.errors import BadRequest, ConfigurationError, Fault, InvalidRequest, Mistake
from erlen.http.request import decode_json, refuse_depth
from erlen.schema.crowds import crowd_guard
from erlen.schema.faults import Checker, convert_custom, first_fault, model_faults
from erlen.schema.hints import type_name
from erlen.schema.model import kind_of, unwrap

__all__ = ["json_decoder", "strict_decoder"]


def json_decoder(annotation: object, *, depth: int) -> Callable[[bytes], object]:
    """Return the function that decodes a JSON body (RFC 8259) into a type.

    Types are held strictly: `true` is no integer and `"1"` no number. NaN and infinities are refused, also as Decimal, where numbers of a
    thousand digits are too. Of a repeated name the last value counts. Fields that the model does not have are ignored, unless it is a
    Struct with `forbid_unknown_fields`. pydantic models are validated by pydantic, everything else by msgspec.

    The function raises `InvalidRequest` with every fault, each located from `body` on; `BadRequest` for what is no JSON in UTF-8, or nests
    deeper than `depth` where the type does not itself bound how deep it may; and otherwise only what a validator of the user's own raises
    besides ValueError and TypeError.

    Raises:
        ConfigurationError: if the annotation cannot be decoded from JSON.
    """
    if kind_of(annotation) == "pydantic" and isinstance(unwrap(annotation), type):
        return _pydantic_decoder(unwrap(annotation), depth)
    checker = Checker(annotation)
    decode = strict_decoder(annotation).decode
    refuse_odd, refuse_crowds = checker.refuse_odd, crowd_guard(checker.shape, depth)
    open_ended = checker.shape.nesting() > depth

    def decode_body(body: bytes) -> object:
        if open_ended:
            refuse_depth(body, depth)
        try:
            if refuse_crowds is not None:
                refuse_crowds(body)
            value = decode(body)
            if refuse_odd is not None:
                refuse_odd(value)
        except (msgspec.ValidationError, TypeError) as error:
            refuse_depth(body, depth)  # what looks for the faults takes any JSON, and the stack of a thread is small
            raise InvalidRequest(_body_faults(checker, body) or [first_fault(error, ("body",))]) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise _malformed(error) from None
        return value

    return decode_body


def strict_decoder(annotation: object) -> msgspec.json.Decoder[Any]:
    """Return msgspec's decoder of a type.

    Raises:
        ConfigurationError: if msgspec does not know the type, or the constraints do not suit it.
    """
    try:
        return msgspec.json.Decoder(annotation, dec_hook=convert_custom)
    except (TypeError, ValueError, NameError) as error:
        raise ConfigurationError(Mistake(f"{type_name(annotation)} cannot be validated: {error}", fix="correct the annotation")) from None


def _body_faults(checker: Checker, body: bytes) -> list[Fault]:
    try:
        data = _plain_json(body)
    except msgspec.ValidationError:  # an integer that only a Decimal can hold
        return []
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:  # malformed after the fault that was found first
        raise _malformed(error) from None
    return checker.faults(data, ("body",))


def _malformed(error: Exception) -> BadRequest:
    return BadRequest(f"The body is not valid JSON: {error}.")


def _float_or_text(digits: str) -> float | str:
    number = float(digits)
    return digits if number in (float("inf"), float("-inf")) else number


_plain_json = msgspec.json.Decoder(float_hook=_float_or_text).decode


def _pydantic_decoder(model: Any, depth: int) -> Callable[[bytes], object]:
    validate = model.model_validate_json

    def decode_body(body: bytes) -> object:
        decode_json(body, depth=depth)  # pydantic takes NaN, infinities and 1e999; and one parser decides what JSON is
        try:
            return validate(body)
        except ValueError as error:
            raise InvalidRequest(model_faults(error, ("body",))) from None

    return decode_body
