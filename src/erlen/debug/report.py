"""Everything there is to say about an error, gathered once: for the page, and as plain text to copy."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeAlias

from msgspec import Struct

from erlen.app.site import Site
from erlen.binding.parameter import location_of
from erlen.debug.frames import Frame, SourceLine, frames_of, masked, shown_path, source_around
from erlen.debug.hints import Hint, hints_for
from erlen.debug.masking import MASK, Masker, is_masked, shorten
from erlen.debug.tried import RouteRow, route_of, routes_for
from erlen.errors import ConfigurationError, HTTPError, InvalidRequest, Mistake
from erlen.http.request import Request

if TYPE_CHECKING:
    from erlen.app.settings import Settings

__all__ = ["Group", "Panel", "Raised", "Report", "Rows", "Section", "make_report", "masker_for", "problem_members"]

Rows: TypeAlias = Sequence[tuple[str, str]]
Panel: TypeAlias = Callable[[Request, BaseException], "tuple[str, Rows] | None"]
"""What a battery adds to the page of an error, such as the SQL statements of the request: `site.extensions["debug.panels"]` lists them."""

MOST_RAISED = 12
"""Exceptions shown of a chain and its groups."""


class Group(Struct, frozen=True):
    """Frames that stand together: one of the user's, or several of libraries, which are folded."""

    frames: Sequence[Frame]
    own: bool
    title: str = ""


class Raised(Struct, eq=False):
    """One exception of a chain."""

    kind: str
    message: str
    notes: Sequence[str]
    frames: Sequence[Frame]
    relation: str = ""
    """What it is to the one before it, as a sentence's beginning; empty for the first."""
    depth: int = 0
    """How deep in exception groups."""

    @property
    def groups(self) -> list[Group]:
        """The frames, those of libraries folded together."""
        found: list[Group] = []
        last_own = not any(frame.own or frame.template for frame in self.frames)
        for number, frame in enumerate(self.frames):
            opened = frame.own or frame.template or (last_own and number == len(self.frames) - 1)
            if opened or not found or found[-1].own:
                found.append(Group([frame], opened))
            else:
                found[-1] = Group([*found[-1].frames, frame], False)
        return [group if group.own else Group(group.frames, False, _folded(group.frames)) for group in found]


class Section(Struct, frozen=True):
    """A table of the page."""

    title: str
    rows: Rows
    empty: str = ""
    """What to say where there are no rows."""
    open: bool = False


class Report(Struct, eq=False):
    """What the page of an error shows."""

    status: int
    heading: str
    message: str
    request_line: str
    hints: Sequence[Hint]
    raised: Sequence[Raised]
    template: Frame | None
    """The line of a template that went wrong: it stands before all else, as the way there goes through what renders."""
    sections: Sequence[Section]
    mistakes: Sequence[tuple[Mistake, Sequence[SourceLine]]] = ()
    """What is wrong with the application, each with the source it is in."""
    faults: Rows = ()
    """What is wrong with the request's data."""
    routes: Sequence[RouteRow] = ()
    routes_title: str = ""

    @property
    def shows_frames(self) -> bool:
        """Whether the traceback says anything: not where only Erlen's own code answered, as for a path without a route."""
        return any(raised.frames for raised in self.raised) and (
            self.status >= 500 or any(frame.own or frame.template for raised in self.raised for frame in raised.frames)
        )

    @property
    def frames_title(self) -> str:
        """The heading of the frames."""
        return "Where it happened, the innermost last" if self.status >= 500 else "Where it was raised"

    @property
    def text(self) -> str:
        """The report as plain text."""
        return "\n".join(_lines(self)) + "\n"


def make_report(error: BaseException, status: int, request: Request | None, *, settings: Settings | None = None) -> Report:
    """Gather what there is to say about an error.

    Args:
        error: the exception.
        status: what it is answered with.
        request: the one that was being answered, if there was one.
        settings: whose secret values are masked; by default those of the request's site.
    """
    site = request.context if request is not None and isinstance(request.context, Site) else None
    settings = settings if settings is not None else site.settings if site is not None else None
    masker = masker_for(request, settings)
    chain = list(_chain(error, masker))
    faults = error.faults if isinstance(error, InvalidRequest) else ()
    routes, routes_title = routes_for(error, request, site)
    hints = hints_for([(one, raised.frames) for one, raised in chain], request)
    first = chain[0][1]
    sections = [*_sections(error, request, site, settings, masker), *_panels(error, request, site, masker)]
    wrong = [(mistake, masked(_source_of(mistake), masker)) for mistake in error.mistakes] if isinstance(error, ConfigurationError) else []
    return Report(
        status=status,
        heading=f"{error.status} {error.title}" if isinstance(error, HTTPError) else first.kind,
        message=masker.line(error.detail) if isinstance(error, HTTPError) else first.message,
        request_line="" if request is None else masker.text(f"{request.method} {_target(request)}"),
        hints=[Hint(masker.text(hint.title), masker.text(hint.text), masker.text(hint.code)) for hint in hints],
        raised=[raised for _, raised in chain],
        template=_template_of(first),
        sections=sections,
        mistakes=wrong,
        faults=[(".".join(map(str, fault.location)), fault.message) for fault in faults],
        routes=routes,
        routes_title=routes_title,
    )


