// SPDX-License-Identifier: Apache-2.0
// receivers.otlp: ports, and limits of http and connections.
#include "import.h"

#define LISTEN_DEFAULT "localhost:%d"

static struct tree *http(struct import *import)
{
    return tree_map_in(import->arena, import->out, "http");
}

static struct tree *connections(struct import *import)
{
    return tree_map_in(import->arena, import->out, "connections");
}

static bool is_address(const char *host)
{
    return !*host || !host[strspn(host, "0123456789.")] || *host == '[';
}

// Another port that listens there.
static const struct tree *port_at(const struct tree *listen, const char *address)
{
    for (const struct tree *port = listen->parent->parent->first; port; port = port->next)
        for (const struct tree *there = tree_find(port, "listen")->first; there; there = there->next)
            if (strcmp(there->text, address) == 0)
                return port;
    return NULL;
}

// "HOST:PORT" as a port takes it: an address or none.
static void listen_add(struct import *import, struct tree *listen, const struct tr_yaml_node *node, const char *text)
{
    const char *colon = strrchr(text, ':');
    const char *host = arena_format(import->arena, "%.*s", colon ? (int)(colon - text) : 0, text);

    if (!colon || colon[1 + strspn(colon + 1, "0123456789")] || !colon[1]) {
        import_note(import, node, "%s is not HOST:PORT", text);
        return;
    }
    if (strcmp(host, "localhost") == 0)
        text = arena_format(import->arena, "127.0.0.1%s", colon);
    else if (!is_address(host))
        text = colon;
    text = arena_format(import->arena, "%s", text);
    if (port_at(listen, text)) {
        if (port_at(listen, text) != listen->parent)
            import_note(import, node, "%s is an address of %s already", text, port_at(listen, text)->from->key);
        return;
    }
    tree_put(import->arena, listen, NULL, text, false);
    if (!is_address(host) && strcmp(host, "localhost") != 0)
        tree_comment(import->arena, listen, "%s was a name, not an address: %s is on all addresses", host, text);
}

static void take_endpoint(struct import *import, const struct tr_yaml_node *option, struct tree *listen)
{
    listen_add(import, listen, option, import_text(import, option));
}

// The largest of what the receivers allow.
static void body_size(struct import *import, const struct tr_yaml_node *option, const char *unit)
{
    struct tree *to = tree_find(http(import), "body_size_max"), *put;
    unsigned long long wanted = strtoull(import_text(import, option), NULL, 10);

    if (!wanted || (to && strtoull(to->text, NULL, 10) >= wanted))
        return;
    put = import_put(import, http(import), "body_size_max", option);
    put->text = arena_format(import->arena, "%llu%s", wanted, unit);
}

static void take_message_size(struct import *import, const struct tr_yaml_node *option, struct tree *listen)
{
    body_size(import, option, "MiB");
}

static void take_body_size(struct import *import, const struct tr_yaml_node *option, struct tree *listen)
{
    body_size(import, option, "");
}

static void take_streams(struct import *import, const struct tr_yaml_node *option, struct tree *listen)
{
    import_put(import, http(import), "streams_max", option);
}

static void take_origins(struct import *import, const struct tr_yaml_node *option, struct tree *listen)
{
    import_copy(import, http(import), "cors_origins", option)->removable = true;
}

static void take_cors(struct import *import, const struct tr_yaml_node *option, struct tree *listen)
{
    static const struct import_option rows[] = {
        {.name = "allowed_origins", .take = take_origins},
        {.name = "allowed_headers",
         .why = "the headers that browsers may send are content-type, content-encoding and authorization"},
        {.name = "exposed_headers", .why = "no header of an answer is shown to scripts"},
        {.name = "max_age"}, // a browser asks again sooner
    };

    import_options(import, option, rows, TR_NELEMS(rows), listen);
}

static void take_age(struct import *import, const struct tr_yaml_node *option, struct tree *to)
{
    import_put(import, connections(import), "age_max", option);
}

static void take_idle(struct import *import, const struct tr_yaml_node *option, struct tree *to)
{
    import_put(import, connections(import), "idle_timeout", option);
}

static void take_keepalive(struct import *import, const struct tr_yaml_node *option, struct tree *to)
{
    static const struct import_option rows[] = {{.name = "max_connection_age", .take = take_age},
                                                {.name = "max_connection_idle", .take = take_idle},
                                                {.name = "max_connection_age_grace"},
                                                {.name = "time"},
                                                {.name = "timeout"}};
    const struct tr_yaml_node *parameters = import_at(option, "server_parameters", NULL);

    import_options(import, parameters, rows, TR_NELEMS(rows), to);
}

