// SPDX-License-Identifier: Apache-2.0
// A world on virtual time: several lcores of the real code in one thread, each turn when the drawn schedule
// says so, asleep in between as the daemon's loop lets them; HTTP clients on streams that cut, stall and
// break; tiny rings, journals, tables and outboxes; configs that change. One seed draws all of it.
//
// truth.c    what clients send and what a config must make of it
// limits.c   the same of configs that spend budgets; spy.c: what owners ask and are answered
// samplers.c the same of configs with dynamic samplers
// rules.c    the same of configs of rules; shapes.c: of those that look at the shape of traces
// client.c   the clients: requests, what was answered
// direct.c   a port that hands their bytes over
// net.h      in every second seed: a network between, our own TCP at both ends of it
// oracle.c   what must hold after each turn, and at rest
// world.c    the schedule: who runs when, who sleeps, when the world is healed
#ifndef TEST_SIM_WORLD_H
#define TEST_SIM_WORLD_H

#include <stdarg.h>

#include "lcore/lcore.h"
#include "red/merge.h"

#define SIM_LCORES_MAX  4
#define SIM_CLIENTS_MAX 16
#define SIM_TRACES      300
#define SIM_TRACE_SPANS 64
#define SIM_BODY_SPANS  32
#define SIM_CONFIGS     7
#define SIM_LIMITS      9 // further ones, that spend budgets
#define SIM_LIMIT_SAMPLED 8 // of these: with a dynamic sampler beside
#define SIM_RULES       (SIM_CONFIGS + SIM_LIMITS) // rules, drawn for each epoch
#define SIM_SAMPLED     (SIM_RULES + 1)            // with dynamic samplers
#define SIM_SAMPLERS    3
#define SIM_EPOCHS      512
#define SIM_REDS_MAX    6
#define SIM_PATIENCE_NS (60 * TR_S) // of a client on a network: the server may have gone and its RST been lost

struct sim_world;
struct sim_net;
struct sim_link;

// What the clients know of a span.
enum sim_fate {
    SIM_UNSENT,   // or refused: to be sent again
    SIM_SENT,     // in a request that is not answered yet
    SIM_ACCEPTED, // a client was told so
    SIM_REJECTED, // a client was told so
    SIM_UNKNOWN,  // its connection broke after the request was whole: accepted or not
};

#define SIM_CONFIG_ADDS  1 // says on kept spans which policy it was, and for how many they stand
#define SIM_POLICY_BYTES 16
struct sim_added {
    char policy[SIM_POLICY_BYTES]; // "": none
    double count;                  // 0: none
    bool reopened; // it said so
};

// Of a span, in worlds whose configs look at it (shapes.c).
#define SIM_ROOT  255 // parent: none
#define SIM_GONE  254 // one that never comes
#define SIM_ZONES 3   // 0: not known
struct sim_shape {
    uint8_t parent, from, to; // number; slots of time
    uint8_t kind, zone, asks;
    bool waits, failed;
};

struct sim_trace {
    uint8_t id[16];
    uint32_t spans;
    bool error, slow; // one of its spans says so
    uint32_t error_span, slow_span;
    uint8_t fate[SIM_TRACE_SPANS]; // enum sim_fate
    uint8_t seen[SIM_TRACE_SPANS]; // times it came out of an outbox
    // What its owner decided.
    uint32_t verdicts;
    uint64_t verdict_lcore, verdict_number; // of the last, in the verdict ring
    bool kept;
    uint32_t verdict_epoch, verdict_spans;
    uint16_t verdict_policy;
    struct sim_added added[SIM_TRACE_SPANS];
    bool reopened; // and some of its spans may be gone
    struct sim_shape shapes[SIM_TRACE_SPANS];
};

enum sim_client_state { SIM_CLOSED, SIM_IDLE, SIM_SENDING };

struct sim_client {
    struct sim_world *world;
    uint32_t lcore;
    enum sim_client_state state;
    uint64_t not_before; // retry, or the next request
    uint64_t asked_ns;
    struct tr_stream stream;
    bool opening, paused, blocked;   // the port's: opened() is due, input() is stopped, send() was short
    bool server_closes, server_ends; // what the lcore asked of the stream: close, abort
    bool breaks;                     // the client is about to vanish
    struct sim_link *link;           // through the network; NULL: none

