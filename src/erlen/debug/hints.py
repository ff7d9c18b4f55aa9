"""The likely fix of an error: pure functions, each of which knows one kind of mistake."""

from __future__ import annotations

import builtins
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from difflib import get_close_matches
from types import FunctionType, MethodType, ModuleType
from typing import TypeAlias

from msgspec import Struct

from erlen.debug.frames import Frame
from erlen.debug.habits import Habit, habit_of, method_habit, option_habit
from erlen.debug.installing import install_command, module_beside
from erlen.debug.returned import is_encoding_result, unfit_part
from erlen.errors import ConfigurationError, ErlenError, Forbidden, HTTPError, MethodNotAllowed
from erlen.http.request import Request

__all__ = ["HINTS", "Hint", "hints_for"]


class Hint(Struct, frozen=True):
    """What to do about an error: a sentence or two, and the lines to write."""

    title: str
    text: str
    code: str = ""

    def __str__(self) -> str:
        return "\n".join([f"Likely fix: {self.title}", f"  {self.text}", *(f"    {line}" for line in self.code.splitlines())])


Finder: TypeAlias = Callable[[BaseException, Sequence[Frame], "Request | None"], "Hint | None"]


def hints_for(chain: Iterable[tuple[BaseException, Sequence[Frame]]], request: Request | None) -> list[Hint]:
    """Return the likely fixes of an error and of what caused it; none is said twice.

    Args:
        chain: the exception and its causes, each with its frames, the innermost last.
        request: the one that was being answered, if there was one.
    """
    found: list[Hint] = []
    for error, frames in chain:
        for finder in HINTS:
            try:
                hint = finder(error, frames, request)
            except Exception:  # noqa: BLE001, S112 - what a user's object does when it is looked at must not hide the error
                continue
            if hint is not None and hint not in found:
                found.append(hint)
    return found


# -- colours ----------------------------------------------------------------------------------------------------------------


def forgotten_await(error: BaseException, frames: Sequence[Frame], request: Request | None) -> Hint | None:
    """A coroutine was used, or returned, in place of its result."""
    if not isinstance(error, (TypeError, AttributeError, ErlenError)) or _is_told_already(error, frames):
        return None
    why = "calling an `async def` function only makes a coroutine, `await` runs it and gives its result."
    found = unfit_part(frames)
    if found is not None and isinstance(found[1], Awaitable):
        path, part = found
        name = getattr(part, "__name__", "")
        call = f"{name}(…)" if name.isidentifier() else "…"
        what = f"a coroutine of `{name}`" if name.isidentifier() else "something that is to be awaited"
        where = f"{_returner(error)} has {what} at `{path}`" if path else f"{_returner(error)} is {what}"
        return Hint("An `await` is missing", f"{where}: {why}", f"await {call}" if path else f"return await {call}")
    if _COROUTINE(str(error)) is None:
        return None
    code = _marked(frames)
    reading = _READING(code)
    habit = method_habit(reading[2]) if reading is not None and _is_request(reading[1], frames) else None
    if habit is not None:
        return Hint("An `await` is missing", *habit)
    text = f"{why[0].upper()}{why[1:]} The handler must be `async def` too."
    return Hint("An `await` is missing", text, f"await {code}" if _CALL(code) else "")


def forgotten_return(error: BaseException, frames: Sequence[Frame], request: Request | None) -> Hint | None:
    """A handler without an annotation returned None."""
    found = _NOTHING_RETURNED(str(error)) if isinstance(error, ErlenError) else None
    if found is None:
        return None
    text = f"{found[1]} ran to its end without returning anything. Return its answer; or, if it has none, say so with `-> None`."
    return Hint("A `return` is missing", text)


def two_colours(error: BaseException, frames: Sequence[Frame], request: Request | None) -> Hint | None:
    """Code for the event loop ran in a thread, or the other way round."""
    text = str(error)
    if not isinstance(error, RuntimeError):
        return None
    if "needs the event loop" in text:
        code = "@app.get(…)\nasync def handler() -> …:\n    result = await …"
        return Hint(
            "An asynchronous call in a `def`", "This `def` runs in a thread, where nothing can be awaited. Make it `async def`.", code
        )
    if "cannot be called from a running event loop" in text or "event loop is already running" in text:
        why = "An event loop runs already: it runs this handler. Await the coroutine in place of starting another loop for it."
        return Hint("`asyncio.run` in an `async def`", why, "result = await …")
    if "no running event loop" in text or "no current event loop" in text:
        why = "A `def` handler runs in a thread without an event loop. Make the handler `async def`, or let the request wait for it."
        return Hint("Asynchronous code in a `def`", why, "result = request.wait(…)")
    return None


