"""Stages in words; the golden files of `test_explain` show the whole vocabulary."""

from streamframe.plan.compile import compile_plan
from streamframe.plan.stage_words import facts, verb
from tests.plan.described import everything, windows


def words(program):
    stages = [stage for sub in compile_plan(program).sub_topologies for stage in sub.stages]
    return {stage.node.name + " " + verb(stage): facts(stage) for stage in stages}


def test_every_kind_of_stage_has_a_verb():
    verbs = {name.split()[-1] for program in (windows(), everything()) for name in words(program)}

    assert verbs == {
        *("source", "receive", "send", "aggregate", "filter", "assign", "project", "astype", "explode"),
        *("map_batches", "union", "to_topic", "for_each_batch", "print"),
    }


def test_a_source_says_what_is_not_the_default():
    assert words(windows())["clicks source"] == [
        *("json()", "event time ts", "no key promised", "on_error skip", "max_ahead 1min", "from the latest")
    ]


def test_functions_are_called_by_their_names():
    assert words(everything())["a assign"] == ["amount = _even(), part = meta.partition, page = 'x'"]
    assert words(everything())["f filter"] == ["_even()"]
