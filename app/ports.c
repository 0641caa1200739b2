// SPDX-License-Identifier: Apache-2.0
// The ports of a config, of both kinds, and what an lcore has of each. DPDK's environment is started only if a port
// wants it.
#include "base/log.h"
#include "daemon.h"

static void wake_lcore(void *mesh, uint32_t lcore)
{
    tr_mesh_wake(mesh, lcore);
}

static struct tr_dpdk_port_settings settings_of(struct tr_daemon *daemon, const struct tr_port_options *options,
                                                const struct tr_dpdk_port_addresses *addresses)
{
    return (struct tr_dpdk_port_settings){.name = options->name,
                                          .options = &options->dpdk,
                                          .addresses = addresses,
                                          .connections = &daemon->config->connections,
                                          .lcores = daemon->sizes.lcores,
                                          .wake = wake_lcore,
                                          .wake_context = daemon->mesh};
}

static int eal_start(struct tr_daemon *daemon, struct tr_error *error)
{
    const struct tr_port_options *ports = daemon->config->ports.items;
    const char *pci[TR_LCORE_PORTS_MAX];
    struct tr_dpdk_port_addresses addresses = {0};
    uint64_t memory = 0;
    size_t pci_count = 0, count = 0;

    for (size_t i = 0; i < daemon->config->ports.count; i++) {
        struct tr_dpdk_port_settings settings = settings_of(daemon, &ports[i], &addresses);
        char path[32];

        if (ports[i].kind != TR_PORT_DPDK)
            continue;
        snprintf(path, sizeof(path), "ports[%zu]", i);
        if (tr_dpdk_port_options_read(&ports[i].dpdk, &ports[i].listen, path, &addresses, error) < 0)
            return -EINVAL;
        memory += tr_dpdk_port_memory(&settings);
        if (tr_dpdk_is_pci(ports[i].dpdk.device))
            pci[pci_count++] = ports[i].dpdk.device;
        count++;
    }
    return count ? tr_dpdk_eal_start(&daemon->config->dpdk, pci, pci_count, memory, error) : 0;
}

static int kernel_open(struct tr_daemon *daemon, struct tr_daemon_port *port, size_t index, struct tr_error *error)
{
    const struct tr_port_options *options = port->options;
    int rc = tr_kernel_port_open(&port->kernel, options->name, options->listen.items, options->listen.count,
                                 daemon->sizes.lcores, &daemon->config->connections, error);

    if (rc < 0)
        tr_error_prefix(error, "ports[%zu].listen", index);
    return rc;
}

static int dpdk_open(struct tr_daemon *daemon, struct tr_daemon_port *port, size_t index, struct tr_error *error)
{
    struct tr_dpdk_port_addresses addresses = {0};
    struct tr_dpdk_port_settings settings = settings_of(daemon, port->options, &addresses);
    struct tr_error why = {0};
    int rc = tr_dpdk_port_options_read(&port->options->dpdk, &port->options->listen, "", &addresses, &why);

    if (rc == 0)
        rc = tr_dpdk_port_open(&port->dpdk, &settings, &why);
    return rc < 0 ? tr_error_set(error, -rc, "ports[%zu].%s", index, why.text) : 0;
}

int tr_daemon_ports_open(struct tr_daemon *daemon, struct tr_error *error)
{
    const struct tr_port_options *options = daemon->config->ports.items;
    int rc = eal_start(daemon, error);

    for (size_t i = 0; rc == 0 && i < daemon->config->ports.count; i++) {
        struct tr_daemon_port *port = &daemon->ports[daemon->ports_count++];

        port->options = &options[i];
        rc = options[i].kind == TR_PORT_DPDK ? dpdk_open(daemon, port, i, error) : kernel_open(daemon, port, i, error);
        for (size_t l = 0; rc == 0 && l < options[i].listen.count; l++)
            tr_log(TR_LOG_INFO, "port.listening", "port=%s address=%s", options[i].name, options[i].listen.items[l]);
    }
    return rc;
}