# -- what a handler returns ---------------------------------------------------------------------------------------------------


def no_response(error: BaseException, frames: Sequence[Frame], request: Request | None) -> Hint | None:
    """A value with a part that cannot become JSON."""
    if not isinstance(error, (TypeError, ErlenError)) or _is_told_already(error, frames):
        return None
    found = unfit_part(frames)
    if found is None:
        other = _NO_JSON(str(error))
        return None if other is None or other[1] == "coroutine" else _encoder_for(other[1].rpartition(".")[2], "")
    path, part = found
    if part is None or isinstance(part, Awaitable):
        return None
    promised = _UNFIT(str(error))
    if promised is not None:
        text = f"{_returner(error)} is `{promised[1]}` where the annotation has `{promised[2]}`: {promised[3]}"
        return Hint("Not what the annotation says", f"{text} Return what it says, or correct it.")
    return _part_without_json(part, path, f"{_returner(error)} has one at `{path}`. " if path else "", str(error))


def _part_without_json(part: object, path: str, where: str, message: str) -> Hint:
    name = type(part).__qualname__.rpartition(".")[2]
    title = f"{name} cannot become JSON"
    if getattr(type(part), "__secret__", False) is True:
        return Hint(title, f"{where}It is secret: leave it out of the answer.")
    if type(part).__module__ == "builtins" and not isinstance(part, Iterator | BaseException | type):
        odd = next((key for key in part if not isinstance(key, str | int | float | None)), None) if isinstance(part, dict) else None
        if odd is not None:
            return Hint(title, f"{where}The names in JSON are texts, and a key here is a {type(odd).__name__}: make a text of it.")
        reason = _REASON(message)  # such as a value that holds itself
        return Hint(title, f"{where}{reason[1][0].upper()}{reason[1][1:]}." if reason else f"{where}{message}")
    if isinstance(part, BaseException):
        return Hint(title, f"{where}An exception is raised, not returned.", f"raise {name}(…)")
    if isinstance(part, AsyncIterator):
        return Hint(title, f"{where}Make a list of it; or return it by itself, and it is streamed.", "[item async for item in …]")
    if isinstance(part, Iterator):
        return Hint(title, f"{where}Make a list of it; or return it by itself, and it is streamed.", "list(…)")
    if not path:
        return _encoder_for(name, where)
    text = f"JSON has no {name}. {where}Put a dict, a dataclass or a Struct made of it in its place, or say in its class what it becomes."
    return Hint(title, text, f"class {name}:\n    def __json__(self) -> dict[str, object]:\n        return {{…}}")


def _encoder_for(name: str, where: str) -> Hint:
    text = f"JSON has no {name}. {where}Return a dict, a dataclass or a Struct made of it, or say once how it becomes one."
    code = f"@app.encoder({name})\ndef encode(value: {name}) -> dict[str, object]:\n    return {{…}}"
    return Hint(f"{name} cannot become JSON", text, code)


def _returner(error: BaseException) -> str:
    found = _RETURNED(str(error))
    return f"What {found[1].rpartition('<locals>.')[2]} returned" if found else "What was returned"


def _is_told_already(error: BaseException, frames: Sequence[Frame]) -> bool:
    """Whether this is the cause of an error that names the handler, and has the same to say."""
    return isinstance(error, TypeError) and is_encoding_result(frames)


# -- templates ----------------------------------------------------------------------------------------------------------------


def missing_template(error: BaseException, frames: Sequence[Frame], request: Request | None) -> Hint | None:
    """A template that is in none of the folders; says which were searched and which names are near."""
    if not _is_jinja(error, "TemplateNotFound"):
        return None
    wanted = [str(name) for name in getattr(error, "templates", ()) or [getattr(error, "name", "")]]
    searched = getattr(error, "searched", None)  # Erlen's own templates say where they looked
    if searched is not None:
        folders = [f"{path}" if path.is_dir() else f"{path}  (does not exist)" for path in searched]
        near = list(getattr(error, "near", ()))
    else:
        folders, names = _templates_known(frames)
        near = list(dict.fromkeys(match for name in wanted for match in get_close_matches(name, names, n=3, cutoff=0.5)))
    text = f"There is no template {_either(wanted)}."
    if near:
        text += f" Did you mean {_either(near)}?"
    if folders:
        text += " These folders were searched:"
    elif not near:
        text += " Put it into the folder `templates` beside the file that makes the application."
    return Hint("The template is missing", text, "\n".join(folders))


