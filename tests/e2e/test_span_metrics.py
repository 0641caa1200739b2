# SPDX-License-Identifier: Apache-2.0
"""RED metrics: of all spans while one trace in ten is kept, the same series as the Collector's connector, live, and not
lost on the way to a backend."""
import collections
import concurrent.futures
import gzip
import json
import os
import re
import sys
import tempfile
import threading
import urllib.request

import yaml

import otlp
from harness import Daemon, export, post, run_story, tailgen, wait_for
from sink import Sink

SOURCE = os.environ.get("TAILRACE_SOURCE", os.path.join(os.path.dirname(__file__), "../.."))
GOLDEN = os.path.join(SOURCE, "tests/differential/span_metrics")
sys.path.insert(0, GOLDEN)
import corpus  # noqa: E402
import series  # noqa: E402

SPANS = 20000
TENTH = "\n    - {name: tenth, type: probabilistic, probabilistic: {sampling_percentage: 10}}"
ALL = "\n    - {name: all, type: always_sample}"


def backend(sink, signals="[traces, metrics]", more=""):
    return f"[{{name: sink, kind: otlp_http, endpoint: '{sink.endpoint}', signals: {signals}{more}}}]"


def block(options):
    return "span_metrics: " + json.dumps(options)


def metric_bodies(sink):
    with sink.lock:
        return [b for p, _, b in sink.bodies if p == "/v1/metrics"]


def scrape(d, accept="*/*"):
    request = urllib.request.Request(f"http://127.0.0.1:{d.telemetry}/metrics", headers={"Accept": accept})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.headers["content-type"], answer.read().decode()


def calls_of(final):
    return sum(got["count"] for key, got in final.items() if json.loads(key)["name"].endswith("calls"))


class Deltas:
    """What came so far, whatever blocks came one after the other, and however their durations look."""

    def __init__(self, sink):
        self.sink, self.bodies, self.sum = sink, 0, 0

    def calls(self):
        new = metric_bodies(self.sink)[self.bodies:]
        self.bodies += len(new)
        self.sum += sum(map(self.calls_in, new))
        return self.sum

    @staticmethod
    def calls_in(body):
        metrics = (metric for resource in series.every(body, 1) for scope in series.every(resource, 2)
                   for metric in series.every(scope, 2))
        return sum(series.u64(series.last(point, 6)) for metric in metrics if series.last(metric, 1).endswith(b"calls")
                   for data in series.every(metric, 7) for point in series.every(data, 1))


def calls_scraped(text):
    return sum(int(n) for n in re.findall(r"^traces_span_metrics_calls_total\{[^\n]*\} (\d+)", text, flags=re.M))


def goldens():
    with open(os.path.join(GOLDEN, "configs.txt")) as file:
        parts = re.split(r"^=== (\w+)\n", file.read(), flags=re.M)[1:]
    with gzip.open(os.path.join(GOLDEN, "golden.json.gz")) as file:
        golden = json.load(file)
    return {name: (yaml.safe_load(text), golden[name]) for name, text in zip(parts[::2], parts[1::2])}


def equal_the_connector_s(name, options, golden, lcores):
    with Sink() as sink:
        with Daemon(policies=TENTH, lcores=lcores, journal="16MiB", backends=backend(sink, "[metrics]"),
                    extra=block(options | {"metrics_flush_interval": "1s"})) as d:
            for body in corpus.requests():
                assert post(d.port, body)[0] == 200
            d.audit()
        differ = series.same(golden, series.final(metric_bodies(sink)))
    assert not differ, f"{name}, {lcores} lcores: {len(differ)} of {len(golden)}:\n" + "\n".join(differ[:4])
    return len(golden)


def series_equal_the_connectors():
    every = goldens()
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        # What comes first, and so which series are over a limit and whose attributes a resource has, is one lcore's to say.
        runs = [pool.submit(equal_the_connector_s, name, options, golden, lcores)
                for name, (options, golden) in every.items()
                for lcores in ((1,) if "limit" in str(options) or "key_attributes" in str(options) else (1, 4))]
        print(f"{sum(run.result() for run in runs)} series of {len(every)} configs")


def truth_of(sink):
    """Calls by service, name, kind and status, of the spans that a backend got."""
    kinds = ["UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"]
    states = ["UNSET", "OK", "ERROR"]
    calls = collections.Counter()
    for resource, _, span in sink.spans():
        service = series.attributes(resource, 1)["service.name"]
        status = series.last(series.last(span, 15), 3, 0)
        calls[(service, series.last(span, 5).decode(), "SPAN_KIND_" + kinds[series.last(span, 6, 0)],
               "STATUS_CODE_" + states[status])] += 1
    return calls