void tr_daemon_ports_stop(struct tr_daemon *daemon)
{
    for (size_t i = 0; i < daemon->ports_count; i++) {
        if (daemon->ports[i].kernel)
            tr_kernel_port_stop(daemon->ports[i].kernel);
        if (daemon->ports[i].dpdk)
            tr_dpdk_port_stop(daemon->ports[i].dpdk);
    }
}

void tr_daemon_ports_close(struct tr_daemon *daemon)
{
    for (size_t i = 0; i < daemon->ports_count; i++) {
        if (daemon->ports[i].kernel)
            tr_kernel_port_close(daemon->ports[i].kernel);
        if (daemon->ports[i].dpdk)
            tr_dpdk_port_close(daemon->ports[i].dpdk);
    }
    tr_dpdk_eal_stop();
}

// --- an lcore's part

static size_t kernel_poll(void *context, uint64_t now, size_t budget)
{
    return tr_kernel_poll(context, now, budget);
}

static uint64_t kernel_deadline(const void *context)
{
    return tr_kernel_deadline(context);
}

static size_t dpdk_poll(void *context, uint64_t now, size_t budget)
{
    return tr_dpdk_poll(context, now, budget);
}

static uint64_t dpdk_deadline(const void *context)
{
    return tr_dpdk_deadline(context);
}

static bool dpdk_has_input(void *context)
{
    return tr_dpdk_has_input(context);
}

static int dpdk_create(struct tr_lcore_thread *thread, struct tr_dpdk_port *port, struct tr_error *error)
{
    struct tr_lcore *lcore = thread->lcore;
    struct tr_dpdk **dpdk = &thread->dpdk[thread->dpdk_count];
    struct tr_error why = {0};
    int rc = tr_dpdk_create(dpdk, port, lcore->options.lcore, tr_http_stream_user(lcore->http), &why);

    if (rc < 0)
        return tr_error_set(error, -rc, "port %s: %s", tr_dpdk_port_name(port), why.text);
    thread->dpdk_count++;
    lcore->ports[lcore->ports_count++] = (struct tr_lcore_port){
        .context = *dpdk, .poll = dpdk_poll, .deadline = dpdk_deadline, .has_input = dpdk_has_input};
    return tr_kernel_watch(thread->kernel, tr_dpdk_fd(*dpdk), error);
}

int tr_daemon_ports_create(struct tr_daemon *daemon, struct tr_lcore_thread *thread, struct tr_error *error)
{
    struct tr_kernel_port *kernel[TR_LCORE_PORTS_MAX];
    struct tr_lcore *lcore = thread->lcore;
    size_t count = 0;
    int rc;

    for (size_t i = 0; i < daemon->ports_count; i++)
        if (daemon->ports[i].kernel)
            kernel[count++] = daemon->ports[i].kernel;
    // Without kernel ports it is what the lcore sleeps in.
    rc = tr_kernel_create(&thread->kernel, lcore->options.lcore, kernel, count, &daemon->config->connections,
                          tr_http_stream_user(lcore->http), error);
    if (rc < 0)
        return rc;
    lcore->ports[lcore->ports_count++] =
        (struct tr_lcore_port){.context = thread->kernel, .poll = kernel_poll, .deadline = kernel_deadline};
    for (size_t i = 0; rc == 0 && i < daemon->ports_count; i++)
        if (daemon->ports[i].dpdk)
            rc = dpdk_create(thread, daemon->ports[i].dpdk, error);
    return rc;
}

void tr_daemon_ports_destroy(struct tr_lcore_thread *thread)
{
    for (size_t i = 0; i < thread->dpdk_count; i++)
        tr_dpdk_destroy(thread->dpdk[i], tr_clock_ns());
    if (thread->kernel)
        tr_kernel_destroy(thread->kernel, tr_clock_ns());
}
