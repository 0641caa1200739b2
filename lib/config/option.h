// SPDX-License-Identifier: Apache-2.0
// Options, each written once: a row gives parsing, checking, `config show`, `config diff`,
// docs/configuration.md. Each folder brings a table of rows beside the struct they fill
// (lib/http/http_options.h, ...); app/ puts the tables together. Adding an option is its row and its use.
//
//   struct tr_http_options { uint64_t body_bytes_max; uint64_t request_timeout_ns; };
//   static const struct tr_option rows[] = {
//       TR_OPTION_SIZE(struct tr_http_options, body_bytes_max, "body_size_max", "64MiB", 1 * TR_KIB, TR_GIB,
//                      TR_LIVE, "Largest body of a request, also after decompression."),
//
// Thread: control path. Values live in the arena of the struct tr_options_doc that parsed them.
#ifndef TR_CONFIG_OPTION_H
#define TR_CONFIG_OPTION_H

#include "base/error.h"
#include "base/tr.h"

enum tr_option_type {
    TR_TYPE_BOOL,     // bool
    TR_TYPE_UINT,     // uint64_t
    TR_TYPE_INT,      // int64_t
    TR_TYPE_NUMBER,   // double
    TR_TYPE_DURATION, // uint64_t, ns; "10s", "250ms", "1h30m"
    TR_TYPE_SIZE,     // uint64_t, bytes; "512MiB", "64KB", "auto" where TR_AUTO is allowed
    TR_TYPE_STRING,   // const char *
    TR_TYPE_ENUM,     // int, index into names
    TR_TYPE_STRINGS,  // struct tr_strings
    TR_TYPE_MAP,      // struct tr_map: string to string, order kept
    TR_TYPE_STRUCT,   // the struct itself, by table
    TR_TYPE_POINTER,  // pointer to the struct, NULL when absent, by table (a policy's own block)
    TR_TYPE_LIST,     // struct tr_list of structs, by table
};

enum tr_option_flags {
    TR_LIVE = 1,     // `tailctl apply` changes it in a running daemon; without: needs a restart
    TR_REQUIRED = 2, // no default
    TR_AUTO = 4,     // the word "auto" is accepted and stored as 0 (numbers) or NULL (strings)
    TR_SECRET = 8,   // shown as "***" by show and diff, unless it begins with env: or file:
    TR_ONE_TOO = 16, // STRINGS: a single text is a list of one
};

struct tr_strings {
    const char **items;
    size_t count;
};

struct tr_map {
    const char **keys;
    const char **values;
    size_t count;
};

struct tr_list {
    void *items; // array of count structs of the row's table
    size_t count;
};

struct tr_option_table;

struct tr_option {
    const char *name;
    enum tr_option_type type;
    int flags;
    size_t offset;
    const char *initial; // the default as it would be written in YAML; NULL: zero, empty or absent
    // Numbers, durations (ns), sizes; how many items a list, strings or a map has. Both 0: unbounded; max
    // below min: no upper bound. Holds for defaults as well, and a list that is left out has 0 items.
    double min, max;
    const char *const *names;            // ENUM: NULL-terminated
    const struct tr_option_table *table; // STRUCT, POINTER, LIST
    const char *help;                    // one sentence or two, for docs/configuration.md
};

struct tr_option_table {
    const char *title; // of its section in docs/configuration.md
    const struct tr_option *rows;
    size_t count;
    size_t struct_bytes;

    // Checks that no row can make, after all rows are in. `path` is "ports[1]", "" at the root. NULL: none.
    // The line is added if the error begins with a path. Returns 0 or tr_error_set(error, EINVAL,
    // "%s.listen[0]: ...", path, ...).
    int (*check)(void *options, const char *path, struct tr_error *error);

    // What a key that is not among the rows may mean, NULL: nothing. NULL: no key does.
    const char *(*unknown)(const char *key);
};

#define TR_OPTION_(s, field, name_, type_, initial_, min_, max_, flags_, names_, table_, help_)              \
    {                                                                                                        \
        .name = name_, .type = type_, .flags = flags_, .offset = offsetof(s, field), .initial = initial_,    \
        .min = (double)(min_), .max = (double)(max_), .names = names_, .table = table_, .help = help_        \
    }
#define TR_OPTION_BOOL(s, f, name, initial, flags, help)                                                     \
    TR_OPTION_(s, f, name, TR_TYPE_BOOL, initial, 0, 0, flags, NULL, NULL, help)
#define TR_OPTION_UINT(s, f, name, initial, min, max, flags, help)                                           \
    TR_OPTION_(s, f, name, TR_TYPE_UINT, initial, min, max, flags, NULL, NULL, help)
#define TR_OPTION_INT(s, f, name, initial, min, max, flags, help)                                            \
    TR_OPTION_(s, f, name, TR_TYPE_INT, initial, min, max, flags, NULL, NULL, help)
