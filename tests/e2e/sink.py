# SPDX-License-Identifier: Apache-2.0
"""A receiving end that records raw bodies: OTLP over HTTP/1.1, whose answers a story may script."""
import gzip
import http.server
import socketserver
import threading

import otlp


class Sink:
    """Listens on 127.0.0.1; `bodies` are the requests as they came (decompressed), by path."""

    def __init__(self, port=0):
        self.bodies = []  # (path, headers, body)
        self.answer = lambda body: (200, {}, b"")  # of the bodies that are recorded only if it is 200
        self.lock = threading.Lock()
        sink = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                with sink.lock:
                    status, headers, reply = sink.answer(body)
                    if status == 200:
                        sink.bodies.append((self.path, dict(self.headers), body))
                self.send_response(status)
                self.send_header("content-type", "application/x-protobuf")
                self.send_header("content-length", str(len(reply)))
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(reply)

            def log_message(self, *args):
                pass

        class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
            daemon_threads = True
            request_queue_size = 64

        self.server = Server(("127.0.0.1", port), Handler)
        self.port = self.server.server_address[1]
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    def spans(self):
        """(resource, scope, span) of every span recorded, as bytes."""
        with self.lock:
            bodies = [b for p, _, b in self.bodies if p == "/v1/traces"]
        for body in bodies:
            yield from otlp.spans(body)

    def traces(self):
        """Trace id (hex) to its spans' bytes."""
        traces = {}
        for _, _, span in self.spans():
            traces.setdefault(otlp.first(span, 1).hex(), []).append(span)
        return traces

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
