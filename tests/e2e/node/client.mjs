// SPDX-License-Identifier: Apache-2.0
// node client.mjs ENDPOINT grpc|http|json none|gzip: sends 40 traces of 2 spans, every fourth with an error, and prints
// what it sent.
import dns from 'node:dns';
import { SpanStatusCode, context, trace } from '@opentelemetry/api';
import { OTLPTraceExporter as Grpc } from '@opentelemetry/exporter-trace-otlp-grpc';
import { OTLPTraceExporter as Json } from '@opentelemetry/exporter-trace-otlp-http';
import { OTLPTraceExporter as Proto } from '@opentelemetry/exporter-trace-otlp-proto';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base';

const [endpoint, protocol, compression] = process.argv.slice(2);
let failed = null;
// The exporters hand "[fd00::2]" to the resolver, brackets and all.
const httpAgentOptions = {
  keepAlive: true,
  lookup: (host, options, done) => dns.lookup(host.replace(/^\[|\]$/g, ''), options, done),
};
const base = {
  grpc: () => new Grpc({ url: endpoint, compression }),
  http: () => new Proto({ url: `${endpoint}/v1/traces`, compression, httpAgentOptions }),
  json: () => new Json({ url: `${endpoint}/v1/traces`, compression, httpAgentOptions }),
}[protocol]();
const exporter = {
  export: (spans, done) => base.export(spans, (result) => { failed ||= result.error; done(result); }),
  shutdown: () => base.shutdown(),
  forceFlush: () => base.forceFlush?.(),
};
const provider = new BasicTracerProvider({
  resource: resourceFromAttributes({ 'service.name': 'node-shop' }),
  spanProcessors: [new BatchSpanProcessor(exporter)],
});
const tracer = provider.getTracer('e2e');
const errors = [];
for (let i = 0; i < 40; i++) {
  const root = tracer.startSpan('checkout');
  const child = tracer.startSpan('pay', {}, trace.setSpan(context.active(), root));
  if (i % 4 === 0) {
    child.setStatus({ code: SpanStatusCode.ERROR });
    errors.push(root.spanContext().traceId);
  }
  child.end();
  root.end();
}
await provider.forceFlush();
await provider.shutdown();
if (failed) {
  console.error(failed);
  process.exit(1);
}
console.log(JSON.stringify({ spans: 80, errors }));