    uint8_t request[16 * 1024];
    size_t request_bytes, ready, given; // composed, written to the socket, handed to the lcore
    uint16_t spans[SIM_BODY_SPANS];     // trace * SIM_TRACE_SPANS + number
    uint32_t count;
    uint32_t bad;   // spans of them that the walk must reject: the last ones
    bool malformed; // the body is cut
    uint8_t response[4096];
    size_t response_bytes;
};

// The daemon's loop, in steps: turn, flag up, second look, asleep.
enum sim_sleep { SIM_AWAKE, SIM_FLAGGED, SIM_ASLEEP };

struct sim_sleeper {
    enum sim_sleep state;
    bool woken;
    uint64_t until;
};

struct sim_options {
    uint64_t seed;
    uint64_t dropped_bytes;
    uint32_t lcores, slots, traces_max, refs_max, verdicts_max, spans_max, clients;
    uint64_t journal_bytes, outbox_bytes, wait_ns, wait_min_ns, step_ns;
    uint32_t body_spans, window; // traces under way at a time
    bool swaps;                  // configs change on the way
    bool flaky;                  // connections break, bodies are malformed, spans are bad
    bool floods;                 // large bodies from many clients to a small journal and table
    bool slow_readers;           // outboxes overrun
    bool drains;                 // ends with a drain instead of waiting
    bool limits;                 // configs spend budgets
    bool roomy;                  // no owner ever forgets anything
    bool reopens;                // in every config
};

struct sim_world {
    struct sim_options options;
    uint64_t random;
    uint64_t now;
    char directory[128]; // in $SIM_DIRECTORY or /dev/shm
    struct tr_mesh *mesh;
    struct tr_lcore *lcores[SIM_LCORES_MAX];
    struct sim_sleeper sleepers[SIM_LCORES_MAX];
    struct tr_outbox_cursor cursors[SIM_LCORES_MAX];
    uint64_t verdicts_read[SIM_LCORES_MAX];
    struct sim_client clients[SIM_CLIENTS_MAX];
    struct sim_net *net; // NULL: the clients' bytes are handed over directly
    struct sim_trace traces[SIM_TRACES];
    uint32_t window; // traces below it are sent whole
    bool paired;     // one of a pair (pairs.c)
    uint32_t gate;   // traces from it on are not sent yet, if it is paired
    uint32_t epoch;
    unsigned config_of[SIM_EPOCHS];
    uint64_t wait_of[SIM_EPOCHS], wait_min_of[SIM_EPOCHS], wait_min_least;
    struct tr_red_merge *reds[SIM_REDS_MAX]; // of each block of RED metrics that was there
    uint32_t reds_count;
    bool reds_limited; // one of them has a cardinality limit
    struct tr_attr_set *rules; // demote user.id: what may have been done to a span
    uint64_t ticked_ns; // control's last second
    bool draining, healed;
    uint64_t healed_ns;

    // What came of it.
    uint64_t answered, refused, broken, streams, rejected_told, read[SIM_LCORES_MAX], lost[SIM_LCORES_MAX],
        steps, swaps;
    uint64_t accepted_told[SIM_LCORES_MAX]; // spans of requests answered with success, rejected ones included
    const char *failure;                    // the first thing that did not hold
    char text[512];
    uint32_t judged; // the epoch whose config was asked last, for the report
};

// Draw everything from the seed. Returns 0 or -errno.
int sim_open(struct sim_world *world, uint64_t seed);
int sim_open_as(struct sim_world *world, uint64_t seed, uint32_t lcores, void (*set)(struct sim_options *options, uint32_t lcores));
void sim_close(struct sim_world *world);

// One step: time passes, an lcore or a client does something, a config may change; then all that must always
// hold is checked. Returns false when something does not (world->text says what).
bool sim_step(struct sim_world *world);

// Heal: connections hold, nothing is malformed, no config changes; time passes until all is sent, decided,
// emitted and let go. Then everything that must hold at rest.
bool sim_finish(struct sim_world *world);

// As sim_finish, but until `done`, and nothing is healed.
bool sim_run_until(struct sim_world *world, bool (*done)(const struct sim_world *));

