// SPDX-License-Identifier: Apache-2.0
package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"os"
	"regexp"
)

// The patterns are those of patterns.txt, one a line. The values are made from a seed, so that they need not be kept:
// values.c makes the same.
const values = 10000

type random uint64

func (r *random) next() uint64 {
	*r += 0x9e3779b97f4a7c15
	x := uint64(*r)
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	x ^= x >> 33
	return x
}

func (r *random) below(n int) int { return int(r.next() % uint64(n)) }

// Out of pieces that patterns ask about, so that a good share of the answers is yes.
func value(r *random, pieces []string) string {
	n := r.below(7)
	text := ""
	for i := 0; i < n; i++ {
		switch r.below(8) {
		case 0:
			text += string([]byte{byte(r.next())})
		case 1:
			text += string(rune(r.below(0x600)))
		default:
			text += pieces[r.below(len(pieces))]
		}
	}
	return text
}

func lines(path string) []string {
	file, err := os.Open(path)
	if err != nil {
		panic(err)
	}
	defer file.Close()
	var all []string
	scanner := bufio.NewScanner(file)
	for scanner.Scan() {
		all = append(all, scanner.Text())
	}
	return all
}

// For each pattern a byte, 1 if Go takes it, then a bit a value.
func answers() {
	patterns := lines("patterns.txt")
	var pieces []string
	for _, line := range lines("pieces.txt") {
		var piece string
		if _, err := fmt.Sscanf(line, "%q", &piece); err != nil {
			panic(line)
		}
		pieces = append(pieces, piece)
	}
	r := random(1)
	all := make([]string, values)
	for i := range all {
		all[i] = value(&r, pieces)
	}
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	var hash uint64 = 0xcbf29ce484222325
	for _, v := range all {
		for _, b := range []byte(v) {
			hash = (hash ^ uint64(b)) * 0x100000001b3
		}
		hash = (hash ^ 0x100) * 0x100000001b3
	}
	binary.Write(out, binary.LittleEndian, hash)
	for _, pattern := range patterns {
		bits := make([]byte, (values+7)/8)
		re, err := regexp.Compile(pattern)
		taken := byte(0)
		if err == nil {
			taken = 1
			for i, v := range all {
				if re.MatchString(v) {
					bits[i/8] |= 1 << (i % 8)
				}
			}
		}
		out.WriteByte(taken)
		out.Write(bits)
	}
}
