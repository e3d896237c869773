"""The XPath dialect of the search service (ONVIF Recording Search 26.06, 5.26), compiled into tests of an element.

Spoken: `and`, `or`, `not(…)`, brackets, `boolean(PATH)`, `contains(PATH, "text")`; a path of `/` and `//` steps by
local name (prefixes are read and ignored), `*` for any; in the square brackets of a step comparisons (`=` `!=` `<`
`<=` `>` `>=`) of an attribute, of a path of children, or of `.` with a quoted text or a number, joined likewise.
Numbers compare as numbers, all else as text, so that times compare too. Nothing else of XPath: no functions, axes,
positions or arithmetic, which also bounds what one expression may cost: its length times the size of the element.
"""

import operator
import re
from collections.abc import Callable, Iterable
from typing import Any

from lxml import etree

from onvif.errors import Fault, invalid

LONGEST = 1000
Test = Callable[[etree._Element], bool]
_Path = Callable[[etree._Element], Iterable[etree._Element]]
_Values = Callable[[etree._Element], Iterable[str]]
_DEEPEST = 32
_TOKEN = re.compile(
    r"""\s*(//|[()\[\],/@.*:]|<=|>=|!=|[=<>]|"[^"]*"|'[^']*'|-?\d+(?:\.\d+)?|[^\W\d][\w-]*(?:\.[\w-]+)*)"""
)
_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


def expression(text: str) -> Test:
    """Whether an element satisfies `text`; an empty expression is satisfied by every element.

    Raises:
        Fault: ter:InvalidArgVal/ter:InvalidFilterFault for what the dialect does not have.
    """
    if len(text) > LONGEST:
        raise invalid(f"an expression has at most {LONGEST} characters", "InvalidFilterFault")
    if not text.strip():
        return lambda _element: True
    reader = _Reader(text)
    test = reader.either()
    reader.end()
    return test