// Two worlds that differ in lcores and turns keep the same (pairs.c).
bool sim_pair(struct sim_world *world, uint64_t seed);

// --- between the files

uint64_t sim_draw(struct sim_world *world, uint64_t below);
// TR_MIN would draw twice.
static inline size_t sim_least(size_t a, size_t b)
{
    return a < b ? a : b;
}
bool sim_fail(struct sim_world *world, const char *format, ...) tr_printf(2, 3);

// truth.c
void sim_traces_draw(struct sim_world *world);
struct tr_epoch *sim_epoch_draw(struct sim_world *world);
size_t sim_span_make(const struct sim_world *world, uint32_t trace, uint32_t number, bool bad, uint8_t *to);
// Take up to `most` unsent spans from the window of traces under way. Returns how many.
uint32_t sim_spans_take(struct sim_world *world, uint16_t *spans, uint32_t most);
// An ExportTraceServiceRequest with them, `bad` of them (the last) such that the walk rejects them.
size_t sim_body_make(struct sim_world *world, const uint16_t *spans, uint32_t count, uint32_t bad,
                     uint8_t *body);

// What the config of an epoch says of a trace when all its spans are there.
#define SIM_POLICY_UNTOLD 0xfffeu
struct sim_says {
    bool kept;
    uint16_t policy; // whose word it is
    double count;    // for how many it stands; 0: not told
};
struct sim_says sim_say(const struct sim_world *world, const struct sim_trace *trace, uint32_t number, uint32_t epoch);
// May it say so when some `spans` of them are?
bool sim_may_keep(const struct sim_world *world, const struct sim_trace *trace, uint32_t number, uint32_t epoch, uint32_t spans);
bool sim_may_drop(const struct sim_world *world, const struct sim_trace *trace, uint32_t number, uint32_t epoch, uint32_t spans);
// The config of an epoch, as text.
void sim_config_write(const struct sim_world *world, uint32_t epoch, char *text, size_t room);
bool sim_may_reopen(const struct sim_world *world, const struct sim_trace *trace, uint32_t number, uint32_t epoch);
// One trace in `rate`, by the hash of salt and id.
bool sim_one_in(const struct sim_trace *trace, const char *salt, uint64_t rate);

bool sim_looks_at_shape(const struct sim_world *world, unsigned config);
// May it be dropped all the same, since a budget was spent?
bool sim_is_limited(const struct sim_trace *trace, unsigned config);

// rules.c
bool sim_ruled(const struct sim_world *world);
void sim_rules_write(const struct sim_world *world, uint32_t epoch, char *text, size_t room);
struct sim_says sim_rules_say(const struct sim_world *world, const struct sim_trace *trace, uint32_t number, uint32_t epoch);
bool sim_rules_may_say(const struct sim_world *world, const struct sim_trace *trace, uint32_t number, uint32_t epoch,
                       uint32_t count, bool kept);
bool sim_rules_add(const struct sim_world *world, uint32_t epoch); // do they add to kept spans?
const char *sim_rules_name(const struct sim_world *world, uint32_t epoch, uint16_t policy, char text[SIM_POLICY_BYTES]);

// limits.c
void sim_limits_open(void);
void sim_limits_write(unsigned limit, char *text, size_t room);
const char *sim_limits_name(unsigned limit, uint16_t policy);
bool sim_limits_want(const struct sim_trace *trace, unsigned limit);   // may it be kept?
bool sim_limits_refuse(const struct sim_trace *trace, unsigned limit); // may it be refused?
void sim_limits_swapped(struct sim_world *world);
bool sim_limits_settled(struct sim_world *world, uint32_t newest);
// slots_before  that it had asked when it came up
bool sim_limits_hold(struct sim_world *world, const struct tr_trace *trace, uint64_t slots_before, enum tr_answer answer,
                     uint16_t policy);

// reach.c: count what is reached, from sim_reach() on.
void sim_reach(void);
void sim_reaches(const char *format, ...) tr_printf(1, 2);
void sim_reached(void);