#define NO_TLS "TLS is not terminated here in this version: put a proxy in front, or use a trusted network"
#define NO_AUTH "clients are not authenticated here in this version: use a proxy, or a trusted network"
#define NO_METADATA "headers of requests are not kept"

static const struct import_option grpc_rows[] = {
    {.name = "endpoint", .take = take_endpoint},
    {.name = "max_recv_msg_size_mib", .take = take_message_size},
    {.name = "max_concurrent_streams", .take = take_streams},
    {.name = "keepalive", .take = take_keepalive},
    {.name = "transport"},
    {.name = "read_buffer_size"},
    {.name = "write_buffer_size"},
    {.name = "tls", .why = NO_TLS},
    {.name = "auth", .why = NO_AUTH},
    {.name = "include_metadata", .why = NO_METADATA},
};

static const struct import_option http_rows[] = {
    {.name = "endpoint", .take = take_endpoint},
    {.name = "max_request_body_size", .take = take_body_size},
    {.name = "cors", .take = take_cors},
    {.name = "read_header_timeout"},
    {.name = "read_timeout"},
    {.name = "write_timeout"},
    {.name = "idle_timeout"},
    {.name = "keep_alives_enabled"},
    {.name = "compression_algorithms"},
    {.name = "tls", .why = NO_TLS},
    {.name = "auth", .why = NO_AUTH},
    {.name = "include_metadata", .why = NO_METADATA},
    {.name = "traces_url_path", .why = "traces are taken at /v1/traces"},
};

static void protocol_take(struct import *import, const struct tr_yaml_node *protocol, struct tree *listen)
{
    bool grpc = strcmp(protocol->key, "grpc") == 0;

    if (!grpc && strcmp(protocol->key, "http") != 0) {
        import_note(import, protocol, "has no counterpart here");
        return;
    }
    if (!import_at(protocol, "endpoint", NULL))
        listen_add(import, listen, protocol, arena_format(import->arena, LISTEN_DEFAULT, grpc ? 4317 : 4318));
    if (grpc)
        import_options(import, protocol, grpc_rows, TR_NELEMS(grpc_rows), listen);
    else
        import_options(import, protocol, http_rows, TR_NELEMS(http_rows), listen);
}

static void otlp_take(struct import *import, const struct tr_yaml_node *receiver, struct tree *ports)
{
    const struct tr_yaml_node *protocols = import_at(receiver, "protocols", NULL);
    struct tree *port = tree_map(import->arena, ports, NULL), *listen;

    port->from = receiver;
    tree_put(import->arena, port, "name", receiver->key, false);
    tree_put(import->arena, port, "kind", "kernel", true);
    listen = tree_list(import->arena, port, "listen");
    for (const struct tr_yaml_node *protocol = import_entries(protocols); protocol; protocol = protocol->next)
        protocol_take(import, protocol, listen);
    if (!listen->first)
        listen_add(import, listen, receiver, "localhost:4317");
    if (!listen->first)
        port->removed = "Not carried over: no address is left for it.";
}

void import_receivers(struct import *import)
{
    struct tree *ports = tree_list(import->arena, import->out, "ports");

    tree_comment(import->arena, ports, "Each address takes gRPC, OTLP/HTTP with protobuf and OTLP/HTTP with JSON.");
    for (size_t i = 0; i < import->receivers.count; i++) {
        const struct tr_yaml_node *id = import->receivers.at[i];
        const struct tr_yaml_node *receiver = import_at(import->root, "receivers", id->text, NULL);

        if (!import_is_type(id->text, "otlp"))
            import_note(import, receiver ? receiver : id,
                        "%s: only OTLP is received here; a Collector beside it can receive that, and send it on as OTLP",
                        id->text);
        else if (receiver)
            otlp_take(import, receiver, ports);
    }
    if (ports->first)
        return;
    tree_comment(import->arena, ports, "The Collector's config has no otlp receiver: these are its usual addresses.");
    ports = tree_map(import->arena, ports, NULL);
    tree_put(import->arena, ports, "name", "otlp", false);
    tree_put(import->arena, ports, "kind", "kernel", true);
    ports = tree_list(import->arena, ports, "listen");
    tree_put(import->arena, ports, NULL, "127.0.0.1:4317", false);
    tree_put(import->arena, ports, NULL, "127.0.0.1:4318", false);
}
