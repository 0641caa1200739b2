#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The telemetry listener, as Prometheus, an orchestrator and a browser meet it."""
import http.client
import html.parser
import re
import select
import threading
import unittest

from fake_daemon import FakeDaemonTest

SAMPLE = re.compile(r'^([a-z_:][a-z0-9_:]*)(?:\{((?:[a-z_]+="(?:[^"\\\n]|\\[\\"n])*",?)*)\})? ([0-9.]+|\+Inf)$')


def check_exposition(text):
    """Text format 0.0.4, read strictly. Returns {name: kind}."""
    kinds, helped, seen, family = {}, set(), set(), None
    assert text.endswith("\n")
    for line in text[:-1].split("\n"):
        if line.startswith("# HELP "):
            name = line.split(" ", 3)[2]
            assert name not in helped, "HELP twice: " + name
            helped.add(name)
            family = name
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name == family and name not in kinds, "TYPE out of place: " + name
            assert kind in ("counter", "gauge")
            kinds[name] = kind
        else:
            match = SAMPLE.match(line)
            assert match, "not a sample: " + line
            assert match[1] == family, "outside its family: " + line
            assert (match[1], match[2]) not in seen, "twice: " + line
            seen.add((match[1], match[2]))
    return kinds


class Page(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.stack, self.texts, self.outside = [], [], []

    def handle_starttag(self, tag, attrs):
        if tag != "meta":
            self.stack.append(tag)
        for name, value in attrs:
            if name in ("src", "href") and not value.startswith("/"):
                self.outside.append(value)
        if tag in ("script", "link", "img", "iframe"):
            self.outside.append(tag)

    def handle_endtag(self, tag):
        assert self.stack.pop() == tag, tag

    def handle_data(self, data):
        self.texts.append(data)


class Telemetry(FakeDaemonTest):
    def get(self, path, method="GET", body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.request(method, path, body)
        response = connection.getresponse()
        text = response.read().decode()
        connection.close()
        return response, text

    def test_metrics(self):
        response, text = self.get("/metrics")
        self.assertEqual(response.status, 200)
        self.assertEqual(response.headers["Content-Type"], "text/plain; version=0.0.4; charset=utf-8")
        kinds = check_exposition(text)
        self.assertEqual(kinds["tailrace_fake_spans_total"], "counter")
        self.assertEqual(kinds["tailrace_horizon_seconds"], "gauge")
        self.assertTrue(all(name.startswith("tailrace_") for name in kinds))
        self.assertTrue(all(name.endswith("_total") == (kind == "counter") for name, kind in kinds.items()))

    def test_health_and_readiness(self):
        self.assertEqual(self.get("/healthz")[1], "ok\n")
        response, text = self.get("/readyz")
        self.assertEqual((response.status, text), (200, "ready\n"))
        self.command("not_ready")
        response, text = self.get("/readyz")
        self.assertEqual((response.status, text), (503, "not ready: draining\n"))
        self.assertEqual(self.get("/healthz")[0].status, 200)
        self.assertIn("tailrace_ready 0\n", self.get("/metrics")[1])

    def test_a_probe_does_not_wait_for_an_audit_nor_a_scrape(self):
        self.command("hold")
        audit = threading.Thread(target=self.request, args=("GET", "/v1/audit"))
        audit.start()
        self.until(lambda: self.command("holding") == "yes", "no audit")
        scrape = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        scrape.request("GET", "/metrics")
        try:
            self.assertEqual(self.get("/readyz")[1], "ready\n")
            self.assertEqual(self.get("/healthz")[1], "ok\n")
            self.assertEqual(select.select([scrape.sock], [], [], 0)[0], [])
        finally:
            self.command("good")
        self.assertEqual(scrape.getresponse().status, 200)
        scrape.close()
        audit.join()

    def test_status_page(self):
        response, text = self.get("/")
        self.assertEqual(response.status, 200)
        self.assertEqual(response.headers["Content-Type"], "text/html; charset=utf-8")
        self.assertIn("default-src 'none'", response.headers["Content-Security-Policy"])
        page = Page()
        page.feed(text)
        self.assertEqual(page.stack, [])
        self.assertEqual(page.outside, [])
        self.assertIn("tempo", page.texts)
        self.assertIn("status_code", page.texts)
        self.assertIn("limited", page.texts)
        self.assertIn("4.7k", page.texts)
        self.assertIn("5.1k", page.texts)
        self.assertIn("4.8k", page.texts)

    def test_only_reading(self):
        for method in ("POST", "PUT", "DELETE"):
            response, _ = self.get("/metrics", method)
            self.assertEqual((response.status, response.headers["Allow"]), (405, "GET, HEAD"))
        self.assertEqual(self.get("/metrics", "POST", "x" * 100)[0].status, 413)
        self.assertEqual(self.get("/v1/status")[0].status, 404)
        response, text = self.get("/metrics", "HEAD")
        self.assertEqual((response.status, text), (200, ""))

    def test_drift_and_confirmation_are_gauges(self):
        self.request("POST", "/v1/config/apply", {"text": "a: 2\n", "confirm_seconds": 600})
        self.until(lambda: "tailrace_config_drift 1\n" in self.get("/metrics")[1], "no drift")
        self.until(lambda: "tailrace_config_confirm_waiting 1\n" in self.get("/metrics")[1], "nothing waits")
        self.request("POST", "/v1/config/undo")
        self.until(lambda: "tailrace_config_drift 0\n" in self.get("/metrics")[1], "still drift")
        self.assertIn('tailrace_config_applies_total{outcome="applied"} 1\n', self.get("/metrics")[1])


if __name__ == "__main__":
    unittest.main()
