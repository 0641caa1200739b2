// SPDX-License-Identifier: Apache-2.0
// `tailctl config import`: from a Collector's config to ours.
//
// The Collector's file is a tree of nodes (config/yaml.h), ours a tree that is written at the end (tree.h).
// service.pipelines decide which components are looked at (pipelines.c); each option of those is carried over, or noted
// with its path and why not. At last the daemon's own check runs over the result, and what it refuses is taken out
// again, and noted (check.c): so what is written passes `tailraced --check`, by construction.
#ifndef TR_TOOLS_IMPORT_IMPORT_H
#define TR_TOOLS_IMPORT_IMPORT_H

#include "base/error.h"
#include "tree.h"

#define IMPORT_COMPONENTS_MAX 64 // of one kind, in the pipelines that are carried over

// What could not be carried over.
struct import_note {
    unsigned line; // in the Collector's file; 0: of no line
    const char *path, *why;
};

// Ids of components ("otlp/tempo") without repetition, in the order of the pipelines.
struct import_ids {
    const struct tr_yaml_node *at[IMPORT_COMPONENTS_MAX]; // where the pipeline names it
    unsigned signals[IMPORT_COMPONENTS_MAX];              // IMPORT_*, of the pipelines that do
    size_t count;
};
#define IMPORT_TRACES  1u
#define IMPORT_METRICS 2u
#define IMPORT_LOGS    4u

struct import {
    struct tr_arena *arena;
    const struct tr_yaml_node *root;
    struct tree *out;
    struct import_note *notes;
    size_t notes_count, notes_room;
    struct import_ids receivers, processors, exporters; // of the pipelines that are carried over
};

// What an option of the Collector becomes: `take` carries it over, `why` says why it is not; a row with neither has no
// effect here and needs none. An option without a row is noted.
struct import_option {
    const char *name;
    void (*take)(struct import *import, const struct tr_yaml_node *option, struct tree *to);
    const char *why;
};
void import_options(struct import *import, const struct tr_yaml_node *map, const struct import_option *rows,
                    size_t count, struct tree *to);

// Note what is lost: of a node, or of a path of its own.
void import_note(struct import *import, const struct tr_yaml_node *node, const char *format, ...) tr_printf(3, 4);
// The same, each reason of a path once.
void import_note_path(struct import *import, unsigned line, const char *path, const char *why);

// env.c: the text of a scalar, with ${env:NAME}, ${env:NAME:-default}, ${NAME} replaced by what the environment has now,
// and $$ by $. "": no scalar. A name that is not set is noted.
const char *import_text(struct import *import, const struct tr_yaml_node *node);
// Whether the text is a reference and nothing else: the name in ${env:NAME}, the path in ${file:PATH}.
bool import_reference(struct import *import, const char *text, const char **kind, const char **name);
bool import_true(struct import *import, const struct tr_yaml_node *node);

// A member of a member...: import_at(root, "receivers", "otlp", NULL). NULL: there is none.
const struct tr_yaml_node *import_at(const struct tr_yaml_node *map, ...) __attribute__((sentinel));

// The first entry of a map, item of a list. NULL: it is none, or empty.
static inline const struct tr_yaml_node *import_entries(const struct tr_yaml_node *map)
{
    return map && map->kind == TR_YAML_MAP ? map->first : NULL;
}
static inline const struct tr_yaml_node *import_items(const struct tr_yaml_node *list)
{
    return list && list->kind == TR_YAML_LIST ? list->first : NULL;
}

// Ids are TYPE or TYPE/NAME. Names have changed over time: otlp_http is otlphttp.
bool import_is_type(const char *id, const char *type);

// Put a scalar under another name, as it is.
struct tree *import_put(struct import *import, struct tree *to, const char *key, const struct tr_yaml_node *node);
// A whole node with all below it, word for word but for the environment.
struct tree *import_copy(struct import *import, struct tree *to, const char *key, const struct tr_yaml_node *node);

// Which components count. Returns 0, -EINVAL: nothing to carry over.
int import_pipelines(struct import *import, struct tr_error *error);

void import_receivers(struct import *import);
void import_processors(struct import *import);
void import_exporters(struct import *import);
void import_service(struct import *import);

// The connector span_metrics, word for word (connectors.c).
void import_span_metrics(struct import *import, const struct tr_yaml_node *connector);

// Take out what the daemon's check refuses. Returns 0, -EINVAL: it refuses what can't be taken out.
int import_check(struct import *import, struct tr_error *error);

// An exporter's endpoint (endpoint.c): gRPC's have a scheme only sometimes; HTTP's are URLs, one for each signal if wanted.
void import_endpoint(struct import *import, const struct tr_yaml_node *exporter, struct tree *backend, bool grpc);

// An exporter's `auth` and `headers` (headers.c).
void import_headers(struct import *import, const struct tr_yaml_node *option, struct tree *backend);
void import_auth(struct import *import, const struct tr_yaml_node *option, struct tree *backend);

#endif