def calls_by_key(final):
    calls = collections.Counter()
    for key, got in final.items():
        key = json.loads(key)
        if key["name"].endswith("calls"):
            calls[tuple(key["attributes"][a] for a in ("service.name", "span.name", "span.kind", "status.code"))] += got["count"]
    return calls


def counts_are_exact_while_a_tenth_is_kept():
    with Sink() as all_of_them:
        with Daemon(policies=ALL, lcores=2, backends=backend(all_of_them)) as d:
            tailgen("--to", f"127.0.0.1:{d.port}", "--spans", SPANS, "--connections", 4, "--seed", 5)
            d.settle()
        truth = truth_of(all_of_them)
    with tempfile.NamedTemporaryFile(suffix=".truth") as lines, Sink() as sink:
        with Daemon(policies=TENTH, lcores=2, backends=backend(sink), extra=block({"metrics_flush_interval": "1s"})) as d:
            sent = tailgen("--to", f"127.0.0.1:{d.port}", "--spans", SPANS, "--connections", 4, "--seed", 5, "--truth", lines.name)
            audit = d.settle()
            assert calls_scraped(scrape(d)[1]) == sent["spans_acknowledged"]
            assert d.counter("span_metrics_spans_total", outcome="series") == sent["spans_acknowledged"]
        spans = sum(json.loads(line)["spans"] for line in lines)
        final = series.final(metric_bodies(sink))
    assert calls_of(final) == spans == sent["spans_acknowledged"], (calls_of(final), spans)
    assert 0.05 * spans < audit["kept_spans"] < 0.2 * spans, audit
    assert calls_by_key(final) == truth, calls_by_key(final) - truth
    for key, got in final.items():
        if '.duration"' in key:
            assert sum(got["buckets"]) == got["count"] == final[key.replace('.duration"', '.calls"').replace('"ms"', '""')]["count"]
    failed = sum(n for key, n in truth.items() if key[3] == "STATUS_CODE_ERROR")
    print(f"{spans} spans, {failed} failed, {audit['kept_spans']} kept, {len(truth)} series")


def exemplars_are_of_kept_traces():
    with Sink() as sink:
        with Daemon(policies=TENTH, wait="1s", backends=backend(sink),
                    extra=block({"metrics_flush_interval": "2s", "exemplars": {"enabled": True, "max_per_data_point": 3}})) as d:
            tailgen("--to", f"127.0.0.1:{d.port}", "--spans", 20000, "--seed", 6)
            d.settle()
            wait_for(lambda: "# {trace_id=" in scrape(d, "application/openmetrics-text; version=1.0.0")[1], "exemplars to scrape")
            kind, text = scrape(d, "application/openmetrics-text; version=1.0.0")
            assert kind.startswith("application/openmetrics-text") and text.endswith("\n# EOF\n"), (kind, text[-100:])
            families = re.findall(r"^# TYPE (\S+) ", text, flags=re.M)
            assert len(families) == len(set(families)), "a family comes twice"
            assert "# {" not in scrape(d)[1]
            shown = set(re.findall(r'# \{trace_id="([0-9a-f]{32})"', text))
        kept, exemplars = set(sink.traces()), 0
        for body in metric_bodies(sink):
            for _, _, _, _, found in series.points(body):
                assert len(found) <= 3
                for exemplar in found:
                    exemplars += 1
                    assert series.last(exemplar, 5).hex() in kept
        assert shown and shown <= kept
        assert exemplars > 100, exemplars
        print(f"{exemplars} exemplars of {len(kept)} kept traces")


def a_block_comes_changes_and_goes():
    delta = {"metrics_flush_interval": "1s", "aggregation_temporality": "AGGREGATION_TEMPORALITY_DELTA"}
    with Sink() as sink:
        with Daemon(policies=TENTH, wait="500ms", lcores=4, backends=backend(sink)) as d:
            assert "calls_total" not in scrape(d)[1]
            first = tailgen("--to", f"127.0.0.1:{d.port}", "--spans", 1000, "--seed", 1)
            d.tailctl("config", "apply", d.write_config(extra=block(delta)))
            d.audit()
            deltas = Deltas(sink)
            assert deltas.calls() == 0
            reports = []
            load = threading.Thread(target=lambda: reports.append(
                tailgen("--to", f"127.0.0.1:{d.port}", "--rate", 20000, "--duration", "4s", "--connections", 4, "--seed", 2)))
            load.start()
            swaps = 0
            while load.is_alive():
                # Blocks that differ, the same block under other policies, and other policies under the same block.
                more = [{}, {}, {"dimensions": [{"name": "http.route"}]}, {"histogram": {"exponential": {}}}][swaps % 4]
                code, answer = d.tailctl("config", "apply", d.write_config(
                    extra=block(delta | more), policies=TENTH if swaps % 3 else ALL), check=False)
                assert code == 0 or "try again" in str(answer), answer
                swaps += code == 0
                load.join(0.1)  # each block's last series are a request, and are read here
            d.settle()
            d.tailctl("config", "apply", d.write_config(extra=""))
            wait_for(lambda: deltas.calls() == reports[0]["spans_acknowledged"], "what the last block counted")
            assert "calls_total" not in scrape(d)[1]
            tailgen("--to", f"127.0.0.1:{d.port}", "--spans", 1000, "--seed", 3)
            d.settle()
        assert deltas.calls() == reports[0]["spans_acknowledged"]
        assert swaps > 3 and first["spans_acknowledged"]
        print(f"{reports[0]['spans_acknowledged']} spans under {swaps} configs")


