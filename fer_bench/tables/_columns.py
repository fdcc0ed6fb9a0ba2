"""Columns that several tables have, with one text each."""

from fer_bench.params import NAME
from fer_bench.tables._schema import integer, number, text

DATASET = text("the data set, as params.yaml names it", form=NAME)
METHOD = text("the method, as params.yaml names it", form=NAME)
SEED = integer("the run's seed")
SELECTION = text(
    "rule that chose the checkpoint: last, best_on_val, or best_on_test (an oracle: chosen on what is scored)"
)
METRIC = text("the metric's name; fer-bench describe metric NAME says what it is")
ESTIMATE = number("the metric's value, mean over seeds; a fraction where the metric is a share")
LOW = number("lower end of the interval, in the unit of what it is around")
HIGH = number("upper end of it")
LEVEL = number("coverage that the interval aims at, fraction")
INTERVAL_METHOD = text("how the interval is made")
RESAMPLED = text("what the interval covers: samples, persons, seeds and samples, …")
HELD_FIXED = text("what the interval does not cover")
SEEDS = text('the seeds that the number averages, "0;1;2"')
N_SEEDS = integer("how many seeds")
N_SAMPLES = integer("how many samples are scored")
N_RESAMPLES = integer("draws of the bootstrap; 0 where there is none")
LABEL_RULE = text("how votes became labels; released where labels are as released")

SAMPLE_ID = text("the data set's own name of the picture")
Y_TRUE = integer("true expression, index in expressions.py")
Y_PRED = integer("predicted expression, index in expressions.py")

OLDER = "in tables of version 0.1"