def problem_members(request: Request, error: Exception) -> dict[str, object]:
    """Return what a problem document tells a program of an unexpected error: `detail`, the `hints` there are, and the `traceback`."""
    import traceback

    report = make_report(error, 500, request)
    masker = masker_for(request, request.context.settings if isinstance(request.context, Site) else None)
    first = report.raised[0]
    members: dict[str, object] = {"detail": f"{first.kind}: {first.message}" if first.message else first.kind}
    if report.hints:
        members["hints"] = [f"{hint.title}: {hint.text}" for hint in report.hints]
    return members | {"traceback": [masker.line(part) for part in traceback.format_exception(error)]}


def masker_for(request: Request | None, settings: Settings | None) -> Masker:
    """Return what masks the secrets of the settings, of the environment, of batteries, and of a request: its cookies, passwords."""
    secrets = [value for name, value in os.environ.items() if is_masked(name)]
    if request is not None:
        if isinstance(request.context, Site):
            secrets += [secret for known in request.context.extensions.get("debug.secrets", ()) for secret in known(request)]
        for name, value in request.header_items():
            if is_masked(name):
                secrets += [value, *(part.partition("=")[2].strip() for part in value.split(";"))] if name == "cookie" else [value]
                secrets += value.split(" ")[1:] if name.endswith("authorization") else ()
        fields = [*request_pairs(request.query_string), *([] if request._form is None else request._form.multi_items())]
        if request.route is not None and request.route.param_names:
            fields += request.path_params.items()
        secrets += [value for name, value in fields if isinstance(value, str) and is_masked(name)]
    return Masker(settings, secrets=secrets)


def _chain(error: BaseException, masker: Masker) -> Iterator[tuple[BaseException, Raised]]:
    """Yield an exception, those in its groups, what caused it, and so on."""
    seen: set[int] = set()
    waiting: list[tuple[BaseException, str, int]] = [(error, "", 0)]
    while waiting and len(seen) < MOST_RAISED:
        one, relation, depth = waiting.pop(0)
        if id(one) in seen:
            continue
        seen.add(id(one))
        frames = [] if isinstance(one, ConfigurationError) else frames_of(one, masker)
        yield one, Raised(_kind(one), _message_of(one, masker), _notes(one, frames, masker), frames, relation, depth)
        more: list[tuple[BaseException, str, int]] = []
        if isinstance(one, BaseExceptionGroup):
            count = len(one.exceptions)
            more += [(inner, f"{number} of {count} in the group", depth + 1) for number, inner in enumerate(one.exceptions, 1)]
        if one.__cause__ is not None:
            more.append((one.__cause__, "caused by", depth))
        elif one.__context__ is not None and not one.__suppress_context__:
            more.append((one.__context__, "raised while this was being handled", depth))
        waiting[:0] = more


def _template_of(raised: Raised) -> Frame | None:
    """Return the line of a template where it is the innermost of the user's own; not where what it calls fails."""
    last = next((frame for frame in reversed(raised.frames) if frame.own or frame.template), None)
    return last if last is not None and last.template else None


def _notes(error: BaseException, frames: Sequence[Frame], masker: Masker) -> list[str]:
    """Return the notes of an exception, without the one that names the line of a template, which is shown with its source."""
    shown = tuple(f"{frame.file}:{frame.line}: " for frame in frames if frame.template)
    return [masker.line(str(note)) for note in getattr(error, "__notes__", ()) if not str(note).startswith(shown)]


def _kind(error: BaseException) -> str:
    kind = type(error)
    own = kind.__module__ in ("builtins", "__main__") or kind.__module__.startswith("erlen.")
    return kind.__qualname__ if own else f"{kind.__module__}.{kind.__qualname__}"


def _message_of(error: BaseException, masker: Masker) -> str:
    try:
        text = error.msg if isinstance(error, SyntaxError) and error.msg else str(error)
    except Exception as second:  # noqa: BLE001 - an exception of the user's may not even have a text
        text = f"(its text raises {type(second).__name__})"
    return shorten(masker.line(text), 4000)


def _sections(
    error: BaseException, request: Request | None, site: Site | None, settings: Settings | None, masker: Masker
) -> Iterator[Section]:
    if request is not None:
        yield Section("Request", masker.pairs(_request_rows(request)))
        yield Section("Query", masker.pairs(request_pairs(request.query_string)), "none")
        if request._form is not None or request._body is not None:
            yield Section("Body", masker.pairs(_body_rows(request)), "empty")
        else:
            yield Section("Body", (), "none, or not read yet")
        yield Section("Header fields", [(name, MASK if is_masked(name) else masker.text(value)) for name, value in request.header_items()])
        yield Section("Cookies", [(name, MASK) for name in request.cookies], "none")
        if site is not None:
            yield Section("Route", _route_rows(request, site), "none matched")
    if settings is not None:
        yield Section("Settings", masker.pairs((name, getattr(settings, name)) for name in settings.__struct_fields__))
    import erlen

    versions = [
        ("Erlen", erlen.__version__),
        ("Python", f"{platform.python_version()} ({sys.executable})"),
        ("System", platform.platform()),
    ]
    yield Section("Versions", [*versions, ("Folder", os.getcwd())])


