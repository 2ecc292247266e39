"""What functions read besides their arguments: globals, closures, defaults, attributes, and what these hold."""

import dis
import functools
import hashlib
import pickle
import sys
import types
from collections import OrderedDict, deque
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.core import Tracer

_PLAIN = (bool, int, float, complex, str, bytes, type(None), type(Ellipsis))
_MOST = 100_000  # objects that are looked at
_MOST_WRITTEN = 10_000  # places that are known to be written by functions
# What their modules and classes hold is not expected to change while a program runs.
_SETTLED = frozenset({
    *sys.stdlib_module_names, "jax", "jaxlib", "numpy", "scipy", "optax", "equinox", "jaxtyping", "ml_dtypes", "jaxsgd",
})  # fmt: skip
# What a class has besides what it was given.
_BOOKKEEPING = frozenset({
    "__dict__", "__weakref__", "__module__", "__qualname__", "__doc__", "__annotations__", "__abstractmethods__",
    "__parameters__", "__orig_bases__", "__dataclass_fields__", "__dataclass_params__", "__match_args__", "__slots__",
    "_abc_impl", "__firstlineno__", "__static_attributes__", "__annotate_func__", "__annotations_cache__",
})  # fmt: skip

Place = tuple[int, Any]
"""The id of an object, and the name under which it holds something; None stands for all of it."""

_written: OrderedDict[Place, Any] = OrderedDict()
"""Places that functions write while they are traced, with the objects, so that others do not get their ids."""


class _Part(NamedTuple):
    """What is told of an object itself, and what it holds, by name; it is `opaque` if that does not tell all."""

    about: str
    held: list[tuple[Any, Any]]
    opaque: bool = False


class Reading:
    """What functions read at this moment, as a hash: two readings with one hash are the same.

    Looked into are, however deeply nested: the global names and imported modules that the code of a function names, of
    modules the attributes that it names; closures, defaults and attributes of functions; what a ``functools.partial``,
    a bound method, a decorated or a jitted function is made of; lists, dicts, sets and tuples; NumPy arrays, by
    content; attributes of objects, and functions and attributes of their classes. An array of JAX, which nobody can
    change, is the same if it is the same object. What shows nothing of itself is compared by its pickle, or where it
    has none as an object; so is what lies beyond the first 100,000 objects.

    Not looked into are the modules and classes of Python's library, NumPy, SciPy, JAX, optax, equinox and jaxsgd, and
    what functions themselves have written while they were traced, such as a count of calls, or a cache.

    **Arguments**

    - `functions`: tuples, nested or not, and structures of pytrees that hold them.
    - `portable`: whether the hash is to be the same in other processes. What could be compared only as an object of
      this one is then told by its kind.
    - `noting`: whether to note what stands where, for `note_changes`.
    """

    def __init__(self, functions: Any, *, portable: bool = False, noting: bool = False) -> None:
        self._hash, self._portable = hashlib.blake2b(digest_size=16), portable
        self._places: dict[Place, str] | None = {} if noting else None
        self._seen: dict[int, int] = {}
        self._kept: list[Any] = []  # alive as long as this is, so that no other object gets the id of one of them
        roots = list(_functions_in(functions))
        self.is_empty = not roots
        for root in roots:
            self._read(root)
        self.digest = self._hash.digest()

    def note_changes(self, later: "Reading") -> None:
        """From now on no reading looks into the places whose content a later one of the same functions finds changed.

        Both have been `noting`.
        """
        for place in self._changed(later):
            _written[place] = self._kept[self._seen[place[0]]]
        while len(_written) > _MOST_WRITTEN:
            _written.popitem(last=False)

    def is_rewritten(self, later: "Reading") -> bool:
        """Whether a later reading finds other things in some places; it does not count what sequences gained.

        Both have been `noting`.
        """
        before, after = self._places or {}, later._places or {}
        return any(not after[place].startswith(before.get(place, "")) for place in self._changed(later))

    def _changed(self, later: "Reading") -> list[Place]:
        """The places of objects seen before whose content has changed."""
        before, after = self._places or {}, later._places or {}
        return [place for place, told in after.items() if place[0] in self._seen and before.get(place) != told]

    def _read(self, root: Any) -> None:
        left = [root]
        while left:
            item = left.pop()
            if type(item) in _PLAIN:
                self._tell(f"{type(item).__name__} {item!r}")
                continue
            before = self._seen.setdefault(id(item), len(self._kept))
            if before < len(self._kept):
                self._tell(f"seen {before}")
                continue
            self._kept.append(item)
            part = self._part(item)
            held = [(name, value) for name, value in part.held if (id(item), name) not in _written]
            about = f"{part.about} {id(item)}" if part.opaque and not self._portable else part.about
            self._tell(f"{about} {len(held)}")
            for name, value in reversed(held):
                left += [value, name]
            if self._places is not None:
                if _has_names(item):
                    self._places |= {(id(item), name): f"{_identity(value)}," for name, value in held}
                else:
                    self._places[id(item), None] = about + "".join(f" {_identity(value)}," for _, value in held)

    def _part(self, item: Any) -> _Part:
        if len(self._kept) > _MOST:
            return _Part("beyond", [], opaque=True)
        if (id(item), None) in _written:
            return _Part("written", [], opaque=True)
        if self._portable and isinstance(item, jax.Array) and not isinstance(item, Tracer):
            item = np.asarray(item)
        return _part_of(item)

    def _tell(self, what: str) -> None:
        encoded = what.encode("utf-8", "surrogatepass")
        self._hash.update(b"%d:" % len(encoded))
        self._hash.update(encoded)


