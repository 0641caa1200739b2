// SPDX-License-Identifier: Apache-2.0
// A client and its server in different availability zones, and it takes long.
#include "policy/shape.h"

static int compile(struct tr_policy *policy, const struct tr_policy_options *options,
                   const struct tr_policy_place *place, struct tr_error *error)
{
    const struct tr_cross_zone_options *o = options->cross_zone;

    policy->shape.threshold = tr_shape_units(o ? o->threshold_ms : TR_CROSS_ZONE_MS);
    tr_predicates_shape(place->predicates, TR_SHAPE_LINKS | TR_SHAPE_ZONE, place->path);
    return 0;
}

static enum tr_answer decide(const struct tr_policy *policy, const struct tr_trace *trace)
{
    const struct tr_shapes *shapes = tr_policy_shapes(trace);

    for (uint32_t i = 0; shapes && i < shapes->count; i++) {
        const struct tr_shape_span *server = &shapes->all[i], *client;
        uint32_t at;

        if (server->kind != TR_SHAPE_KIND_SERVER || !server->zone)
            continue;
        at = server->parent ? tr_shapes_find(shapes, server->parent, TR_SHAPE_KIND_CLIENT) : TR_SHAPE_NONE;
        if (at == TR_SHAPE_NONE) // Zipkin's: both sides share an id
            at = tr_shapes_find(shapes, server->span, TR_SHAPE_KIND_CLIENT);
        if (at == TR_SHAPE_NONE)
            continue;
        client = &shapes->all[at];
        if (client->zone && client->zone != server->zone && client->end - client->start >= policy->shape.threshold)
            return TR_ANSWER_KEEP;
    }
    return TR_ANSWER_DROP;
}

const struct tr_policy_type tr_policy_cross_zone = {"cross_zone", TR_POLICY_ANYWHERE, compile, decide,
                                                    tr_policy_never_certain};
