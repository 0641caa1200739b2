// SPDX-License-Identifier: Apache-2.0
// From JSON to DPDK's own trees of values, whose lists and texts are bounded: what is longer is cut off.
#include "port/dpdk_telemetry.h"

#include <ctype.h>
#include <pthread.h>
#include <rte_telemetry.h>
#include <rte_version.h>

#define DEPTH_MAX 6
#define OBJECTS_MAX 16 // of a list: an answer has 16 KiB

#if RTE_VERSION < RTE_VERSION_NUM(23, 3, 0, 0)
#define rte_tel_data_add_dict_uint rte_tel_data_add_dict_u64
#define rte_tel_data_add_array_uint rte_tel_data_add_array_u64
#define RTE_TEL_UINT_VAL RTE_TEL_U64_VAL
#endif

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static tr_dpdk_telemetry_fn answer_fn;
static void *answer_context;

static void put_object(struct rte_tel_data *to, const json_t *object, unsigned depth);

static const char *text_of(const json_t *value, char text[RTE_TEL_MAX_STRING_LEN])
{
    if (json_is_string(value))
        snprintf(text, RTE_TEL_MAX_STRING_LEN, "%s", json_string_value(value));
    else if (json_is_real(value))
        snprintf(text, RTE_TEL_MAX_STRING_LEN, "%.6g", json_real_value(value));
    else
        snprintf(text, RTE_TEL_MAX_STRING_LEN, "%s", json_is_true(value) ? "true" : json_is_null(value) ? "" : "false");
    return text;
}

static struct rte_tel_data *array_make(const json_t *array)
{
    struct rte_tel_data *data = rte_tel_data_alloc();
    bool numbers = json_is_integer(json_array_get(array, 0));
    char text[RTE_TEL_MAX_STRING_LEN];
    const json_t *item;
    size_t i;

    if (!data)
        return NULL;
    rte_tel_data_start_array(data, numbers ? RTE_TEL_UINT_VAL : RTE_TEL_STRING_VAL);
    json_array_foreach(array, i, item)
    {
        if (i == RTE_TEL_MAX_ARRAY_ENTRIES)
            break;
        if (numbers)
            rte_tel_data_add_array_uint(data, (uint64_t)json_integer_value(item));
        else
            rte_tel_data_add_array_string(data, text_of(item, text));
    }
    return data;
}

static struct rte_tel_data *object_make(const json_t *object, unsigned depth)
{
    struct rte_tel_data *data = rte_tel_data_alloc();

    if (data) {
        rte_tel_data_start_dict(data);
        put_object(data, object, depth);
    }
    return data;
}

// Letters, digits, _ and / are allowed.
static const char *key_of(const json_t *object, size_t index, char key[64])
{
    const json_t *name = json_object_get(object, "name"), *id = json_object_get(object, "id");

    if (json_is_string(name))
        snprintf(key, 64, "%s", json_string_value(name));
    else
        snprintf(key, 64, "%lld", json_is_integer(id) ? (long long)json_integer_value(id) : (long long)index);
    for (char *p = key; *p; p++)
        if (!isalnum((unsigned char)*p))
            *p = '_';
    return key;
}

// There are no lists of objects there: an object of objects, by their names, ids or numbers.
static struct rte_tel_data *objects_make(const json_t *array, unsigned depth)
{
    struct rte_tel_data *data = rte_tel_data_alloc(), *inner;
    const json_t *item;
    char key[64];
    size_t i;

    if (!data)
        return NULL;
    rte_tel_data_start_dict(data);
    json_array_foreach(array, i, item)
    {
        if (i == OBJECTS_MAX || !(inner = object_make(item, depth + 1)))
            break;
        if (rte_tel_data_add_dict_container(data, key_of(item, i, key), inner, 0) < 0)
            rte_tel_data_free(inner);
    }
    return data;
}

static void put_object(struct rte_tel_data *to, const json_t *object, unsigned depth)
{
    char text[RTE_TEL_MAX_STRING_LEN];
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        struct rte_tel_data *inner = NULL;

        if (json_is_integer(value)) {
            rte_tel_data_add_dict_uint(to, key, (uint64_t)json_integer_value(value));
        } else if (json_is_object(value) && depth < DEPTH_MAX) {
            inner = object_make(value, depth + 1);
        } else if (json_is_array(value) && depth < DEPTH_MAX) {
            inner = json_is_object(json_array_get(value, 0)) ? objects_make(value, depth + 1) : array_make(value);
        } else {
            rte_tel_data_add_dict_string(to, key, text_of(value, text));
        }
        if (inner && rte_tel_data_add_dict_container(to, key, inner, 0) < 0)
            rte_tel_data_free(inner);
    }
}

static int handle(const char *command, const char *parameters, struct rte_tel_data *to)
{
    json_t *json = NULL;

    pthread_mutex_lock(&lock);
    if (answer_fn)
        json = answer_fn(answer_context, strrchr(command, '/') + 1);
    pthread_mutex_unlock(&lock);
    rte_tel_data_start_dict(to);
    if (!json)
        return -1;
    put_object(to, json, 0);
    json_decref(json);
    return 0;
}

void tr_dpdk_telemetry_start(tr_dpdk_telemetry_fn answer, void *context)
{
    pthread_mutex_lock(&lock);
    answer_fn = answer;
    answer_context = context;
    pthread_mutex_unlock(&lock);
    rte_telemetry_register_cmd("/tailrace/status", handle, "What tailctl status says");
    rte_telemetry_register_cmd("/tailrace/ports", handle, "What tailctl ports says");
    rte_telemetry_register_cmd("/tailrace/connections", handle, "What tailctl connections says, the first 16");
}

void tr_dpdk_telemetry_stop(void)
{
    pthread_mutex_lock(&lock);
    answer_fn = NULL;
    pthread_mutex_unlock(&lock);
}