class _Reader:
    """Recursive descent; `and` binds tighter than `or`."""

    def __init__(self, text: str) -> None:
        self._tokens: list[str] = []
        self._depth = 0
        at, text = 0, text.rstrip()
        while at < len(text):
            found = _TOKEN.match(text, at)
            if found is None:
                raise _bad(f"nothing there can start with {text[at : at + 20]!r}")
            self._tokens.append(found.group(1))
            at = found.end()
        self._tokens.reverse()

    def end(self) -> None:
        if self._tokens:
            raise _bad(f"{self._tokens[-1]!r} follows where it should end")

    def either(self) -> Test:
        return self._joined(self._one)

    def _joined(self, one: Callable[[], Test]) -> Test:
        """`one and one or one …`."""
        groups = [[one()]]
        while True:
            if self._accept("and"):
                groups[-1].append(one())
            elif self._accept("or"):
                groups.append([one()])
            else:
                break
        if len(groups) == 1 and len(groups[0]) == 1:
            return groups[0][0]
        return lambda element: any(all(test(element) for test in group) for group in groups)

    def _bracketed(self, one: Callable[[], Test]) -> Test:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise _bad("it is nested too deeply")
        self._expect("(")
        test = self._joined(one)
        self._expect(")")
        self._depth -= 1
        return test

    def _one(self) -> Test:
        if self._accept("not"):
            inner = self._bracketed(self._one)
            return lambda element: not inner(element)
        if self._accept("boolean"):
            self._expect("(")
            nodes = self._path()
            self._expect(")")
            return lambda element: any(True for _ in nodes(element))
        if self._accept("contains"):
            self._expect("(")
            nodes = self._path()
            self._expect(",")
            part = self._literal()
            self._expect(")")
            return lambda element: any(part in _text(node) for node in nodes(element))
        if self._peek() in {"/", "//"}:
            nodes = self._path()
            return lambda element: any(True for _ in nodes(element))
        return self._bracketed(self._one)

    def _path(self) -> _Path:
        """`//A/B[…]//C`: each step with or without square brackets; nodes come once each."""
        steps: list[tuple[bool, str, Test | None]] = []
        while self._peek() in {"/", "//"}:
            deep = self._next() == "//"
            name = self._name()
            test = None
            if self._accept("["):
                test = self._joined(self._comparison)
                self._expect("]")
            steps.append((deep, name, test))
        if not steps:
            raise _bad("a path begins with / or //")

        def nodes(element: etree._Element) -> Iterable[etree._Element]:
            present: Iterable[etree._Element] = ()
            for number, (deep, name, test) in enumerate(steps):
                if number == 0:
                    found = element.iter(name) if deep else (one for one in (element,) if _called(one, name))
                else:
                    found = (
                        one
                        for node in present
                        for one in (node.iterdescendants(name) if deep else node.iterchildren(name))
                    )
                present = list(dict.fromkeys(one for one in found if test is None or test(one)))
            return present

        return nodes

    def _comparison(self) -> Test:
        """What stands in square brackets: `@Name = "x"`, `TrackType = "Video"`, `not(…)`, `Class` for being there."""
        if self._peek() == "not":
            self._next()
            inner = self._bracketed(self._comparison)
            return lambda element: not inner(element)
        if self._peek() == "(":
            return self._bracketed(self._comparison)
        values = self._values()
        sign = self._peek()
        if sign not in _ORDER:
            return lambda element: any(True for _ in values(element))
        self._next()
        order, wanted = _ORDER[sign], self._literal()
        return lambda element: any(_compare(order, value, wanted) for value in values(element))

    def _values(self) -> _Values:
        """`.`, `@Name`, `Class/Type`, `Class/Type/@Likelihood`: texts relative to an element."""
        if self._accept("."):
            return lambda element: (_text(element),)
        names: list[str] = []
        attribute = ""
        while not attribute:
            if self._accept("@"):
                attribute = self._name()
                break
            names.append(self._name())
            if not self._accept("/"):
                break

        def values(element: etree._Element) -> Iterable[str]:
            present = [element]
            for name in names:
                present = [child for node in present for child in node.iterchildren(name)]
            if not attribute:
                return [_text(node) for node in present]
            wanted = attribute.removeprefix("{*}")
            return [text for node in present if (text := node.get(wanted)) is not None]

        return values

    def _name(self) -> str:
        """A local name as lxml matches it in any namespace."""
        name = self._next()
        if self._accept(":"):
            name = self._next()
        if name == "*":
            return name
        if not re.match(r"[^\W\d]", name):
            raise _bad(f"{name!r} is no name")
        return f"{{*}}{name}"

    def _literal(self) -> str:
        text = self._next()
        if text[0] in "\"'":
            return text[1:-1]
        if re.fullmatch(r"-?\d+(\.\d+)?", text):
            return text
        raise _bad(f"{text!r} is neither a quoted text nor a number")

    def _peek(self) -> str:
        return self._tokens[-1] if self._tokens else ""

    def _accept(self, token: str) -> bool:
        if self._peek() == token:
            self._tokens.pop()
            return True
        return False

    def _next(self) -> str:
        if not self._tokens:
            raise _bad("it ends too early")
        return self._tokens.pop()

    def _expect(self, token: str) -> None:
        found = self._next()
        if found != token:
            raise _bad(f"{token!r} is wanted where {found!r} stands")


def _bad(why: str) -> Fault:
    return invalid(f"the expression cannot be read: {why}", "InvalidFilterFault")


def _called(element: etree._Element, name: str) -> bool:
    return name == "*" or str(element.tag).rpartition("}")[2] == name.removeprefix("{*}")


def _text(element: etree._Element) -> str:
    return "".join(map(str, element.itertext())).strip()


def _compare(order: Callable[[Any, Any], bool], value: str, wanted: str) -> bool:
    try:
        return order(float(value), float(wanted))
    except ValueError:
        return order(value, wanted)
