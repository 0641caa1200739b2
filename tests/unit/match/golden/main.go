// SPDX-License-Identifier: Apache-2.0

// What Go knows, for those who have no Go: the tables of Unicode, and the answers of regexp. See regenerate.
package main

import (
	"bufio"
	"fmt"
	"os"
	"sort"
	"unicode"
)

var scripts = []string{"Arabic", "Armenian", "Bengali", "Common", "Cyrillic", "Devanagari", "Ethiopic", "Georgian",
	"Greek", "Gujarati", "Han", "Hangul", "Hebrew", "Hiragana", "Inherited", "Kannada", "Katakana", "Khmer", "Lao",
	"Latin", "Malayalam", "Mongolian", "Myanmar", "Sinhala", "Tamil", "Telugu", "Thai", "Tibetan"}

func tables() {
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	fmt.Fprintf(out, "// SPDX-License-Identifier: Apache-2.0\n")
	fmt.Fprintf(out, "// Made by tests/unit/match/golden/regenerate: Unicode %s, as Go's unicode package has it.\n", unicode.Version)
	fmt.Fprintf(out, "#include \"match/runes.h\"\n\nconst struct tr_unicode_range tr_unicode_ranges[] = {\n")
	var classes []string
	at := 0
	emit := func(name string, table *unicode.RangeTable) {
		begin := at
		for _, r := range table.R16 {
			fmt.Fprintf(out, "    {0x%x, 0x%x, %d},\n", r.Lo, r.Hi, r.Stride)
			at++
		}
		for _, r := range table.R32 {
			fmt.Fprintf(out, "    {0x%x, 0x%x, %d},\n", r.Lo, r.Hi, r.Stride)
			at++
		}
		classes = append(classes, fmt.Sprintf("    {\"%s\", %d, %d},\n", name, begin, at))
	}
	var categories []string
	for name := range unicode.Categories {
		// A major one is all of its minor ones. LC is not in every version.
		if len(name) == 2 && name != "LC" {
			categories = append(categories, name)
		}
	}
	sort.Strings(categories)
	for _, name := range categories {
		emit(name, unicode.Categories[name])
	}
	for _, name := range scripts {
		emit(name, unicode.Scripts[name])
	}
	fmt.Fprintf(out, "};\n\nconst struct tr_unicode_class tr_unicode_classes[] = {\n")
	for _, class := range classes {
		fmt.Fprint(out, class)
	}
	fmt.Fprintf(out, "};\nconst size_t tr_unicode_classes_count = TR_NELEMS(tr_unicode_classes);\n")
	fmt.Fprintf(out, "\nconst struct tr_unicode_fold tr_unicode_folds[] = {\n")
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if next := unicode.SimpleFold(r); next != r {
			fmt.Fprintf(out, "    {0x%x, 0x%x},\n", r, next)
		}
	}
	fmt.Fprintf(out, "};\nconst size_t tr_unicode_folds_count = TR_NELEMS(tr_unicode_folds);\n")
}

func main() {
	if len(os.Args) == 2 && os.Args[1] == "tables" {
		tables()
		return
	}
	answers()
}
