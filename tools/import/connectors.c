// SPDX-License-Identifier: Apache-2.0
#include "import.h"

void import_span_metrics(struct import *import, const struct tr_yaml_node *connector)
{
    struct tree *block = tree_find(import->out, "span_metrics");

    if (block && block->from != connector)
        import_note(import, connector, "a second one beside %s: there is one here", block->from->key);
    if (block)
        return;
    block = tree_map(import->arena, import->out, "span_metrics");
    block->from = connector;
    block->removable = true;
    tree_comment(import->arena, block,
                 "%s: of all spans, before sampling, wherever it stood; on /metrics, and sent to backends that list metrics",
                 connector->key);
    for (const struct tr_yaml_node *option = import_entries(connector); option; option = option->next)
        import_copy(import, block, option->key, option)->removable = true;
}
