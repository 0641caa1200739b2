// SPDX-License-Identifier: Apache-2.0
#include "config/cpus.h"

#include "config/yaml.h"

static const char *blanks_pass(const char *p)
{
    return p + strspn(p, " \t");
}

// Returns the first character after the number, NULL: there is none, or it is no CPU.
static const char *number_parse(const char *p, unsigned *cpu, const char **problem)
{
    unsigned long value;
    char *end;

    p = blanks_pass(p);
    if (*p < '0' || *p > '9') {
        *problem = *p ? "is no number" : "ends where a number should be";
        return NULL;
    }
    errno = 0;
    value = strtoul(p, &end, 10);
    if (errno || value >= CPU_SETSIZE) {
        *problem = "is above 1023";
        return NULL;
    }
    *cpu = (unsigned)value;
    return blanks_pass(end);
}
_Static_assert(CPU_SETSIZE == 1024, "the largest CPU is named in an error");

static int fail(const char *text, const char *at, const char *problem, struct tr_error *error)
{
    char whole[TR_YAML_EXCERPT_BYTES], rest[TR_YAML_EXCERPT_BYTES];
    bool beginning = at == text;

    tr_yaml_excerpt(whole, text);
    if (!*at || beginning)
        return tr_error_set(error, EINVAL, "\"%s\" %s", whole, problem);
    return tr_error_set(error, EINVAL, "\"%s\": \"%s\" %s", whole, tr_yaml_excerpt(rest, at), problem);
}

int tr_cpus_parse(const char *text, cpu_set_t *cpus, struct tr_error *error)
{
    const char *p = text, *problem, *begin, *next;

    CPU_ZERO(cpus);
    for (;;) {
        unsigned first, last;

        begin = blanks_pass(p);
        next = number_parse(begin, &first, &problem);
        if (!next)
            return fail(text, begin, problem, error);
        last = first;
        if (*next == '-') {
            p = blanks_pass(next + 1);
            next = number_parse(p, &last, &problem);
            if (!next)
                return fail(text, p, problem, error);
        }
        if (last < first)
            return fail(text, begin, "is a range that runs backwards", error);
        for (unsigned cpu = first; cpu <= last; cpu++)
            CPU_SET(cpu, cpus);
        if (!*next)
            return 0;
        if (*next != ',')
            return fail(text, next, "is neither a comma nor a range", error);
        p = next + 1;
    }
}

void tr_cpus_format(const cpu_set_t *cpus, char text[TR_CPUS_TEXT_BYTES])
{
    size_t used = 0;

    text[0] = 0;
    for (unsigned cpu = 0; cpu < CPU_SETSIZE && used < TR_CPUS_TEXT_BYTES; cpu++) {
        unsigned last = cpu;

        if (!CPU_ISSET(cpu, cpus))
            continue;
        while (last + 1 < CPU_SETSIZE && CPU_ISSET(last + 1, cpus))
            last++;
        used += (size_t)snprintf(text + used, TR_CPUS_TEXT_BYTES - used, "%s%u", used ? "," : "", cpu);
        if (last > cpu && used < TR_CPUS_TEXT_BYTES)
            used += (size_t)snprintf(text + used, TR_CPUS_TEXT_BYTES - used, "-%u", last);
        cpu = last;
    }
}

int tr_cpus_affinity(cpu_set_t *cpus, struct tr_error *error)
{
    CPU_ZERO(cpus);
    if (sched_getaffinity(0, sizeof(*cpus), cpus) != 0)
        return tr_error_set(error, errno, "the affinity mask can't be read: %s", strerror(errno));
    return 0;
}

int tr_cpus_check(const cpu_set_t *cpus, const cpu_set_t *allowed, struct tr_error *error)
{
    char outside[TR_CPUS_TEXT_BYTES], inside[TR_CPUS_TEXT_BYTES];
    cpu_set_t both, missing;

    CPU_AND(&both, cpus, allowed);
    if (CPU_EQUAL(&both, cpus))
        return 0;
    CPU_XOR(&missing, cpus, &both);
    tr_cpus_format(&missing, outside);
    tr_cpus_format(allowed, inside);
    return tr_error_set(error, EINVAL, "CPU %.200s is not among those this process may run on (%.200s)",
                        outside, inside);
}
