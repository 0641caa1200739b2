// SPDX-License-Identifier: Apache-2.0
// The merge key `<<` of YAML 1.1: what people write to share options between blocks.
#include "config/yaml.h"

static void entry_append(struct tr_yaml_node *map, struct tr_yaml_node *entry)
{
    entry->parent = map;
    entry->next = NULL;
    entry->index = map->count++;
    *(map->last ? &map->last->next : &map->first) = entry;
    map->last = entry;
}

// Move the entries that the map doesn't have.
static void entries_take(struct tr_yaml_node *map, struct tr_yaml_node *from)
{
    struct tr_yaml_node *next;

    if (from->kind != TR_YAML_MAP)
        return;
    for (struct tr_yaml_node *entry = from->first; entry; entry = next) {
        next = entry->next;
        if (!tr_yaml_find(map, entry->key, strlen(entry->key)))
            entry_append(map, entry);
    }
}

void tr_yaml_merge(struct tr_yaml_node *map)
{
    struct tr_yaml_node *entry = map->first, *next, *merged = NULL;

    if (!tr_yaml_find(map, "<<", 2))
        return;
    map->first = map->last = NULL;
    map->count = 0;
    for (; entry; entry = next) {
        next = entry->next;
        if (strcmp(entry->key, "<<") == 0)
            merged = entry;
        else
            entry_append(map, entry);
    }
    if (merged->kind == TR_YAML_LIST) {
        for (entry = merged->first; entry; entry = next) {
            next = entry->next;
            entries_take(map, entry);
        }
    } else {
        entries_take(map, merged);
    }
}
