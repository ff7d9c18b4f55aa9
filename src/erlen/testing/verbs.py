"""A method for each method of HTTP, for whatever sends or makes requests."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Generic, TypeVar, Unpack

from erlen.testing.outgoing import RequestOptions

__all__ = ["Verbs"]

Answer = TypeVar("Answer")


class Verbs(ABC, Generic[Answer]):
    """`get` is `request("GET", …)`, and so on; `Answer` is what a request gives."""

    @abstractmethod
    def request(self, method: str, path: str, **options: Unpack[RequestOptions]) -> Answer:
        """Send or make a request."""

    def get(self, path: str, **options: Unpack[RequestOptions]) -> Answer:
        """`request` with GET."""
        return self.request("GET", path, **options)

    def head(self, path: str, **options: Unpack[RequestOptions]) -> Answer:
        """`request` with HEAD."""
        return self.request("HEAD", path, **options)

    def options(self, path: str, **options: Unpack[RequestOptions]) -> Answer:
        """`request` with OPTIONS."""
        return self.request("OPTIONS", path, **options)

    def post(self, path: str, **options: Unpack[RequestOptions]) -> Answer:
        """`request` with POST."""
        return self.request("POST", path, **options)

    def put(self, path: str, **options: Unpack[RequestOptions]) -> Answer:
        """`request` with PUT."""
        return self.request("PUT", path, **options)

    def patch(self, path: str, **options: Unpack[RequestOptions]) -> Answer:
        """`request` with PATCH."""
        return self.request("PATCH", path, **options)

    def delete(self, path: str, **options: Unpack[RequestOptions]) -> Answer:
        """`request` with DELETE."""
        return self.request("DELETE", path, **options)
