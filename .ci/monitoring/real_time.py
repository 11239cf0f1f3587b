"""What only the rules as they are can show: groups that are evaluated one after the other, while rates change."""

from lib.report import passed, wrong

# A group's interval, and all that a run can last.
STEP_S, WHOLE = 5, "1h"
# A rounding error is none of the rules'.
SLACK = 1e-6


def objectives(api) -> None:
    """Each objective's bad events are between none and all of its events; and nothing young pages of a month."""
    where = "deploy/prometheus/rules/slo.yaml, in a Prometheus with its own intervals"
    found = {}
    for what, expression in {
        "the fewest bad events a second": f"min_over_time(slo:errors:rate1m[{WHOLE}])",
        "the largest share of bad events": f"max_over_time(slo:error:ratio{{window=\"5m\"}}[{WHOLE}])",
        "bad events a second beyond all events": (
            f"max_over_time((slo:errors:rate1m - slo:events:rate1m)[{WHOLE}:{STEP_S}s])"
        ),
    }.items():
        for sample in api.query(expression):
            found.setdefault(sample["metric"]["slo"], {})[what] = float(sample["value"][1])
    for slo, figures in found.items():
        fewest, largest, beyond = figures.values()
        if fewest < -SLACK or largest > 1 + SLACK or beyond > SLACK:
            wrong(where, f"{slo} had {figures}", "at least 0, at most 1, at most 0")
    if len(found) < 5 or not any(figures["the largest share of bad events"] > 0.01 for figures in found.values()):
        wrong(where, f"nothing went wrong in any of {sorted(found)}", "five objectives, and a hang of Redis that shows")
    for sample in api.query(f'count_over_time(ALERTS{{alertname=~"ErrorBudget.+", alertstate="firing"}}[{WHOLE}])'):
        wrong(where, f"{sample['metric']['alertname']} has fired for {sample['metric']['slo']} after minutes", "silence")
    passed(
        "objectives, by the rules as they are, through a hang of Redis: "
        + ", ".join(f"{slo} {figures['the largest share of bad events']:.0%}" for slo, figures in sorted(found.items()))
        + " bad at most, never less than none, and no alert of a Prometheus of minutes"
    )
