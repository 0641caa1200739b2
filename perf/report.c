// SPDX-License-Identifier: Apache-2.0
// What a run tells when it is over: its report, and the truth.
#include <math.h>
#include <openssl/sha.h>
#include <sys/resource.h>

#include "run.h"

static double latency_ms(const struct run *run, double share)
{
    uint64_t want = (uint64_t)((double)run->latencies_count * share), seen = 0;

    for (int i = 0; i < BUCKETS; i++) {
        seen += run->latencies[i];
        if (seen > want)
            return exp2((double)(i + 1) / 16) / 1000;
    }
    return (double)run->latency_max_ns / 1e6;
}

static void truth_trace(struct run *run, FILE *out, uint64_t pass, uint32_t number, const char *hashes)
{
    static const char digits[] = "0123456789abcdef";
    const struct corpus_trace *trace = &run->corpus.traces[number];
    uint8_t id[16];
    char text[33] = "";

    corpus_trace_id(&run->corpus, number, pass, id);
    for (int i = 0; i < 16; i++) {
        text[2 * i] = digits[id[i] >> 4];
        text[2 * i + 1] = digits[id[i] & 15];
    }
    fprintf(out,
            "{\"id\": \"%s\", \"spans\": %u, \"error\": %s, \"duration_ns\": %llu, \"root\": \"%s\", "
            "\"touched\": %s%s%s%s}\n",
            text, trace->spans, trace->error ? "true" : "false", (unsigned long long)trace->duration_ns, trace->root,
            trace->touched ? "true" : "false", hashes ? ", \"hashes\": [" : "", hashes ? hashes : "", hashes ? "]" : "");
}

// Each trace whose spans were all acknowledged; its spans' hashes from the bodies as they were sent.
int run_truth_write(struct run *run)
{
    uint32_t traces = run->corpus.traces_count;
    uint32_t *missing = calloc(traces, sizeof(*missing));
    char **hashes = calloc(traces, sizeof(*hashes));
    FILE *out = fopen(run->options.truth, "w");

    if (!out || !missing || !hashes) {
        fprintf(stderr, "tailgen: %s: %s\n", run->options.truth, strerror(errno));
        return 1;
    }
    for (uint64_t pass = 0; pass < run->passes_count; pass++) {
        memset(missing, 0, traces * sizeof(*missing));
        for (uint32_t r = 0; r < run->corpus.requests_count; r++) {
            const struct corpus_request *request = &run->corpus.requests[r];

            if (run->options.truth_hash)
                corpus_patch(&run->corpus, r, pass, run->passes[pass].delta_ns, run->body);
            for (uint32_t s = 0; s < request->spans_count; s++) {
                const struct corpus_span *span = &request->spans[s];
                uint8_t digest[32];
                char *text;

                missing[span->trace] += run->passes[pass].fates[r] != FATE_ACKNOWLEDGED;
                if (!run->options.truth_hash)
                    continue;
                if (!hashes[span->trace])
                    hashes[span->trace] = calloc(run->corpus.traces[span->trace].spans, 70);
                text = hashes[span->trace] + strlen(hashes[span->trace]);
                SHA256(run->body + span->offset, span->bytes, digest);
                text += sprintf(text, text > hashes[span->trace] ? ", \"" : "\"");
                for (int i = 0; i < 32; i++)
                    text += sprintf(text, "%02x", digest[i]);
                sprintf(text, "\"");
            }
        }
        for (uint32_t t = 0; t < traces; t++) {
            if (!missing[t])
                truth_trace(run, out, pass, t, hashes[t]);
            if (hashes[t])
                hashes[t][0] = '\0';
        }
    }
    for (uint32_t t = 0; t < traces; t++)
        free(hashes[t]);
    free(hashes);
    free(missing);
    return fclose(out) != 0;
}

void run_report(const struct run *run)
{
    static const char *const codes[] = {"OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND",
                                        "6", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "9", "ABORTED", "11",
                                        "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "15", "UNAUTHENTICATED", "other",
                                        "connection"};
    double seconds = (double)(run->ended_ns - run->begun_ns) / 1e9;
    struct rusage usage;
    double cpu;

    getrusage(RUSAGE_SELF, &usage);
    cpu = (double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec +
          (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    printf(run->options.json ? "{\"connections\": %llu, \"spans_sent\": %llu, \"spans_acknowledged\": %llu, "
                               "\"spans_rejected\": %llu, \"spans_retried\": %llu, \"spans_failed\": %llu, \"requests\": %llu, \"bytes\": %llu, "
                               "\"seconds\": %.3f, \"spans_per_s\": %.0f, \"cpu_s\": %.3f, \"p50_ms\": %.3f, "
                               "\"p90_ms\": %.3f, \"p99_ms\": %.3f, \"max_ms\": %.3f, \"codes\": {"
                             : "connections: %llu opened\n"
                               "spans: %llu sent, %llu acknowledged, %llu rejected, %llu sent again, %llu failed\n"
                               "requests: %llu, %llu bytes in %.3f s: %.0f spans/s, %.3f s of CPU\n"
                               "latency: p50 %.3f ms, p90 %.3f ms, p99 %.3f ms, most %.3f ms\n",
           (unsigned long long)run->wires->opened, (unsigned long long)run->sent, (unsigned long long)run->acknowledged,
           (unsigned long long)run->rejected, (unsigned long long)run->retried, (unsigned long long)run->failed, (unsigned long long)run->requests,
           (unsigned long long)run->bytes, seconds, (double)run->acknowledged / seconds, cpu, latency_ms(run, 0.5),
           latency_ms(run, 0.9), latency_ms(run, 0.99), (double)run->latency_max_ns / 1e6);
    for (size_t i = 0, first = 1; i < TR_NELEMS(codes); i++) {
        if (!run->codes[i])
            continue;
        if (run->options.json)
            printf("%s\"%s\": %llu", first ? "" : ", ", codes[i], (unsigned long long)run->codes[i]);
        else
            printf("answers: %s %llu\n", codes[i], (unsigned long long)run->codes[i]);
        first = 0;
    }
    if (run->options.json)
        puts("}}");
}
