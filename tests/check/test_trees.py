"""The notation of PostgreSQL's node trees."""

import pytest

from service.check.trees import Node, TreeError, parse, walk


def node_of(text: str) -> Node:
    node = parse(text)
    assert isinstance(node, Node)
    return node


def test_a_field_is_found_by_its_last_name() -> None:
    """Newer versions prefix a field with its struct; it is found by its own name in all."""
    assert node_of("{INDEXSCAN :scan.plan.qual <> :scan.scanrelid 7}").number("scanrelid") == 7
    assert node_of("{INDEXSCAN :scanrelid 7}").number("scanrelid") == 7


def test_nodes_numbers_and_bitmap_sets_are_lists() -> None:
    """Nodes, numbers, object identifiers and bitmap sets are lists; what is not there is empty."""
    node = node_of("{X :a ({Y :n 1} <> {Y :n 2}) :i (i 1 -2) :o (o 98) :b (b) :none <>}")
    assert [child.number("n") for child in node.nodes("a")] == [1, 2]
    assert [node.numbers(name) for name in ("i", "o", "b", "none")] == [[1, -2], [98], [], []]
    assert node.nodes("none") == []
    assert node.node("none") is None


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (r"a\ b", "a b"),
        (r"\{x\}", "{x}"),
        (r"\\", "\\"),
        (":paramid", ":paramid"),
        (r"\<>", "<>"),
        ('"t"', '"t"'),
        (r"a\)", "a)"),
    ],
)
def test_escapes_are_undone_and_values_are_no_fields(written: str, meant: str) -> None:
    """A word is what the server wrote, escapes undone; one that looks like a field's name is a
    value.
    """
    node = node_of(f"{{ALIAS :aliasname {written} :after 1}}")
    assert (node.text("aliasname"), node.number("after")) == (meant, 1)


def test_a_constants_value_follows_its_length() -> None:
    """A constant's value goes on after its length."""
    node = node_of("{CONST :constvalue 4 [ 1 0 -1 0 ] :location 3}")
    assert node.value("constvalue") == ["4", "[", "1", "0", "-1", "0", "]"]
    assert node.number("location") == 3


def test_an_empty_array_takes_no_other_field() -> None:
    """Where an array is empty, PostgreSQL up to 15 writes nothing: the next field is its own."""
    node = node_of("{AGG :plan.grpOperators  :numGroups 1 :aggParams (b) :empty }")
    assert (node.value("grpOperators"), node.number("numGroups")) == (None, 1)
    assert node.value("empty") is None


def test_walk_visits_every_node_outer_first() -> None:
    """Every node is walked, however deep, the outer ones first."""
    tree = parse("({A :x {B :y ({C} {D :z {E}})}} {F})")
    assert [node.kind for node in walk(tree)] == ["A", "B", "C", "D", "E", "F"]


@pytest.mark.parametrize("text", ["", "{", "{A", "{A :x", "(", "(1 2", "{A :x 1}}", ")", "{A} {B}"])
def test_a_broken_tree_is_refused(text: str) -> None:
    """Half a tree, or more than one, is refused, not guessed at."""
    with pytest.raises(TreeError):
        parse(text)


@pytest.mark.parametrize("ask", ["number", "numbers", "nodes", "node", "text"])
def test_a_missing_field_is_an_error(ask: str) -> None:
    """A missing field is an error, not an empty result."""
    with pytest.raises(TreeError, match="A has no x"):
        getattr(node_of("{A :y 1}"), ask)("x")