def undefined_name(error: BaseException, frames: Sequence[Frame], request: Request | None) -> Hint | None:
    """A template used a name that it was not given."""
    if not _is_jinja(error, "UndefinedError"):
        return None
    found = _UNDEFINED(str(error))
    if found is None:
        return None
    name = found[1]
    given = next((frame.variables for frame in reversed(frames) if frame.template), ())
    names = [one for one, _ in given]
    if name in names:
        return None
    text = f"The template was not given {name!r}.{_did_you_mean(name, names)} Pass it to `render`."
    return Hint(f"{name!r} is not in the template's context", text, f'render("…", {name}={name})')


# -- settings and protections -------------------------------------------------------------------------------------------------


def unknown_host(error: BaseException, frames: Sequence[Frame], request: Request | None) -> Hint | None:
    """A request for a host that the site does not answer to."""
    found = _HOST(error.detail) if isinstance(error, HTTPError) and error.status == 400 else None
    if found is None:
        return None
    text = "A site answers to localhost, and to the names in the setting ALLOWED_HOSTS: set it in the environment or in `.env`."
    return Hint("This host is not allowed yet", text, f"ALLOWED_HOSTS={found[1]}")


def refused_as_forged(error: BaseException, frames: Sequence[Frame], request: Request | None) -> Hint | None:
    """A request that the protection against cross-site request forgery refused."""
    if not isinstance(error, Forbidden):
        return None
    if error.detail.startswith("Cross-site request refused"):
        origin = None if request is None else request.header("origin")
        text = "A page of another origin sent this request. If that page is yours, list its origin; for a webhook, let the route say so."
        listed = f"TRUSTED_ORIGINS={origin}\n" if origin not in (None, "null") else ""
        return Hint("A request from another site", text, f"{listed}# a webhook:\n@app.post(…, csrf=False)")
    if error.detail.startswith("CSRF token missing"):
        text = "Browsers say where a request comes from; this client does not, and it sends cookies, so it must send the token."
        return Hint("The form's token is missing", text, "<form method=post>{{ csrf_input() }} …")
    if error.detail.startswith("CSRF token wrong"):
        text = "The page was made for another session: load it again. After a new SECRET_KEY every session is another one."
        return Hint("The form's token is another session's", text)
    return None


def too_large(error: BaseException, frames: Sequence[Frame], request: Request | None) -> Hint | None:
    """A body over a limit."""
    if not isinstance(error, HTTPError) or error.status != 413:
        return None
    text = "MAX_BODY_SIZE, MAX_FIELD_SIZE, MAX_FORM_FIELDS and MAX_FORM_FILES set the limits for the site; a route may take more:"
    return Hint("Over a limit", text, "@app.post(…, max_body_size=100_000_000)  # bytes")


def wrong_method(error: BaseException, frames: Sequence[Frame], request: Request | None) -> Hint | None:
    """A method that no route at this path has."""
    if not isinstance(error, MethodNotAllowed) or request is None:
        return None
    allowed = [method for method in error.allowed if method not in ("OPTIONS", "HEAD")]
    text = f"This path answers {', '.join(allowed)}. Add a route for {request.method}, or send the form or script with another method."
    path = request.route.path if request.route is not None and request.route.path else request.path
    known = request.method.lower() in ("get", "post", "put", "patch", "delete", "query")
    decorator = f'@app.{request.method.lower()}("{path}")' if known else f'@app.route("{path}", methods=["{request.method}"])'
    return Hint("No route for this method", text, decorator)


def mistakes(error: BaseException, frames: Sequence[Frame], request: Request | None) -> Hint | None:
    """What is wrong with the application or its settings, and the fix of each."""
    if not isinstance(error, ConfigurationError):
        return None
    fixes = [mistake.fix for mistake in error.mistakes if mistake.fix]
    return Hint("How to put it right", " · ".join(dict.fromkeys(fixes))) if fixes else None


# -- names --------------------------------------------------------------------------------------------------------------------