def a_block_that_memory_is_too_small_for_is_refused():
    with Daemon(policies=TENTH) as d:
        code, answer = d.tailctl("config", "apply", d.write_config(extra=block({"series_max": 9000000, "histogram": {
            "exponential": {"max_size": 1024}}})), check=False)
        assert code == 1 and "span_metrics.series_max" in str(answer) and "MiB" in str(answer), answer
        assert "calls_total" not in scrape(d)[1]
        d.tailctl("config", "apply", d.write_config(extra=block({})))


def a_refusing_backend_loses_no_count():
    with Sink() as sink:
        refused = []

        def answer(body):
            if len(refused) < 5:
                refused.append(len(body))
                return 503, {"retry-after": "0"}, b""
            return 200, {}, b""

        sink.answer = answer
        with Daemon(policies=TENTH, backends=backend(sink, "[metrics]", ", retry_initial: 100ms"),
                    extra=block({"metrics_flush_interval": "1s", "aggregation_temporality": "AGGREGATION_TEMPORALITY_DELTA"})) as d:
            sent = tailgen("--to", f"127.0.0.1:{d.port}", "--spans", 5000, "--seed", 8)
            wait_for(lambda: calls_of(series.final(metric_bodies(sink))) == sent["spans_acknowledged"], "all counts")
            assert len(refused) == 5 and d.counter("backend_bodies_total", outcome="dropped") == 0


def a_dead_backends_losses_are_counted():
    with Sink() as sink:
        sink.answer = lambda body: (503, {}, b"")
        with Daemon(policies=TENTH, backends=backend(sink, "[metrics]", ", retry_initial: 100ms, retry_elapsed_max: 1s"),
                    extra=block({"metrics_flush_interval": "1s"})) as d:
            tailgen("--to", f"127.0.0.1:{d.port}", "--spans", 100, "--seed", 8)
            wait_for(lambda: d.counter("backend_bodies_total", outcome="dropped") >= 2, "bodies to be given up")
            row, = wait_for(lambda: [b for b in d.tailctl("backends")["backends"] if b["queued_bodies"] and b["queued_body_bytes"]],
                            "bodies to be seen waiting")
            assert row["delivered_bodies"] == 0 and row["dropped_bodies"] >= 2, row
            audited, = d.audit()["backends"]
            assert audited["routed_bodies"] == audited["dropped_bodies"] + audited["queued_bodies"] > 2, audited


def what_is_too_much_counts_as_overflow():
    with Sink() as sink:
        with Daemon(policies=TENTH, lcores=2, backends=backend(sink, "[metrics]"),
                    extra=block({"metrics_flush_interval": "1s", "series_max": 16, "resource_metrics_cache_size": 2})) as d:
            for i in range(300):
                spans = [otlp.span((i + 1).to_bytes(16, "big"), (i + 1).to_bytes(8, "big"), name=f"op-{i % 40}")]
                export(d.port, spans, service=f"service-{i % 5}")
            assert d.counter("span_metrics_spans_total", outcome="overflow") > 100
            assert d.counter("span_metrics_resources") <= 4
        final = series.final(metric_bodies(sink))
    assert calls_of(final) == 300, calls_of(final)
    assert sum(got["count"] for key, got in final.items() if "otel.metric.overflow" in key and '.calls"' in key) > 100
    # Of no resource too: that of services for which there was no room.
    assert any('"resource": {}' in key for key in final)


run_story(series_equal_the_connectors, counts_are_exact_while_a_tenth_is_kept, exemplars_are_of_kept_traces,
          a_block_comes_changes_and_goes, a_block_that_memory_is_too_small_for_is_refused, a_refusing_backend_loses_no_count,
          a_dead_backends_losses_are_counted, what_is_too_much_counts_as_overflow)