// samplers.c
bool sim_sampled(const struct sim_world *world);
void sim_samplers_write(unsigned kind, char *text, size_t room);
bool sim_samplers_may(const struct sim_trace *trace, unsigned kind, uint32_t spans, bool kept);
const char *sim_samplers_name(unsigned kind, uint16_t policy);
void sim_samplers_open(void);
void sim_samplers_swapped(const struct sim_world *world);
bool sim_samplers_tick(struct sim_world *world);
// counted  before
bool sim_samplers_hold(struct sim_world *world, const struct tr_trace *trace, bool counted, enum tr_answer answer, uint16_t policy);
bool sim_samplers_chance_holds(struct sim_world *world, const struct tr_trace *trace, const struct tr_chance *chance);

// spy.c
void sim_spy(struct sim_world *world, uint32_t lcore);

// shapes.c
bool sim_shaped(const struct sim_world *world);
void sim_shapes_draw(struct sim_world *world, uint32_t number);
uint8_t *sim_shape_put(const struct sim_world *world, uint32_t trace, uint32_t number, uint8_t *p);
const char *sim_zone_name(uint32_t zone);
void sim_shapes_write(const struct sim_world *world, uint32_t epoch, char *text, size_t room);
struct sim_says sim_shapes_say(const struct sim_world *world, const struct sim_trace *trace, uint32_t epoch);
const char *sim_shapes_name(const struct sim_world *world, uint32_t epoch, uint16_t policy);

// client.c
int sim_clients_open(struct sim_world *world);
// Returns whether the client did anything.
bool sim_client_step(struct sim_world *world, struct sim_client *client);
// Take what lies in client->response, if it is whole.
void sim_client_look(struct sim_client *client);
// Its connection is gone.
void sim_client_lost(struct sim_client *client);
// Returns the status of a response that is there whole, 0: it is not. There is room for a byte more.
int sim_response_parse(uint8_t *response, size_t bytes, size_t *head, size_t *body);
// An lcore has answered a request of so many spans with success.
void sim_success_told(struct sim_world *world, uint32_t lcore, uint32_t spans);
bool sim_clients_done(const struct sim_world *world);
uint64_t sim_clients_deadline(const struct sim_world *world);

// direct.c
struct tr_lcore_port sim_direct_port(struct sim_world *world, uint32_t lcore);
bool sim_direct_has_input(const struct sim_world *world, uint32_t lcore);

// net.c
int sim_net_open(struct sim_world *world);
void sim_net_close(struct sim_world *world);
struct tr_lcore_port sim_net_port(struct sim_world *world, uint32_t lcore);
// What the network and one of the hosts on it, or all of them, do now. Returns whether anything was done.
bool sim_net_step(struct sim_world *world);
bool sim_net_step_all(struct sim_world *world);
uint64_t sim_net_deadline(const struct sim_world *world);
// From here on every connection is closed.
void sim_net_end(struct sim_world *world);
// Have the talkers whose both ends are there said all?
bool sim_net_is_done(const struct sim_world *world);
bool sim_net_is_empty(const struct sim_world *world);
bool sim_net_holds(struct sim_world *world);
bool sim_net_rest_holds(struct sim_world *world);
// What it was, and its last frames, on stdout.
void sim_net_report(const struct sim_world *world, uint32_t frames);
// All that the worlds' stacks count from here on: a zero is something that no world reaches.
void sim_net_reach(void);
void sim_net_reached(void);

// red.c
// The RED metrics of a config, one more use of their set; NULL: none in this world.
struct tr_red_set *sim_red_of(struct sim_world *world, uint32_t epoch);
void sim_red_close(struct sim_world *world);
bool sim_red_holds(struct sim_world *world, uint64_t walked);
bool sim_red_rest_holds(struct sim_world *world, uint64_t walked);

// oracle.c
bool sim_outboxes_read(struct sim_world *world, bool all);
bool sim_verdicts_read(struct sim_world *world);
bool sim_identities_hold(struct sim_world *world);
bool sim_tails_hold(struct sim_world *world);
// added.c: take what was added off a span that came out, and see whether it was right.
bool sim_added_cut(struct sim_world *world, struct sim_added *added, const uint8_t *span, uint32_t *bytes);
bool sim_added_holds(struct sim_world *world, uint32_t index);
bool sim_rest_holds(struct sim_world *world);

#endif
