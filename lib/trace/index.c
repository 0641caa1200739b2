// SPDX-License-Identifier: Apache-2.0
#include "trace/index.h"

bool tr_index_insert(struct tr_index *index, uint64_t hash, uint32_t row)
{
    struct tr_index_line *first = tr_index_line_of(index, hash);

    for (unsigned tried = 0; tried < TR_INDEX_LINES_TRIED; tried++) {
        struct tr_index_line *line = first + tried;
        uint64_t empty = tr_index_line_match(line, 0);

        // A count at its top would not come down right: such a line is not passed over.
        if (!empty && line->overflow == UINT16_MAX)
            return false;
        if (empty) {
            unsigned lane = tr_index_lane(empty);

            line->tag[lane] = tr_index_tag_of(hash);
            line->row[lane] = row;
            for (struct tr_index_line *passed = first; passed < line; passed++)
                passed->overflow++;
            return true;
        }
    }
    return false;
}

void tr_index_remove(struct tr_index *index, uint64_t hash, uint32_t row)
{
    struct tr_index_line *first = tr_index_line_of(index, hash);
    uint16_t tag = tr_index_tag_of(hash);

    for (struct tr_index_line *line = first; line < first + TR_INDEX_LINES_TRIED; line++) {
        for (uint64_t lanes = tr_index_line_match(line, tag); lanes; lanes &= lanes - 1) {
            unsigned lane = tr_index_lane(lanes);

            if (line->row[lane] == row) {
                line->tag[lane] = 0;
                for (struct tr_index_line *passed = first; passed < line; passed++)
                    passed->overflow--;
                return;
            }
        }
    }
    tr_assert(!"the row is in the index");
}
