"""Templates: what may stand in them, and what a value becomes in a path."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctexport_dagster.core.templates import (
    Placeholder,
    Template,
    TemplateError,
    Text,
    Variable,
    parse_template,
    safe_in_path,
)

ALL = frozenset(Variable)


def refusal(text: str, allowed: frozenset[Variable] = ALL) -> str:
    with pytest.raises(TemplateError) as caught:
        parse_template(text, allowed)
    return str(caught.value)


@pytest.mark.req("P5")
def test_a_template_is_its_text_and_its_variables_in_order() -> None:
    assert parse_template("a/{{date}}-x", ALL) == Template((Text("a/"), Placeholder(Variable.DATE), Text("-x")))


@pytest.mark.req("P5")
@pytest.mark.parametrize("variable", list(Variable))
def test_a_variable_is_known_in_any_case_of_letters(variable: Variable) -> None:
    spellings = [variable.value, variable.lower(), variable.upper(), f" {variable.value} "]
    assert [parse_template(f"{{{{{s}}}}}", ALL).variables for s in spellings] == [{variable}] * 4


@pytest.mark.req("P5")
def test_a_misspelt_variable_is_named_with_its_place_and_the_right_one() -> None:
    assert refusal("run-{{exprt-id}}") == "unknown variable {{exprt-id}}; did you mean {{Export-id}}? (at character 5)"


@pytest.mark.req("P5")
def test_a_variable_like_no_other_gets_the_list() -> None:
    assert refusal("{{zzz}}", frozenset({Variable.DATE, Variable.INDEX})) == (
        "unknown variable {{zzz}}; the variables are {{Date}} {{Index}} (at character 1)"
    )


@pytest.mark.req("P5")
def test_a_variable_of_another_kind_of_export_is_refused() -> None:
    assert "{{Event-name}} has no value" in refusal("{{Event-name}}", ALL - {Variable.EVENT_NAME})


@pytest.mark.req("P5")
@pytest.mark.parametrize(
    ("text", "position"),
    [("", 1), ("/a", 1), ("a//b", 3), ("a/", 2), ("{{date}}/", 9), ("/", 1)],
)
def test_an_empty_segment_is_refused_where_it_stands(text: str, position: int) -> None:
    assert refusal(text).endswith(f"(at character {position})")


@pytest.mark.req("P5")
@pytest.mark.parametrize("text", ["a/../b", "..", "{{date}}/.."])
def test_leaving_the_folder_is_refused(text: str) -> None:
    assert ".. would leave the folder" in refusal(text)


@pytest.mark.req("P5")
@pytest.mark.parametrize("character", list(" .\\:*?é日%+=\n\t\0{}"))
def test_a_character_outside_the_allowed_ones_is_refused_where_it_stands(character: str) -> None:
    assert refusal(f"ab{character}c").endswith("(at character 3)")


@pytest.mark.parametrize("text", ["{{date", "{date}", "date}}", "{{}}", "{{a{{date}}}}", "{0.__class__}"])
def test_braces_that_make_no_variable_are_refused(text: str) -> None:
    refusal(text)


@pytest.mark.req("P32")
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Added To Cart", "Added-To-Cart"),
        ("a\tb\nc", "a-b-c"),
        ("a/b\0c", "a-b-c"),
        ("a\x01b\x7fc\x9f", "a?b?c?"),
        ("购买 🛒", "购买-🛒"),
        ("2026-11-01T0600Z", "2026-11-01T0600Z"),
        ("..", "--"),
        (".", "-"),
        ("", "-"),
        ("v1.2", "v1.2"),
    ],
)
def test_a_value_becomes_safe_in_a_path(value: str, expected: str) -> None:
    assert safe_in_path(value) == expected


@pytest.mark.req("P32", "P5")
@given(st.lists(st.text(), min_size=1, max_size=4))
def test_no_values_leave_the_folder_or_add_one(values: list[str]) -> None:
    variables = [Variable.EVENT_NAME, Variable.RUN_ID, Variable.PARTITION, Variable.DATE][: len(values)]
    template = Template((Text("a/"), *(Placeholder(v) for v in variables), Text("/b")))
    segments = template.render(dict(zip(variables, values, strict=True))).split("/")
    assert [len(segments), "" in segments, "." in segments, ".." in segments] == [3, False, False, False]


@pytest.mark.req("P10")
@pytest.mark.parametrize(
    ("text", "ambiguous"),
    [
        ("{{instance-id}}{{index}}", Variable.INSTANCE_ID),
        ("{{instance-id}}1{{index}}", Variable.INSTANCE_ID),
        ("{{index}}{{timestamp}}{{instance-id}}", Variable.INDEX),
        ("{{event-name}}-{{instance-id}}-{{index}}", None),
        ("{{instance-id}}-{{event-name}}-{{index}}", None),
        ("{{event-name}}{{instance-id}}-{{index}}", Variable.EVENT_NAME),
        ("{{instance-id}}-{{index}}", None),
        ("{{instance-id}}{{timestamp}}", None),
        ("{{timestamp}}{{instance-id}}-{{index}}", None),
        ("{{index}}/{{instance-id}}{{date}}", None),
        ("{{date}}{{instance-id}}x{{index}}{{timestamp}}", None),
    ],
)
def test_a_number_that_runs_into_another_is_found(text: str, ambiguous: Variable | None) -> None:
    found = parse_template(text, ALL).ambiguity()
    assert (found.variable if found else None) == ambiguous