def missing_key(error: BaseException, frames: Sequence[Frame], request: Request | None) -> Hint | None:
    """A KeyError on the query, form, headers, cookies or session of a request."""
    if not isinstance(error, KeyError) or not error.args:
        return None
    own = _innermost_own(frames)
    found = _REQUEST_DATA(own.marked if own else "") or _REQUEST_DATA(own.code if own else "")
    if found is None:
        return None
    part, key = found[1], error.args[0]
    if part == "session":
        return Hint(f"Nothing in the session is named {key!r}", "A new visitor's session is empty.", f'request.session.get("{key}")')
    kind = {"query": "Query", "form": "Form", "read_form": "Form", "headers": "Header", "cookies": "Cookie"}.get(part)
    text = f"This request has no {key!r} there. Ask for it with a default, "
    text += "or let the handler's signature say that it is needed: then a request without it is answered 422."
    name = re.sub(r"\W", "_", str(key))
    parameter = f"def handler({name}: str)" if kind == "Query" else f"def handler({name}: Annotated[str, {kind}()])"
    source = {"read_form": "form"}.get(part, part)
    lines = f'{source}.get("{key}")  # None where it is missing\n{parameter}:  # 422 where it is missing'
    return Hint(f"The request has no {key!r}", text, lines)


def misspelt_name(error: BaseException, frames: Sequence[Frame], request: Request | None) -> Hint | None:
    """A NameError: a near name, or the import that is missing."""
    if isinstance(error, UnboundLocalError):
        local = _QUOTED(str(error))
        name = local[0] if local else "The name"
        text = f"{name} is assigned somewhere in this function, which makes it local in all of it. Here it has no value yet."
        return Hint("Read before it is assigned", text)
    if not isinstance(error, NameError) or not error.name:
        return None
    name = error.name
    import erlen

    if name in erlen.__all__:
        return Hint("An import is missing", f"{name!r} is Erlen's.", f"from erlen import {name}")
    if name in sys.stdlib_module_names:
        return Hint("An import is missing", f"{name!r} is a module of Python's.", f"import {name}")
    frame = frames[-1].frame if frames else None
    own = [] if frame is None else [*frame.f_locals, *frame.f_globals]
    habit = habit_of(erlen, name)
    if habit is not None and not _near(name, own):
        return _of_habit(name, habit)
    near = _near(name, [*own, *dir(builtins)])
    return Hint("A name that is not there", f"Did you mean {_either(near)}?") if near else None


def misspelt_attribute(error: BaseException, frames: Sequence[Frame], request: Request | None) -> Hint | None:
    """An AttributeError: a near attribute, a None, or a module that is still being imported."""
    if not isinstance(error, AttributeError) or not error.name:
        return None
    unfinished = isinstance(error.obj, ModuleType) and sys.modules.get(error.obj.__name__) is not error.obj  # its import has failed
    if unfinished or "partially initialized module" in str(error):
        return _circular(error)
    if error.obj is None and "NoneType" in str(error):
        code = _marked(frames)
        what = code.rpartition(f".{error.name}")[0] if f".{error.name}" in code else ""
        text = f"{f'`{what}`' if what else 'What stands before the dot'} is None here. Find out why, or say what happens then."
        return Hint("None has no attributes", text, f"if {what} is None:\n    abort(404)" if what.isidentifier() else "")
    habit = habit_of(error.obj, error.name)
    if habit is not None:
        return _of_habit(error.name, habit)
    if isinstance(error.obj, FunctionType | MethodType):  # the one of a method says that it is a function
        name = error.obj.__name__
        return _method_of_request(name) if getattr(error.obj, "__func__", error.obj) is vars(Request).get(name) else None
    near = _near(error.name, [one for one in dir(error.obj) if error.name.startswith("_") or not one.startswith("_")])
    return Hint("An attribute that is not there", f"Did you mean {_either(near)}?") if near else None


def method_as_value(error: BaseException, frames: Sequence[Frame], request: Request | None) -> Hint | None:
    """A method of the request that was not called: `request.form["name"]`."""
    found = _METHOD_USED(_marked(frames)) if isinstance(error, TypeError) and "'method' object" in str(error) else None
    return _method_of_request(found[2]) if found is not None and _is_request(found[1], frames) else None


def unknown_option(error: BaseException, frames: Sequence[Frame], request: Request | None) -> Hint | None:
    """An option that a route, a blueprint or a response has under another name."""
    found = _OPTION(str(error)) if isinstance(error, TypeError) else None
    habit = None if found is None else option_habit(found[1] or found[2])
    return None if found is None or habit is None else _of_habit(found[1] or found[2], habit)