def _request_rows(request: Request) -> Iterator[tuple[str, object]]:
    yield "Method", request.method
    yield "Path", request.path
    if request.route is not None and request.route.param_names:
        yield "Path parameters", request.path_params
    yield "Host", request.header("host") or ""
    yield "Client", request.peer or "a Unix socket"
    yield "HTTP version", request.http_version
    if request._state is not None:
        yield "State", vars(request._state)


def request_pairs(query_string: str) -> list[tuple[str, object]]:
    """Return the pairs of a query string, however many there are; the first 100."""
    from urllib.parse import parse_qsl

    return list(parse_qsl(query_string[:20_000], keep_blank_values=True)[:100])


def _body_rows(request: Request) -> Iterator[tuple[str, object]]:
    if request._form is not None:
        for name, value in request._form.multi_items():
            yield name, value if isinstance(value, str) else repr(value)
    elif request._body and request.content_type == "application/x-www-form-urlencoded":
        yield from request_pairs(request._body[:20_000].decode("utf-8", "replace"))
    elif request._body:
        body = request._body
        text = body[:4000].decode("utf-8", "replace")
        yield (
            f"{len(body):,} bytes",
            text if text.isprintable() or "json" in request.content_type or "text" in request.content_type else body[:400],
        )


def _route_rows(request: Request, site: Site) -> list[tuple[str, str]]:
    route = route_of(request, site)
    if route is None:
        return []
    handler = getattr(route.handler, "__qualname__", repr(route.handler))
    around = [name for name in route.middleware if not name.startswith("<erlen.debug.")]
    rows = [
        ("Name", route.name),
        ("Path", route.path),
        ("Methods", ", ".join(route.methods)),
        ("Handler", f"{handler}, {location_of(route.handler) or route.where}"),
        ("Colour", "async def: on the event loop" if route.colour == "loop" else "def: in a thread"),
    ]
    return rows + ([("Middleware", ", ".join(around))] if around else [])


def _panels(error: BaseException, request: Request | None, site: Site | None, masker: Masker) -> Iterator[Section]:
    panels: Sequence[Panel] = site.extensions.get("debug.panels", ()) if site is not None and request is not None else ()
    for panel in panels:
        try:
            made = panel(request, error) if request is not None else None
        except Exception as second:  # noqa: BLE001 - a panel that fails must not hide the error
            made = (getattr(panel, "__name__", "A panel"), [("It failed", f"{type(second).__name__}: {_message_of(second, masker)}")])
        if made is not None:
            yield Section(made[0], masker.pairs(made[1]), "nothing", open=True)


def _source_of(mistake: Mistake) -> Sequence[SourceLine]:
    file, _, line = mistake.where.rpartition(":")
    if os.path.basename(file).startswith(".env"):  # the lines around may hold secrets that no name gives away
        return ()
    return source_around(os.path.abspath(file), int(line)) if file and line.isdigit() else ()


def _folded(frames: Sequence[Frame]) -> str:
    names = list(dict.fromkeys(_package(frame.file) for frame in frames))
    count = len(frames)
    return f"{count} frame{'s' if count > 1 else ''} in {', '.join(names)}"


def _package(file: str) -> str:
    return (
        "generated code" if file.startswith("<") else shown_path(file).replace("\\", "/").lstrip("/").partition("/")[0].removesuffix(".py")
    )


def _target(request: Request) -> str:
    """Return path and query string, with the secret parameters masked."""
    if not request.query_string:
        return request.path
    shown = (f"{name}={MASK if is_masked(name) else value}" for name, value in request_pairs(request.query_string))
    return f"{request.path}?{'&'.join(shown)}"


def _lines(report: Report) -> Iterator[str]:
    yield f"{report.heading}: {report.message}" if report.message else report.heading
    if report.request_line:
        yield report.request_line
    if report.template is not None:
        yield f'\nIn the template "{report.template.file}", line {report.template.line}'
        yield f"    {report.template.code}"
    for hint in report.hints:
        yield f"\n{hint}"
    for raised in report.raised:
        if raised.relation:
            yield f"\n{raised.relation.capitalize()}: {raised.kind}: {raised.message}"
        yield "\nTraceback (most recent call last):" if raised.frames else ""
        for frame in raised.frames:
            if frame.left_out:
                yield f"  … {frame.left_out} frames left out …"
            yield f'  File "{frame.file}", line {frame.line}{f", in {frame.function}" if frame.function else ""}'
            if frame.code:
                yield f"    {frame.code}"
        yield f"{raised.kind}: {raised.message}" if raised.frames else ""
        yield from raised.notes
    for section in report.sections:
        if section.rows:
            yield f"\n{section.title}"
            yield from (f"  {name}: {value}" for name, value in section.rows)
