// SPDX-License-Identifier: Apache-2.0
// The shape's part of a plan: which attributes the walk notes for it, and which predicates it marks.
#include "policy/policy_set.h"

// Old and new names of the semantic conventions: the new one goes first where both are there.
static const struct shape_key {
    const char *name;
    enum tr_shape_key key;
    uint32_t need;
} keys_of_spans[] = {
    {"db.query.text", TR_SHAPE_DB_QUERY_TEXT, TR_SHAPE_PRINT},
    {"db.statement", TR_SHAPE_DB_STATEMENT, TR_SHAPE_PRINT},
    {"db.query.summary", TR_SHAPE_DB_QUERY_SUMMARY, TR_SHAPE_PRINT},
    {"db.operation.name", TR_SHAPE_DB_OPERATION_NAME, TR_SHAPE_PRINT},
    {"db.operation", TR_SHAPE_DB_OPERATION, TR_SHAPE_PRINT},
    {"db.collection.name", TR_SHAPE_DB_COLLECTION_NAME, TR_SHAPE_PRINT},
    {"db.sql.table", TR_SHAPE_DB_SQL_TABLE, TR_SHAPE_PRINT},
    {"db.system.name", TR_SHAPE_DB_SYSTEM_NAME, TR_SHAPE_PRINT},
    {"db.system", TR_SHAPE_DB_SYSTEM, TR_SHAPE_PRINT},
    {"url.full", TR_SHAPE_URL_FULL, TR_SHAPE_PRINT},
    {"http.url", TR_SHAPE_HTTP_URL, TR_SHAPE_PRINT},
    {"http.request.method", TR_SHAPE_HTTP_REQUEST_METHOD, TR_SHAPE_PRINT},
    {"http.method", TR_SHAPE_HTTP_METHOD, TR_SHAPE_PRINT},
    {"http.response.status_code", TR_SHAPE_HTTP_RESPONSE_STATUS_CODE, TR_SHAPE_PRINT},
    {"http.status_code", TR_SHAPE_HTTP_STATUS_CODE, TR_SHAPE_PRINT},
    {"server.address", TR_SHAPE_SERVER_ADDRESS, TR_SHAPE_PRINT},
    {"net.peer.name", TR_SHAPE_NET_PEER_NAME, TR_SHAPE_PRINT},
    {"server.port", TR_SHAPE_SERVER_PORT, TR_SHAPE_PRINT},
    {"net.peer.port", TR_SHAPE_NET_PEER_PORT, TR_SHAPE_PRINT},
    {"rpc.service", TR_SHAPE_RPC_SERVICE, TR_SHAPE_PRINT},
    {"rpc.method", TR_SHAPE_RPC_METHOD, TR_SHAPE_PRINT},
};

static const struct shape_key keys_of_resources[] = {
    {"cloud.availability_zone", TR_SHAPE_ZONE_NAME, TR_SHAPE_ZONE},
};

void tr_policy_shape_make(struct tr_policy_set_whole *whole)
{
    struct tr_walk_plan *plan = &whole->set.plan;

    plan->shape.needs = tr_predicates_shape_needs(&whole->predicates);
    plan->looks = plan->programs_count || plan->shape.needs;
    if (whole->samplers.lists_count) {
        plan->shape.sampler_key = tr_samplers_span_key;
        plan->shape.sampler = &whole->samplers;
    }
    for (uint32_t i = 0; i < TR_PREDICATES_MAX; i++) {
        const struct tr_predicate_row *row = &whole->predicates.rows[i];

        plan->looks |= row->predicate && row->predicate->type->looks;
        if (row->predicate && row->mark)
            plan->shape.marks[row->mark - 1] = (uint16_t)(i + 1);
    }
}

bool tr_policy_shape_keys(struct tr_policy_set_whole *whole, struct tr_walk_keys *keys, enum tr_ottl_place place)
{
    struct tr_walk_shape *shape = &whole->set.plan.shape;
    const struct shape_key *rows = place == TR_OTTL_KEY_SPAN ? keys_of_spans : keys_of_resources;
    size_t count = place == TR_OTTL_KEY_SPAN       ? TR_NELEMS(keys_of_spans)
                   : place == TR_OTTL_KEY_RESOURCE ? TR_NELEMS(keys_of_resources)
                                                   : 0;

    for (size_t i = 0; i < count; i++) {
        struct tr_ottl_key wanted = {.place = place, .name = rows[i].name, .bytes = (uint32_t)strlen(rows[i].name)};
        const struct tr_walk_key *key;

        if (!(shape->needs & rows[i].need))
            continue;
        key = tr_policy_key_watch(keys, &wanted, &whole->slots_count);
        if (!key)
            return false;
        shape->slots[rows[i].key] = (uint16_t)key->note;
    }
    return true;
}