# -- imports ------------------------------------------------------------------------------------------------------------------


def circular_import(error: BaseException, frames: Sequence[Frame], request: Request | None) -> Hint | None:
    """Two modules that import each other."""
    circular = isinstance(error, ImportError) and "partially initialized module" in str(error)
    return _circular(error) if circular else None


def missing_module(error: BaseException, frames: Sequence[Frame], request: Request | None) -> Hint | None:
    """A module that is not installed: the command that does it, or a near name among the files beside."""
    if not isinstance(error, ModuleNotFoundError) or not error.name:
        return None
    own = _innermost_own(frames)
    near = module_beside(error.name, None if own is None else own.file)
    if near is not None:
        return Hint("A module that is not there", f"There is a module {near!r}: is {error.name!r} misspelt?", f"import {near}")
    top = error.name.partition(".")[0]
    if top in sys.modules or top in sys.stdlib_module_names:
        return Hint("A module that is not there", f"{top!r} is there, but has no {error.name.rpartition('.')[2]!r}: look up its name.")
    text = f"{top!r} is not installed in this environment ({sys.prefix})."
    return Hint("A package is not installed", text, install_command(top))


def missing_member(error: BaseException, frames: Sequence[Frame], request: Request | None) -> Hint | None:
    """A name that a module does not have."""
    if not isinstance(error, ImportError) or isinstance(error, ModuleNotFoundError) or "partially initialized" in str(error):
        return None
    found = _CANNOT_IMPORT(str(error))
    module = None if found is None or not error.name else sys.modules.get(error.name)
    if found is None or module is None:
        return None
    habit = habit_of(module, found[1])
    if habit is not None:
        return _of_habit(found[1], habit)
    near = _near(found[1], dir(module))
    return Hint("A name that the module does not have", f"Did you mean {_either(near)}?") if near else None


# -- the rest -----------------------------------------------------------------------------------------------------------------


def port_in_use(error: BaseException, frames: Sequence[Frame], request: Request | None) -> Hint | None:
    """Another program listens on the port."""
    import errno

    if not isinstance(error, OSError) or error.errno != errno.EADDRINUSE:
        return None
    return Hint(
        "The port is taken", "Another program listens on it, perhaps this one started twice. Stop it, or take another.", "--port 8001"
    )


def wrong_encoding(error: BaseException, frames: Sequence[Frame], request: Request | None) -> Hint | None:
    """Bytes that are not text in the encoding that was said."""
    if not isinstance(error, UnicodeDecodeError):
        return None
    byte = error.object[error.start]
    text = f"Byte {error.start} is 0x{byte:02x}, which is not {error.encoding}. "
    if error.encoding.lower().replace("-", "") != "utf8":
        return Hint("Not the encoding of this text", text + "Most text is UTF-8: say so where it is read.", 'open(path, encoding="utf-8")')
    text += "It may be Latin-1 (`cp1252` on Windows), or no text at all: an image, a compressed file."
    return Hint("Not UTF-8", text, 'data.decode("cp1252")  # or keep it as bytes: open(path, "rb")')


def endless_recursion(error: BaseException, frames: Sequence[Frame], request: Request | None) -> Hint | None:
    """Functions that call each other without end."""
    if not isinstance(error, RecursionError) or is_encoding_result(frames):  # of such a result another hint tells more
        return None
    cycle = list(dict.fromkeys(frame.function for frame in frames[-12:] if frame.function))
    text = f"{_either(cycle[:4], 'and')} called {'each other' if len(cycle) > 1 else 'itself'} without end: nothing stopped the calls."
    return Hint("Calls without end", text)


HINTS: tuple[Finder, ...] = (
    forgotten_await,
    forgotten_return,
    two_colours,
    no_response,
    missing_template,
    undefined_name,
    unknown_host,
    refused_as_forged,
    too_large,
    wrong_method,
    mistakes,
    missing_key,
    misspelt_name,
    misspelt_attribute,
    method_as_value,
    unknown_option,
    circular_import,
    missing_module,
    missing_member,
    port_in_use,
    wrong_encoding,
    endless_recursion,
)


def _innermost_own(frames: Sequence[Frame]) -> Frame | None:
    return next((frame for frame in reversed(frames) if frame.own), None)


def _marked(frames: Sequence[Frame]) -> str:
    own = _innermost_own(frames)
    return own.marked if own is not None else ""