#define TR_OPTION_NUMBER(s, f, name, initial, min, max, flags, help)                                         \
    TR_OPTION_(s, f, name, TR_TYPE_NUMBER, initial, min, max, flags, NULL, NULL, help)
#define TR_OPTION_DURATION(s, f, name, initial, min, max, flags, help)                                       \
    TR_OPTION_(s, f, name, TR_TYPE_DURATION, initial, min, max, flags, NULL, NULL, help)
#define TR_OPTION_SIZE(s, f, name, initial, min, max, flags, help)                                           \
    TR_OPTION_(s, f, name, TR_TYPE_SIZE, initial, min, max, flags, NULL, NULL, help)
#define TR_OPTION_STRING(s, f, name, initial, flags, help)                                                   \
    TR_OPTION_(s, f, name, TR_TYPE_STRING, initial, 0, 0, flags, NULL, NULL, help)
#define TR_OPTION_ENUM(s, f, name, initial, names, flags, help)                                              \
    TR_OPTION_(s, f, name, TR_TYPE_ENUM, initial, 0, 0, flags, names, NULL, help)
#define TR_OPTION_STRINGS(s, f, name, min, max, flags, help)                                                 \
    TR_OPTION_(s, f, name, TR_TYPE_STRINGS, NULL, min, max, flags, NULL, NULL, help)
#define TR_OPTION_MAP(s, f, name, max, flags, help)                                                          \
    TR_OPTION_(s, f, name, TR_TYPE_MAP, NULL, 0, max, flags, NULL, NULL, help)
#define TR_OPTION_STRUCT(s, f, name, table, flags, help)                                                     \
    TR_OPTION_(s, f, name, TR_TYPE_STRUCT, NULL, 0, 0, flags, NULL, table, help)
#define TR_OPTION_POINTER(s, f, name, table, flags, help)                                                    \
    TR_OPTION_(s, f, name, TR_TYPE_POINTER, NULL, 0, 0, flags, NULL, table, help)
#define TR_OPTION_LIST(s, f, name, table, min, max, flags, help)                                             \
    TR_OPTION_(s, f, name, TR_TYPE_LIST, NULL, min, max, flags, NULL, table, help)

// A parsed config: the struct, the arena behind it, and the text it came from.
struct tr_options_doc;

// Parse YAML against a table, fill in defaults, check.
//
// Returns 0 and *doc, or -EINVAL: unknown key, wrong type or value out of range, named with path, line and
// bound ("line 12: ports[1].listen[0]: 70000 is above 65535").
//
// `key:` with nothing behind it is an empty list, map or block (a POINTER is then there, with its defaults),
// and an error for a single value. Hostile text is bounded (yaml.h): 1 MiB, 32 levels, 65536 values, no
// anchors.
int tr_options_parse(const struct tr_option_table *table, const char *text, size_t bytes,
                     struct tr_options_doc **doc, struct tr_error *error);
int tr_options_parse_file(const struct tr_option_table *table, const char *path, struct tr_options_doc **doc,
                          struct tr_error *error);
void tr_options_free(struct tr_options_doc *doc);

// The struct of the table, borrowed from the doc.
void *tr_options_struct(struct tr_options_doc *doc);
const char *tr_options_text(const struct tr_options_doc *doc);

// Put "line N: " before an error that begins with a path ("backends[1].endpoint: ..." or
// "backends[tempo]..."), as those of the modules' own checks do.
void tr_options_locate(const struct tr_options_doc *doc, struct tr_error *error);

// Check a table and all below it: names, ranges, defaults that parse, help. For tests.
int tr_options_lint(const struct tr_option_table *table, struct tr_error *error);

// Where env:NAME or file:PATH begins in a secret: at its begin, or behind one word and a space ("Bearer env:TOKEN").
// NULL: it names no place.
const char *tr_options_reference(const char *text);

// The whole config with defaults as YAML that parses back to the same. Secrets are covered as "***", unless
// they name a place (env:, file:); parsing refuses the cover. Returns malloc'd text, NULL: out of memory.
char *tr_options_show(const struct tr_options_doc *doc);

// A line for each value that differs: path, old, new, live or restart; "" on the side where it is absent.
//
// Items of a list are matched by `name` if their table has one ("backends[tempo].timeout"), otherwise by
// index. A value is live if its row is; that an item or a block comes or goes is live if the row of the list
// or block is. All text is borrowed for the call.
typedef void (*tr_options_diff_fn)(void *context, const char *path, const char *before, const char *after,
                                   bool live);
// Returns the number of differences. `each` may be NULL. Both docs are of the same table.
size_t tr_options_diff(const struct tr_options_doc *before, const struct tr_options_doc *after,
                       tr_options_diff_fn each, void *context);

// The reference, as Markdown, of a table and all below it.
void tr_options_document(const struct tr_option_table *table, FILE *out);

#endif
