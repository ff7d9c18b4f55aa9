"""Bodies and plain data into typed values: msgspec's decoder on the happy path, every fault at once after a refusal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from erlen.errors import BadRequest, Fault, InvalidRequest
from erlen.http.request import decode_json, too_deep
from erlen.schema.decimals import odd_decimals
from erlen.schema.faults import Checker, checker_of, convert_custom, first_fault, model_faults
from erlen.schema.model import kind_of, unwrap
from erlen.schema.text import check_type

__all__ = ["json_decoder", "value_decoder"]


def json_decoder(annotation: object, *, depth: int) -> Callable[[bytes], object]:
    """Return the function that decodes a JSON body (RFC 8259) into a type.

    Types are held strictly: `true` is no integer and `"1"` no number. NaN and infinities are refused, also as Decimal, where numbers of a
    thousand digits are too. Of a repeated name the last value counts. Fields that the model does not have are ignored, unless it is a
    Struct with `forbid_unknown_fields`. pydantic models are validated by pydantic, everything else by msgspec.

    The function raises `InvalidRequest` with every fault, each located from `body` on; `BadRequest` for what is no JSON in UTF-8 or nests
    deeper than `depth`; and otherwise only what a validator of the user's own raises besides ValueError and TypeError.

    Raises:
        ConfigurationError: if the annotation cannot be decoded from JSON.
    """
    if kind_of(annotation) == "pydantic" and isinstance(unwrap(annotation), type):
        return _pydantic_decoder(unwrap(annotation), depth)
    checker = checker_of(annotation)
    check_type(annotation)
    decode = msgspec.json.Decoder(annotation, dec_hook=convert_custom).decode
    find_odd = odd_decimals(checker) if checker.decimal else None

    def decode_body(body: bytes) -> object:
        # PERF: the count is what too_deep begins with; it decides nearly always, and here it costs no call.
        if body.count(b"[") + body.count(b"{") > depth and too_deep(body, depth):
            raise BadRequest(f"The JSON nests deeper than {depth} levels.")
        try:
            value: object = decode(body)
            odd = find_odd is not None and find_odd(value)
        except (msgspec.ValidationError, TypeError) as error:
            raise InvalidRequest(_body_faults(checker, body) or [first_fault(error, ("body",))]) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise _malformed(error) from None
        if odd:
            raise InvalidRequest(_body_faults(checker, body) or [Fault(("body",), "A number is out of range.")])
        return value

    return decode_body


def value_decoder(annotation: object, source: str) -> Callable[[object], object]:
    """Return the function that makes a typed value of decoded JSON or the like (dict, list, str, int, float, bool, None).

    The function raises `InvalidRequest` with every fault, each located from `source` on.

    Raises:
        ConfigurationError: if the annotation cannot be made of such data.
    """
    checker = checker_of(annotation)
    check_type(annotation)
    target: Any = annotation
    find_odd = odd_decimals(checker) if checker.decimal else None

    def decode_value(data: object) -> object:
        try:
            value: object = msgspec.convert(data, target, str_keys=True, dec_hook=convert_custom)
            odd = find_odd is not None and find_odd(value)
        except (msgspec.ValidationError, TypeError, RecursionError) as error:
            raise InvalidRequest(_faults(checker, data, source) or [first_fault(error, (source,))]) from None
        if odd:
            raise InvalidRequest(_faults(checker, data, source) or [Fault((source,), "A number is out of range.")])
        return value

    return decode_value


def _faults(checker: Checker, data: object, source: str) -> list[Fault]:
    faults: list[Fault] = []
    try:
        checker.check(data, (source,), faults)
    except RecursionError:  # deeper than the limit that the application chose can be walked
        return faults
    return faults


def _body_faults(checker: Checker, body: bytes) -> list[Fault]:
    try:
        data = _plain_json(body)
    except msgspec.ValidationError:  # an integer that only a Decimal can hold
        return []
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:  # malformed after the fault that was found first
        raise _malformed(error) from None
    return _faults(checker, data, "body")


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
