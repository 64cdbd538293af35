"""The OpenAPI schema in rows and words, for pages that people read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any, Literal, NamedTuple

_VERBS = ("get", "post", "put", "patch", "delete")


class Word(NamedTuple):
    """A piece of a type's name."""

    text: str
    look: Literal["plain", "code", "shape"] = "plain"
    """`shape`: the text is the name of a shape, which is described on the same page."""


Words = list[Word]


class Field(NamedTuple):
    """A field of a shape, or a parameter of a request."""

    name: str
    words: Words
    about: str
    place: str = ""
    """Of a parameter: path, query or header."""


class Answer(NamedTuple):
    """What may come back."""

    status: str
    words: Words
    about: str


class Call(NamedTuple):
    """One request that can be made."""

    verb: str
    path: str
    about: str
    parameters: list[Field]
    body: Words
    answers: list[Answer]

    @property
    def good(self) -> Words:
        """The shape of the answer where all went well; empty without one."""
        return next((answer.words for answer in self.answers if answer.status.startswith("2")), [])


class Shape(NamedTuple):
    """A body or an answer: its fields, or the words it may be."""

    name: str
    about: str
    fields: list[Field]
    words: Words


@cache
def calls() -> list[Call]:
    """All requests, by address and verb."""
    paths = _schema()["paths"]
    return [_call(verb, path, paths[path][verb]) for path in paths for verb in _VERBS if verb in paths[path]]


@cache
def shapes() -> list[Shape]:
    """All shapes, by name."""
    return [_shape(name, schema) for name, schema in sorted(_schema()["components"]["schemas"].items())]


@cache
def _schema() -> dict[str, Any]:
    """The same for everybody and as long as the process lives; making it takes a tenth of a second."""
    from drf_spectacular.generators import SchemaGenerator

    schema: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    return schema


def _call(verb: str, path: str, operation: dict[str, Any]) -> Call:
    answers = operation["responses"]
    return Call(
        verb=verb.upper(),
        path=path,
        about=operation.get("description", ""),
        parameters=[_parameter(found) for found in operation.get("parameters", ())],
        body=_content(operation.get("requestBody", {})),
        answers=[Answer(str(s), _content(answers[s]), answers[s].get("description", "")) for s in sorted(answers)],
    )


def _parameter(found: dict[str, Any]) -> Field:
    return Field(found["name"], _words(found["schema"]), _about(found), found["in"])


def _shape(name: str, schema: dict[str, Any]) -> Shape:
    found = schema.get("properties", {})
    fields = [Field(field, _words(inner), _about(inner)) for field, inner in found.items()]
    return Shape(name, "" if "enum" in schema else schema.get("description", ""), fields, _words(schema))


def _content(holder: dict[str, Any]) -> Words:
    return next((_words(content.get("schema", {})) for content in holder.get("content", {}).values()), [])


def _words(schema: dict[str, Any]) -> Words:
    if reference := schema.get("$ref"):
        return [Word(reference.rpartition("/")[2], "shape")]
    if "items" in schema:
        return [Word("list of "), *_words(schema["items"])]
    if inner := schema.get("allOf") or schema.get("oneOf"):
        return list(_joined([words for words in map(_words, inner) if words], " or "))
    if "enum" in schema:
        values = [Word(str(value), "code") for value in schema["enum"] if value not in ("", None)]
        return list(_joined([[value] for value in values], ", "))
    kind = schema.get("type", "")
    if isinstance(kind, list):
        return [Word(" or ".join(kind))]
    form = schema.get("format")
    text = str(kind if form in (None, "int64") else form)  # how wide an integer is depends on the database
    return [Word(text)] if text else []


def _joined(parts: list[Words], glue: str) -> Iterator[Word]:
    for number, words in enumerate(parts):
        if number:
            yield Word(glue)
        yield from words


#: What the schema's generator adds to a text: each word a field may be, with its label.
_CHOICE = re.compile(r"\n*^\* `(?P<word>[^`]*)` - (?P<label>.*)$", re.M)


def _about(found: dict[str, Any]) -> str:
    """Its description; words that explain themselves stand beside it already."""
    return _CHOICE.sub(_choice, found.get("description", "")).strip()


def _choice(choice: re.Match[str]) -> str:
    return "" if choice["label"] == choice["word"] else f"\n{choice['word']}: {choice['label']}."