def _identity(value: Any) -> str:
    return f"{type(value).__name__} {value!r}" if type(value) in _PLAIN else str(id(value))


def _has_names(item: Any) -> bool:
    """Whether what an object holds has names, so that some may change and others not."""
    return not isinstance(item, list | tuple | set | frozenset | deque | np.ndarray) and _part_of(item).held != []


def _functions_in(value: Any) -> Iterator[Any]:
    """The functions, callable objects and classes in nested tuples and structures of pytrees."""
    left = [value]
    while left:
        item = left.pop()
        if isinstance(item, tuple):
            left += reversed(item)
        elif isinstance(item, jax.tree_util.PyTreeDef):
            left += reversed(_parts_of(item))
        elif isinstance(item, type):
            if not _is_settled(item.__module__):
                yield item
        elif callable(item):
            yield item


@functools.lru_cache(maxsize=256)
def _in_structure(structure: Any) -> tuple[Any, ...]:
    """The functions, callable objects and classes in the structure of a pytree."""
    left, found = [structure], []
    while left:
        node = left.pop()
        found += _functions_in(node.node_data())
        left += reversed(node.children())
    return tuple(found)


def _parts_of(structure: Any) -> tuple[Any, ...]:
    """The same of a structure whose static parts need not all be hashable."""
    try:
        return _in_structure(structure)
    except TypeError:
        return _in_structure.__wrapped__(structure)


def _is_settled(module: Any) -> bool:
    return isinstance(module, str) and module.partition(".")[0] in _SETTLED


def _part_of(item: Any) -> _Part:
    kind = type(item)
    if isinstance(item, types.FunctionType):
        return _of_function(item)
    if isinstance(item, np.ndarray | np.generic):
        return _of_array(np.asarray(item))
    if isinstance(item, dict):
        return _Part("dict", [*item.items(), *_attributes(item)])
    if isinstance(item, list | tuple | deque):
        return _Part("sequence", [*enumerate(item), *_attributes(item)])
    if isinstance(item, set | frozenset):
        return _Part("set", [*enumerate(sorted(item, key=repr)), *_attributes(item)])
    if isinstance(item, types.MethodType):
        return _Part("method", [("function", item.__func__), ("self", item.__self__)])
    if isinstance(item, functools.partial):
        return _Part("partial", [("function", item.func), ("arguments", item.args), ("keywords", item.keywords)])
    if isinstance(item, property):
        return _Part("property", [("function", item.fget)])
    if isinstance(item, staticmethod | classmethod):
        return _Part(kind.__name__, [("function", item.__func__)])
    if isinstance(item, functools.cached_property):
        return _Part("property", [("function", item.func)])
    if isinstance(item, type):
        return _of_class(item)
    if isinstance(item, jax.Array | types.ModuleType | types.BuiltinFunctionType):
        return _Part(kind.__name__, [], opaque=True)
    return _of_object(item)


def _of_array(array: np.ndarray) -> _Part:
    about = f"array {array.dtype} {array.shape}"
    if array.dtype.hasobject:
        return _Part(about, list(enumerate(array.flat)))
    content = (
        hashlib.blake2b(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data, digest_size=16)
        if array.size
        else hashlib.blake2b()
    )
    return _Part(f"{about} {content.hexdigest()}", [])


def _of_function(function: types.FunctionType) -> _Part:
    code = _code(function.__code__)
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    held: list[tuple[Any, Any]] = [(f"closure {name}", cell.cell_contents) for name, cell in cells if is_filled(cell)]
    held += [("defaults", function.__defaults__), ("keywords", function.__kwdefaults__)]
    held += [(f"attribute {name}", value) for name, value in vars(function).items()]
    if not _is_settled(function.__module__):
        around = function.__globals__
        found = [(name, around[name]) for name in code.names if name in around]
        found += [(name, sys.modules[name]) for name in code.imported if name in sys.modules]
        for name, value in found:
            held += _of_module(name, value, code) if isinstance(value, types.ModuleType) else [(name, value)]
    return _Part(f"function {code.digest}", held)


