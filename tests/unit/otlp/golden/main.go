// SPDX-License-Identifier: Apache-2.0
// What the Collector's pkg/sampling makes of shares and of `ot` members, for test_ot.c.
//
//	T share digits th        the threshold for a share (its bits), rounded to so many digits
//	O "ot=..." rv th         what is read; "-" none; "bad": an error
//	W "ot=..." th "ot=..."   the same with a greater th, as it is written again (no other pairs in it)
package main

import (
	"fmt"
	"math"
	"math/rand"
	"strings"

	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/sampling"
)

func thresholds(random *rand.Rand) {
	shares := []float64{1, 0.5, 0.25, 0.1, 0.01, 0.001, 0.9, 0.99, 0.999, 1.0 / 3, 2.0 / 3, 0x1p-56, 0x1p-55, 1 - 0x1p-53}
	for i := 0; i < 500; i++ {
		shares = append(shares, random.Float64(), math.Exp(-random.Float64()*38), 1-math.Exp(-random.Float64()*36))
	}
	for _, share := range shares {
		digits := 1 + random.Intn(14)
		th, err := sampling.ProbabilityToThresholdWithPrecision(share, digits)
		if err != nil {
			continue
		}
		fmt.Printf("T %016x %d %014x\n", math.Float64bits(share), digits, th.Unsigned())
	}
}

func word(random *rand.Rand, letters string, most int) string {
	text := ""
	for n := random.Intn(most + 1); n > 0; n-- {
		text += string(letters[random.Intn(len(letters))])
	}
	return text
}

func member(random *rand.Rand) string {
	keys := strings.Split("th,th,th,th,rv,rv,rv,rv,x,x,abc9,t,th,rv,x,y,z,9a,,A", ",")
	used := map[string]bool{}
	var pairs []string
	for n := 1 + random.Intn(3); n > 0; n-- {
		key := keys[random.Intn(len(keys))]
		if used[key] { // what it means twice nobody says
			continue
		}
		used[key] = true
		value := word(random, "0123456789abcdef", 15)
		switch {
		case key == "rv" && random.Intn(4) > 0:
			value = fmt.Sprintf("%014x", random.Int63()&(1<<56-1))
		case random.Intn(6) == 0:
			value = word(random, "abcXYZ._-$:;", 6)
		}
		pairs = append(pairs, key+":"+value)
	}
	return "ot=" + strings.Join(pairs, ";")
}

func read(text string) {
	state, err := sampling.NewW3CTraceState(text)
	if err != nil {
		fmt.Printf("O %q bad bad\n", text)
		return
	}
	rv, th := "-", "-"
	if r, has := state.OTelValue().RValueRandomness(); has {
		rv = fmt.Sprintf("%014x", r.Unsigned())
	}
	if t, has := state.OTelValue().TValueThreshold(); has {
		th = fmt.Sprintf("%014x", t.Unsigned())
	}
	fmt.Printf("O %q %s %s\n", text, rv, th)
}

func write(random *rand.Rand) {
	text := fmt.Sprintf("ot=rv:%014x;th:%s", random.Int63()&(1<<56-1), []string{"0", "8", "4c", "7ffe"}[random.Intn(4)])
	state, err := sampling.NewW3CTraceState(text)
	if err != nil {
		panic(err)
	}
	th, _ := sampling.ProbabilityToThresholdWithPrecision(random.Float64()/3, 1+random.Intn(14))
	if state.OTelValue().UpdateTValueWithSampling(th) != nil {
		return
	}
	var out strings.Builder
	state.Serialize(&out)
	fmt.Printf("W %q %014x %q\n", text, th.Unsigned(), out.String())
}

func main() {
	random := rand.New(rand.NewSource(7))
	thresholds(random)
	for i := 0; i < 1500; i++ {
		read(member(random))
	}
	for i := 0; i < 200; i++ {
		write(random)
	}
}
