// SPDX-License-Identifier: Apache-2.0
// tailctl: the control socket's client. One command is one row in tailctl.c and one function here.
#ifndef TR_TOOLS_TAILCTL_H
#define TR_TOOLS_TAILCTL_H

#include <jansson.h>

#include "base/tr.h"

enum tr_exit { TR_EXIT_OK = 0, TR_EXIT_REFUSED = 1, TR_EXIT_USAGE = 2, TR_EXIT_NO_DAEMON = 3 };

struct tailctl {
    const char *socket;
    bool json;
    bool once;                    // top
    bool lcores;                  // stats
    bool strict;                  // config import
    double confirm_s;             // config apply
    const char *const *arguments; // of the command
    size_t arguments_count;
};

// A terminal as stdout has it.
struct tr_terminal {
    bool is_tty;
    bool color;
    unsigned width;  // 0: unlimited
    unsigned height; // 0: unlimited
};
const struct tr_terminal *tr_terminal_get(void);
void tr_terminal_look(void); // again: it may have been resized

enum tr_ink { TR_INK_PLAIN, TR_INK_HEAD, TR_INK_GOOD, TR_INK_BAD };

// A table: columns first, then cells row by row. The last column is cut to the terminal's width.
struct tr_table {
    struct tr_table_column {
        const char *title;
        bool right;
    } columns[16];
    size_t columns_count;
    struct tr_table_cell {
        char *text;
        enum tr_ink ink;
    } * cells;
    size_t cells_count, cells_room;
    bool headless;
};
void tr_table_column(struct tr_table *table, const char *title, bool right);
void tr_table_cell(struct tr_table *table, enum tr_ink ink, const char *format, ...) tr_printf(3, 4);
// Prints and empties it.
void tr_table_print(struct tr_table *table, FILE *out);

// Text that came over the socket, made safe for a terminal: control characters become '?'. Newlines stay.
void tr_text_print(FILE *out, const char *text);
void tr_ink_print(FILE *out, enum tr_ink ink, const char *text);

// A request. *answer is a new reference (NULL without JSON) also when it is refused.
//
// Returns TR_EXIT_OK, TR_EXIT_REFUSED or TR_EXIT_NO_DAEMON, after saying why on stderr (and with --json the
// answer itself on stdout).
enum tr_exit tailctl_request(const struct tailctl *tailctl, const char *method, const char *path,
                             const json_t *body, json_t **answer);

// Of an answer: "" and 0 for what is not there.
const char *tr_json_string_at(const json_t *json, const char *key);
double tr_json_number_at(const json_t *json, const char *key);
bool tr_json_true_at(const json_t *json, const char *key);
// The sum of an object's numbers.
double tr_json_sum(const json_t *object);

// What people read of an answer.
void tailctl_status(const struct tailctl *tailctl, const json_t *answer);
void tailctl_stats(const struct tailctl *tailctl, const json_t *answer);
void tailctl_audit(const struct tailctl *tailctl, const json_t *answer);
void tailctl_policies(const struct tailctl *tailctl, const json_t *answer);
void tailctl_backends(const struct tailctl *tailctl, const json_t *answer);
void tailctl_services(const struct tailctl *tailctl, const json_t *answer);
void tailctl_ports(const struct tailctl *tailctl, const json_t *answer);
void tailctl_connections(const struct tailctl *tailctl, const json_t *answer);
void tailctl_why(const struct tailctl *tailctl, const json_t *answer);
void tailctl_log(const struct tailctl *tailctl, const json_t *answer);
void tailctl_config_show(const struct tailctl *tailctl, const json_t *answer);
void tailctl_config_check(const struct tailctl *tailctl, const json_t *answer);
void tailctl_config_diff(const struct tailctl *tailctl, const json_t *answer);
void tailctl_config_apply(const struct tailctl *tailctl, const json_t *answer);
void tailctl_config_confirm(const struct tailctl *tailctl, const json_t *answer);
void tailctl_config_undo(const struct tailctl *tailctl, const json_t *answer);
void tailctl_differences_print(const json_t *differences);
// A policy's cost, "-" where it is not known.
void tailctl_cost_cell(struct tr_table *table, const json_t *policy);
void tailctl_backends_print(const json_t *backends, FILE *out);

// Commands that do more than ask once.
enum tr_exit tailctl_top(const struct tailctl *tailctl);
enum tr_exit tailctl_config_import(const struct tailctl *tailctl); // asks nobody: tools/import

// The text of a file, "-": of stdin. The client reads files: the daemon may not be allowed to, or live in another mount
// namespace. Returns 0 and *text, malloc'd; -errno, -EFBIG: above a MiB, -EILSEQ: a NUL in it.
int tr_file_text(const char *path, char **text);

#endif
