"""Tables of techniques: what is listed can be named, set, and added to."""

from typing import ClassVar, Literal

import pytest
from pydantic import PositiveInt, ValidationError
from pydantic_core import PydanticCustomError

from acclimate.core.specs import Spec, Table, closest


class Tool(Spec):
    """The base of a toy room."""


class Hammer(Tool):
    kind: Literal["hammer"] = "hammer"
    weight: PositiveInt = 1
    summary: ClassVar[str] = "hits"


class Saw(Tool):
    kind: Literal["saw"] = "saw"


@pytest.fixture
def table() -> Table[Tool]:
    return Table("tool", Hammer, Saw)


def test_a_spec_a_kind_and_a_mapping_mean_the_same(table: Table[Tool]) -> None:
    assert table.parse("hammer") == table.parse({"kind": "hammer"}) == table.parse(Hammer()) == Hammer()
    assert table.parse({"kind": "hammer", "weight": "3"}) == Hammer(weight=3)


def test_kinds_come_in_alphabetic_order(table: Table[Tool]) -> None:
    assert list(table) == ["hammer", "saw"]
    assert table["saw"] is Saw
    assert "hammer" in table
    assert "drill" not in table


def test_techniques_from_outside_can_be_added_and_removed(table: Table[Tool]) -> None:
    @table.add
    class Drill(Tool):
        kind: Literal["drill"] = "drill"

    assert list(table) == ["drill", "hammer", "saw"]
    assert table.parse("drill") == Drill()
    table.remove("drill")
    assert list(table) == ["hammer", "saw"]
    with pytest.raises(PydanticCustomError, match="unknown tool 'drill'"):
        table.parse("drill")


def test_an_unknown_kind_is_answered_with_a_close_or_with_all(table: Table[Tool]) -> None:
    with pytest.raises(PydanticCustomError, match=r"unknown tool 'hamer'; did you mean 'hammer'\?"):
        table.parse("hamer")
    with pytest.raises(PydanticCustomError, match="unknown tool 'x'; known are hammer, saw"):
        table.parse({"kind": "x"})


@pytest.mark.parametrize("value", [None, 3, [], {}, {"weight": 2}])
def test_a_value_without_kind_is_answered_with_all_kinds(value: object, table: Table[Tool]) -> None:
    with pytest.raises(PydanticCustomError, match="needs a kind: one of hammer, saw"):
        table.parse(value)


def test_a_spec_of_another_table_is_refused(table: Table[Tool]) -> None:
    with pytest.raises(PydanticCustomError, match="needs a kind"):
        Table("tool", Saw).parse(Hammer())


@pytest.mark.parametrize("settings", [{"size": 1}, {"weight": 0}, {"weight": float("nan")}])
def test_settings_are_checked_and_frozen(settings: dict[str, object], table: Table[Tool]) -> None:
    with pytest.raises(ValidationError):
        table.parse({"kind": "hammer", **settings})
    with pytest.raises(ValidationError, match="frozen"):
        Hammer().weight = 2  # type: ignore[misc]


def test_closest_says_nothing_when_nothing_is_close() -> None:
    assert closest("temprature", ["temperature", "weight"]) == "did you mean 'temperature'?"
    assert closest("zzz", ["temperature", "weight"]) == ""