def _either(names: Iterable[str], word: str = "or") -> str:
    shown = [repr(str(name)) for name in names]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} {word} {shown[-1]}" if shown else ""


def _near(name: str, known: Iterable[str]) -> list[str]:
    """Return up to three names that are near, each once however often it is known."""
    return get_close_matches(name, {*known}, n=3, cutoff=0.6)


def _did_you_mean(name: str, known: Iterable[str]) -> str:
    near = _near(name, known)
    return f" Did you mean {_either(near)}?" if near else ""


def _of_habit(name: str, habit: Habit) -> Hint:
    return Hint(f"{name!r} is written otherwise in Erlen", *habit)


def _is_request(name: str, frames: Sequence[Frame]) -> bool:
    own = _innermost_own(frames)
    return own is not None and own.frame is not None and isinstance(own.frame.f_locals.get(name), Request)


def _method_of_request(name: str) -> Hint | None:
    habit = method_habit(name)
    return None if habit is None else Hint(f"`request.{name}` is a method", *habit)


def _circular(error: BaseException) -> Hint:
    found = _PARTIAL(str(error))
    module = f"{found[1]!r}" if found else "A module"
    text = f"{module} is still being imported, and something it imports asks for it again. "
    text += (
        "Move what both need into a third module, or import inside the function that uses it. Blueprints need not import the application."
    )
    return Hint("Modules that import each other", text)


def _is_jinja(error: BaseException, name: str) -> bool:
    return any(kind.__name__ == name and kind.__module__.startswith("jinja2") for kind in type(error).__mro__)


def _templates_known(frames: Sequence[Frame]) -> tuple[list[str], list[str]]:
    """Return the folders that Jinja2 searched, and the names of all templates, from the environment that raised."""
    for frame in reversed(frames):
        environment = None if frame.frame is None else frame.frame.f_locals.get("self")
        loader = getattr(environment, "loader", None)
        if loader is not None:
            return _folders_of(loader), list(environment.list_templates()) if environment is not None else []
    return [], []


def _folders_of(loader: object) -> list[str]:
    found = [str(path) for path in getattr(loader, "searchpath", ())]
    mapping = getattr(loader, "mapping", None)
    nested = [*getattr(loader, "loaders", ()), *(mapping.values() if isinstance(mapping, dict) else ())]
    for one in nested:
        found += _folders_of(one)
    return list(dict.fromkeys(found))


_COROUTINE = re.compile(
    r"'?(?:coroutine|async_generator)'? object|object coroutine can't|(?:a|not) coroutine\b|coroutine was expected|of type coroutine"
).search
_QUOTED = re.compile(r"'\w{1,200}'").search
_CALL = re.compile(r"[\w.]+\(.*\)", re.DOTALL).fullmatch
_RETURNED = re.compile(r"(.{1,300}?) returned ([\w.<>]{1,200}), which cannot become a response").match
_UNFIT = re.compile(r".{0,500}?a returned (.{1,200}?) does not fit (.{1,300}?): (.{1,2000}?) - return what", re.DOTALL).match
_REASON = re.compile(r".{0,500}?cannot make JSON of [^:]{1,300}: (.{1,300}?)(?:\): return a dict, list, model|\Z)", re.DOTALL).match
_READING = re.compile(r"(\w+)\.(json|form|body)\(\)").match
_METHOD_USED = re.compile(r"(\w+)\.(json|form|body)\s?\[").match
_OPTION = re.compile(
    r"a route has no option (\w{1,100})|(?:Blueprint|\w{0,50}Response)\.__init__\(\) got an unexpected keyword argument '(\w{1,100})'"
).match
_NOTHING_RETURNED = re.compile(r"(.{1,300}?) returned None: is a `return` missing").match
_NO_JSON = re.compile(r"(?:Object of type|Encoding objects of type) ([\w.]{1,200}) is (?:not JSON serializable|unsupported)").match
_UNDEFINED = re.compile(r"'([^']{1,200})' is undefined").match
_HOST = re.compile(r"Host '([^']{1,260})' is not allowed").match
_REQUEST_DATA = re.compile(r"\b(query|form|read_form|headers|cookies|session)(?:\(\))?\s?\)?\[").search
_CANNOT_IMPORT = re.compile(r"cannot import name '(\w{1,200})'").match
_PARTIAL = re.compile(r".{0,200}?partially initialized module '([\w.]{1,200})'").match
