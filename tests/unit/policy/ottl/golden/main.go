// SPDX-License-Identifier: Apache-2.0

// Golden answers of the Collector's own ottl_condition policy. Reads spans from the file named, conditions
// from stdin, a line of JSON each; writes a line for each: `refused`, or a character for each span (0, 1, e: an error).
// Its module path lets it reach what the Collector keeps internal.
package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"

	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/ottl"
	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/tailsamplingprocessor/internal/sampling"
	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/tailsamplingprocessor/pkg/samplingpolicy"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

type condition struct {
	Context string `json:"context"`
	Text    string `json:"text"`
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// Requests, each behind its length in four bytes, little-endian.
func requests(path string) []ptrace.Traces {
	data, err := os.ReadFile(path)
	check(err)
	var all []ptrace.Traces
	var reader ptrace.ProtoUnmarshaler
	for len(data) > 0 {
		n := binary.LittleEndian.Uint32(data)
		traces, err := reader.UnmarshalTraces(data[4 : 4+n])
		check(err)
		all = append(all, traces)
		data = data[4+n:]
	}
	return all
}

func answer(evaluator samplingpolicy.Evaluator, traces ptrace.Traces) byte {
	trace := &samplingpolicy.TraceData{ReceivedBatches: traces}
	decision, err := evaluator.Evaluate(context.Background(), pcommon.TraceID{}, trace)
	switch {
	case err != nil:
		return 'e'
	case decision == samplingpolicy.Sampled:
		return '1'
	}
	return '0'
}

func main() {
	spans := requests(os.Args[1])
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var c condition
		check(json.Unmarshal(lines.Bytes(), &c))
		var span, event []string
		if c.Context == "spanevent" {
			event = []string{c.Text}
		} else {
			span = []string{c.Text}
		}
		evaluator, err := sampling.NewOTTLConditionFilter(componenttest.NewNopTelemetrySettings(), span, event, ottl.PropagateError)
		if err != nil {
			fmt.Fprintln(out, "refused")
			continue
		}
		answers := make([]byte, 0, len(spans))
		for _, traces := range spans {
			answers = append(answers, answer(evaluator, traces))
		}
		fmt.Fprintln(out, string(answers))
	}
	check(lines.Err())
}
