"""``certificate.csv``: how often intervals cover and tests reject, counted on simulated runs whose truth is known."""

from fer_bench.tables._columns import METRIC
from fer_bench.tables._schema import Schema, boolean, integer, number, text

_CONTRAST = "where nothing is promised: shown for contrast"

certificate = Schema(
    name="certificate",
    columns={
        "position": integer("place in the order of printing"),
        "what": text("what is counted: coverage, false alarms, false alarms in a family"),
        "metric": METRIC,
        "method": text("how the interval or the p-value is made"),
        "setting": text("the simulated world"),
        "trials": integer("simulated worlds"),
        "rate": number("share of trials in which the interval covers, or the test rejects; fraction"),
        "rate_low": number("lower end of Wilson's 95 % interval of the rate: the error of the simulation"),
        "rate_high": number("upper end of it"),
        "nominal": number("the rate that is aimed at, fraction"),
        "allowed_low": number("lower end of the range that is promised", empty=_CONTRAST),
        "allowed_high": number("upper end of it", empty=_CONTRAST),
        "passed": boolean("whether the rate lies in that range", empty=_CONTRAST),
        "width": number("mean width of the interval, in the metric's unit", empty="for tests"),
        "version": text("of fer-bench"),
        "code": text("digest of the code that was certified"),
    },
    key=("position",),
    remake="fer-bench selftest stats",
)
