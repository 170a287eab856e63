"""Specs and tables: a technique is one spec class, listed by its ``kind`` in the table of its room."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeVar, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ValidationInfo,
    field_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

S = TypeVar("S", bound="Spec")
T = TypeVar("T")


class Settings(BaseModel):
    """Frozen settings in which an unknown key, infinity, NaN, and a yes or no for a number are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_for_a_number(cls, value: object, info: ValidationInfo) -> object:
        # YAML reads yes, no, on and off as truth values, and Python counts those as 1 and 0.
        if isinstance(value, bool) and not _takes_bool(cls.model_fields[str(info.field_name)].annotation):
            raise PydanticCustomError("truth_value", "should not be a yes or no, as YAML reads yes, no, on and off")
        return value


class Spec(Settings):
    """The settings of one technique. ``kind`` is its name in recipes and on the command line."""

    kind: str

    #: What the technique does, in one line for ``--help`` and reports.
    summary: ClassVar[str] = ""


def _takes_bool(annotation: object) -> bool:
    return annotation in (bool, Any) or any(_takes_bool(part) for part in get_args(annotation))


def closest(word: str, known: list[str]) -> str:
    """``did you mean 'x'?`` when a known word is close, else nothing."""
    matches = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f"did you mean {matches[0]!r}?" if matches else ""


def by_kind(members: Sequence[tuple[str, T]]) -> dict[str, T]:
    """Members by kind; a second one of a kind is called KIND_2."""
    named: dict[str, T] = {}
    for kind, member in members:
        number = 1 + sum(other == kind for other, _ in members[: len(named)])
        named[kind if number == 1 else f"{kind}_{number}"] = member
    return named


class Table(Generic[S]):
    """The techniques of one room by kind. Recipes, ``--help``, schema and contract tests read it from here."""

    def __init__(self, noun: str, *members: type[S]) -> None:
        self.noun = noun
        self._members: dict[str, type[S]] = {}
        for member in members:
            self.add(member)

    def add(self, member: type[S]) -> type[S]:
        """Lists a technique; usable as a decorator by code outside the package."""
        self._members[member.model_fields["kind"].default] = member
        return member

    def remove(self, kind: str) -> None:
        """Takes a technique off the table."""
        del self._members[kind]

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._members))

    def __contains__(self, kind: object) -> bool:
        return kind in self._members

    def __getitem__(self, kind: str) -> type[S]:
        return self._members[kind]

    def parse(self, value: object) -> S:
        """A spec from a spec, a kind, or a mapping with ``kind`` and settings.

        Raises:
            PydanticCustomError: for a kind that the table does not list.
            pydantic.ValidationError: for settings that the kind does not have.
        """
        match value:
            case Spec() if type(value) in self._members.values():
                return value  # type: ignore[return-value]
            case str():
                settings: Mapping[str, Any] = {"kind": value}
            case Mapping() if "kind" in value:
                settings = value
            case _:
                raise PydanticCustomError("kind_missing", "needs a kind: one of {kinds}", {"kinds": ", ".join(self)})
        kind = str(settings["kind"])
        if kind not in self._members:
            hint = closest(kind, list(self)) or f"known are {', '.join(self)}"
            message = "unknown {noun} '{kind}'; {hint}"
            raise PydanticCustomError("kind_unknown", message, {"noun": self.noun, "kind": kind, "hint": hint})
        return self._members[kind].model_validate(settings)


class FromTable:
    """Marks a recipe field as a member of a table: ``Annotated[MethodSpec, FromTable(METHODS)]``."""

    def __init__(self, table: Table[Any]) -> None:
        self.table = table

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            self.table.parse,
            serialization=core_schema.plain_serializer_function_ser_schema(lambda spec: spec.model_dump()),
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [{"enum": list(self.table)}, *(self.table[kind].model_json_schema() for kind in self.table)]}