def _of_module(name: str, module: types.ModuleType, code: "_Code") -> list[tuple[str, Any]]:
    """The attributes of a module that code names, and those of modules in it."""
    held, left, seen = [], [(name, module)], set()
    while left:
        name, module = left.pop()
        if _is_settled(module.__name__) or module in seen:
            continue
        seen.add(module)
        for attribute in code.attributes:
            value = vars(module).get(attribute)
            named = f"{name}.{attribute}"
            if isinstance(value, types.ModuleType):
                left.append((named, value))
            elif attribute in vars(module):
                held.append((named, value))
    return held


def _of_class(kind: type) -> _Part:
    if _is_settled(kind.__module__):
        return _Part(f"class {kind.__module__}.{kind.__qualname__}", [])
    own = [base for base in kind.__mro__ if not _is_settled(base.__module__)]
    held = [
        (f"{base.__qualname__}.{name}", value)
        for base in own
        for name, value in vars(base).items()
        if name not in _BOOKKEEPING
    ]
    return _Part(f"class {kind.__qualname__}", held)


def _of_object(item: Any) -> _Part:
    kind = type(item)
    library = kind.__module__.partition(".")[0]
    of_python = library in sys.stdlib_module_names and kind is not types.SimpleNamespace
    held = [] if of_python or library == "numpy" else _attributes(item)
    name = f"{kind.__module__}.{kind.__qualname__}" if _is_settled(kind.__module__) else kind.__qualname__
    wrapped = getattr(item, "__wrapped__", None) if not held else None
    if wrapped is not None and of_python | (library in ("jax", "jaxlib")):
        return _Part(name, [("wrapped", wrapped)], opaque=True)
    if held:
        return _Part(name, held)
    return _Part(f"{name} {_pickled(item, library)}", [], opaque=not _pickled(item, library))


def _attributes(item: Any) -> list[tuple[Any, Any]]:
    """What an object holds by name, and its class, if that is no class of Python's own."""
    kind = type(item)
    if kind.__module__ == "builtins":
        return []
    slots = [slot for base in kind.__mro__ for slot in _slots(base)]
    held = [(f"attribute {slot}", getattr(item, slot)) for slot in slots if hasattr(item, slot)]
    held += [(f"attribute {name}", value) for name, value in getattr(item, "__dict__", {}).items()]
    return held if _is_settled(kind.__module__) else [*held, ("class", kind)]


def _slots(kind: type) -> tuple[str, ...]:
    slots = vars(kind).get("__slots__", ()) if not _is_settled(kind.__module__) else ()
    names = (slots,) if isinstance(slots, str) else tuple(slots)
    return tuple(name for name in names if name not in ("__dict__", "__weakref__") and not name.startswith("__"))


def _pickled(item: Any, library: str) -> str:
    """A hash of the pickle of an object that shows nothing else of itself; empty if it has none."""
    if library in ("jax", "jaxlib", "itertools"):  # immutable, for the most part; and iterators are not to be pickled
        return ""
    try:
        return hashlib.blake2b(pickle.dumps(item), digest_size=16).hexdigest()
    except Exception:  # whatever an object of a stranger raises that cannot be pickled
        return ""


def is_filled(cell: types.CellType) -> bool:
    """Whether the variable of a closure has a value."""
    try:
        _ = cell.cell_contents
    except ValueError:  # a name that is not yet bound
        return False
    return True


class _Code(NamedTuple):
    """A hash of code, and what it names, in code that is defined in it too: globals, modules and attributes."""

    digest: str
    names: tuple[str, ...]
    imported: tuple[str, ...]
    attributes: tuple[str, ...]


@functools.lru_cache(maxsize=4096)
def _code(code: types.CodeType) -> _Code:
    names, imported, attributes = set(), set(), set()
    for each in dis.get_instructions(code):
        if each.opcode in dis.hasname:
            which = imported if each.opname == "IMPORT_NAME" else names
            (attributes if "ATTR" in each.opname or "METHOD" in each.opname else which).add(each.argval)
    inner = [_code(part) for part in code.co_consts if isinstance(part, types.CodeType)]
    for part in inner:
        names |= set(part.names)
        imported |= set(part.imported)
        attributes |= set(part.attributes)
    about = (
        *(code.co_code, code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars, code.co_exceptiontable),
        *(code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags),
        *([_constant(part) for part in code.co_consts], [part.digest for part in inner]),
    )
    digest = hashlib.blake2b(repr(about).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    return _Code(digest, tuple(sorted(names)), tuple(sorted(imported)), tuple(sorted(attributes)))


def _constant(constant: Any) -> str:
    if isinstance(constant, types.CodeType):
        return "code"
    return repr(sorted(map(repr, constant))) if isinstance(constant, frozenset) else repr(constant)
