"""``certificate.csv``: how often intervals cover and tests reject, counted on simulated runs whose truth is known."""

from fer_bench.tables._schema import Schema

certificate = Schema(
    name="certificate",
    columns={
        "position": "int",  # in the order of printing
        "what": "str",  # "coverage", "false alarms", "false alarms in a family"
        "metric": "str",
        "method": "str",  # how the interval or the p-value is made
        "setting": "str",
        "trials": "int",
        "rate": "float",
        "rate_low": "float",  # Wilson's interval of the rate at 95 %: the error of the simulation
        "rate_high": "float",
        "nominal": "float",
        "allowed_low": "float",  # empty: shown for contrast, nothing is promised
        "allowed_high": "float",
        "passed": "bool",
        "width": "float",  # mean width of the interval
        "version": "str",
        "code": "str",  # digest of the code that was certified
    },
    key=("position",),
    optional=frozenset({"allowed_low", "allowed_high", "passed", "width"}),
    remake="fer-bench selftest stats",
)
