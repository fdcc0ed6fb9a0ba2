"""Errors, registry, seeds and provenance."""

import sys

import pytest

from fer_bench import provenance, registry, seeds
from fer_bench.errors import FerBenchError
from fer_bench.expressions import EXPRESSIONS, expressions


def test_an_error_carries_its_fix():
    assert str(FerBenchError("it broke", fix="mend it")) == "it broke\n  fix: mend it"


def test_listing_a_kind_imports_none_of_it():
    before = set(sys.modules)
    assert "conv_cut" in registry.names("methods")
    assert not {name for name in set(sys.modules) - before if name.startswith("baselines.")}


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(FerBenchError) as caught:
        registry.load("methods", "conv_cat")
    assert "did you mean conv_cut?" in caught.value.fix


def test_streams_with_other_names_or_seeds_differ():
    found = {seeds.derive(seed, name) for seed in range(50) for name in ("order", "augment", "init")}
    assert len(found) == 150
    assert all(0 <= seed < 2**31 for seed in found)


def test_a_generator_repeats_for_the_same_name():
    assert (seeds.generator(1, "a").random(3) == seeds.generator(1, "a").random(3)).all()


def test_the_digest_of_code_follows_the_modules_that_are_loaded():
    assert provenance.code_digest(["fer_bench.seeds"]) != provenance.code_digest(["fer_bench.errors"])
    assert provenance.code_digest(["fer_bench.seeds"]) == provenance.code_digest(["fer_bench.seeds"])


def test_classes_beyond_the_eight_expressions_are_called_by_number():
    assert expressions(7) == expressions(8)[:7] == EXPRESSIONS[:7]
    assert expressions(30) == (*EXPRESSIONS, *(f"class{number}" for number in range(9, 31)))
    assert len(set(expressions(30))) == 30
    with pytest.raises(ValueError, match="2 or more"):
        expressions(1)


def test_a_metric_of_a_numbered_class_is_found_by_its_name():
    assert registry.metric_of("recall_class30") == ("recall", "class30")
