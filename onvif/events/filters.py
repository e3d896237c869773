"""What a subscription wants to hear: topic expressions and message content filters.

ONVIF Core 26.06, 9.4.5 (ItemFilter) and 9.6.3 (ConcreteSet). Both are small languages, compiled here into functions of
an `Event`; whatever they do not allow is refused with the fault that WS-BaseNotification 1.3, 4.2 names for it.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from lxml import etree

from onvif.errors import Fault
from onvif.events.bus import Event
from onvif.events.faults import refusal
from onvif.names import ITEM_FILTER, PREFIXES, TNS1, TOPIC_CONCRETE, TOPIC_CONCRETE_SET, TT, WSNT, q, split

Test = Callable[[Event], bool]

_MAX_EXPRESSION = 8192
_NAME = r"[^\W\d][\w.-]*"
_PATH = re.compile(rf"(?:({_NAME}):)?({_NAME})((?:/(?:{_NAME}:)?{_NAME})*)(//\.)?")


@dataclass(frozen=True, slots=True)
class Filter:
    """All of its tests must hold; an empty filter lets everything through."""

    tests: tuple[Test, ...] = ()

    def __call__(self, event: Event) -> bool:
        return all(test(event) for test in self.tests)


def compile_filter(element: etree._Element | None, topics: Iterable[str]) -> Filter:
    """The filter of a Subscribe or CreatePullPointSubscription request.

    Args:
        element: `wsnt:Filter` (any wrapper will do), None when there is none.
        topics: the paths that the device publishes.

    Raises:
        Fault: TopicExpressionDialectUnknown, InvalidTopicExpression, TopicNotSupported,
            InvalidMessageContentExpression, InvalidFilter.
    """
    known = tuple(topics)
    tests: list[Test] = []
    for item in element if element is not None else ():
        text = "".join(str(part) for part in item.itertext()).strip()
        if len(text) > _MAX_EXPRESSION:
            raise refusal("InvalidFilterFault", f"A filter of {len(text)} characters is longer than any honest one.")
        match split(str(item.tag)):
            case (namespace, "TopicExpression") if namespace == WSNT:
                dialect = (item.get("Dialect") or "").strip()
                if dialect not in {TOPIC_CONCRETE, TOPIC_CONCRETE_SET}:
                    raise refusal("TopicExpressionDialectUnknownFault", f"The topic dialect {dialect!r} is not spoken.")
                # An empty expression is what several clients send for "everything".
                if text:
                    tests.append(topic_test(text, _prefixes(item), known))
            case (namespace, "MessageContent") if namespace == WSNT:
                dialect = (item.get("Dialect") or "").strip()
                if dialect != ITEM_FILTER:
                    raise refusal(
                        "InvalidMessageContentExpressionFault", f"The content dialect {dialect!r} is not spoken."
                    )
                if text:
                    tests.append(content_test(text, _prefixes(item)))
            case _:
                unknown = etree.Element(q(WSNT, "UnknownFilter"), nsmap={"f": split(str(item.tag))[0] or WSNT})
                unknown.text = f"f:{split(str(item.tag))[1]}"
                raise refusal("InvalidFilterFault", f"There is no filter {item.tag}.", unknown)
    return Filter(tuple(tests))


def topic_test(expression: str, prefixes: Mapping[str, str], known: Iterable[str]) -> Test:
    """`tns1:VideoSource/MotionAlarm|tns1:RuleEngine//.` → a test; every path must name something that exists.

    Raises:
        Fault: InvalidTopicExpression, TopicNotSupported.
    """
    wanted: set[str] = set()
    for path in expression.split("|"):
        found = _PATH.fullmatch(path.strip())
        if found is None:
            raise refusal("InvalidTopicExpressionFault", f"{path[:80]!r} is not a topic path.")
        prefix, root, children, subtree = found.groups()
        namespace = prefixes.get(prefix or "") or PREFIXES.get(prefix or "tns1")
        if namespace is None:
            raise refusal("InvalidTopicExpressionFault", f"The prefix {prefix!r} is not declared.")
        names = [root, *(name.rpartition(":")[2] for name in children.split("/")[1:])]
        full = f"tns1:{'/'.join(names)}" if namespace == TNS1 else f"{{{namespace}}}{'/'.join(names)}"
        matching = {topic for topic in known if topic == full or (subtree and topic.startswith(f"{full}/"))}
        if not matching:
            raise refusal("TopicNotSupportedFault", f"There is no topic {path.strip()[:80]}.")
        wanted |= matching
    return lambda event: event.topic in wanted


def content_test(expression: str, prefixes: Mapping[str, str]) -> Test:
    """`boolean(//tt:SimpleItem[@Name="Source" and @Value="1"])` and its and/or/not combinations.

    Raises:
        Fault: InvalidMessageContentExpression.
    """
    reader = _ContentReader(expression, prefixes)
    test = reader.either()
    reader.end()
    return test


def _prefixes(element: etree._Element) -> dict[str, str]:
    return {prefix or "": uri for prefix, uri in element.nsmap.items() if prefix is not None}


@dataclass(frozen=True, slots=True)
class _Item:
    simple: bool
    name: str
    value: str


_ItemTest = Callable[[_Item], bool]
_TOKEN = re.compile(r'\s*(boolean\b|not\b|and\b|or\b|//|[()\[\]=:]|@\w+|"[^"]*"|\'[^\']*\'|[^\W\d][\w.-]*)')
_MAX_DEPTH = 32


class _ContentReader:
    """Recursive descent over the grammar of ONVIF Core 9.4.5; `and` binds tighter than `or`."""

    def __init__(self, text: str, prefixes: Mapping[str, str]) -> None:
        self._prefixes = prefixes
        self._tokens: list[str] = []
        self._depth = 0
        at = 0
        text = text.rstrip()
        while at < len(text):
            found = _TOKEN.match(text, at)
            if found is None:
                raise self._bad(f"nothing there can start with {text[at : at + 20]!r}")
            self._tokens.append(found.group(1))
            at = found.end()
        self._tokens.reverse()

    def either(self) -> Test:
        tests = [self._both()]
        while self._take("or"):
            tests.append(self._both())
        return tests[0] if len(tests) == 1 else lambda event: any(test(event) for test in tests)

    def _both(self) -> Test:
        tests = [self._one()]
        while self._take("and"):
            tests.append(self._one())
        return tests[0] if len(tests) == 1 else lambda event: all(test(event) for test in tests)

    def _one(self) -> Test:
        self._deeper()
        if self._take("not"):
            inner = self._bracketed(self.either)
            test: Test = lambda event: not inner(event)  # noqa: E731
        elif self._take("boolean"):
            test = self._bracketed(self._path)
        else:
            test = self._bracketed(self.either)
        self._depth -= 1
        return test

    def _path(self) -> Test:
        self._expect("//")
        name = self._next()
        if self._take(":"):
            if (self._prefixes.get(name) or PREFIXES.get(name)) != TT:
                raise self._bad(f"the prefix {name!r} is not that of {TT}")
            name = self._next()
        if name not in {"SimpleItem", "ElementItem"}:
            raise self._bad(f"{name!r} is neither SimpleItem nor ElementItem")
        simple = name == "SimpleItem"
        self._expect("[")
        wanted = self._any_attribute()
        self._expect("]")
        return lambda event: any(item.simple == simple and wanted(item) for item in _items(event))

    def _any_attribute(self) -> _ItemTest:
        tests = [self._all_attributes()]
        while self._take("or"):
            tests.append(self._all_attributes())
        return lambda item: any(test(item) for test in tests)

    def _all_attributes(self) -> _ItemTest:
        tests = [self._attribute()]
        while self._take("and"):
            tests.append(self._attribute())
        return lambda item: all(test(item) for test in tests)

    def _attribute(self) -> _ItemTest:
        self._deeper()
        if self._take("not"):
            self._expect("(")
            inner = self._any_attribute()
            self._expect(")")
            test: _ItemTest = lambda item: not inner(item)  # noqa: E731
        elif self._take("("):
            test = self._any_attribute()
            self._expect(")")
        else:
            test = self._comparison()
        self._depth -= 1
        return test

    def _comparison(self) -> _ItemTest:
        attribute = self._next()
        self._expect("=")
        text = self._next()
        if text[0] not in "\"'":
            raise self._bad(f"{text!r} is not a quoted string")
        wanted = text[1:-1]
        match attribute:
            case "@Name":
                return lambda item: item.name == wanted
            case "@Value":
                return lambda item: item.simple and item.value == wanted
            case _:
                raise self._bad(f"{attribute!r} is neither @Name nor @Value")

    def end(self) -> None:
        if self._tokens:
            raise self._bad(f"nothing may follow before {self._tokens[-1]!r}")

    def _bracketed(self, inside: Callable[[], Test]) -> Test:
        self._expect("(")
        test = inside()
        self._expect(")")
        return test

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise self._bad("it is nested too deeply")

    def _take(self, token: str) -> bool:
        if self._tokens and self._tokens[-1] == token:
            self._tokens.pop()
            return True
        return False

    def _next(self) -> str:
        if not self._tokens:
            raise self._bad("it ends too early")
        return self._tokens.pop()

    def _expect(self, token: str) -> None:
        found = self._next()
        if found != token:
            raise self._bad(f"{token!r} is wanted where {found!r} stands")

    @staticmethod
    def _bad(why: str) -> Fault:
        return refusal("InvalidMessageContentExpressionFault", f"The message content filter cannot be read: {why}.")


def _items(event: Event) -> Iterable[_Item]:
    for part in (event.source, event.key, event.data):
        for name, value in part:
            yield _Item(True, name, value)
    for name, _ in event.elements:
        yield _Item(False, name, "")
