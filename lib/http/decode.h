// SPDX-License-Identifier: Apache-2.0
// Content-encoding: gzip, deflate (zlib, and raw as some clients send) and zstd, piece by piece into one contiguous
// output, bounded. One decoder an lcore, all memory taken at creation: only one body is decoded at a time.
#ifndef TR_HTTP_DECODE_H
#define TR_HTTP_DECODE_H

#include "http/request.h"

enum tr_decode_result { TR_DECODE_DONE, TR_DECODE_MORE, TR_DECODE_MALFORMED, TR_DECODE_TOO_LARGE };

struct tr_decoder;

int tr_decoder_create(struct tr_decoder **decoder);
void tr_decoder_destroy(struct tr_decoder *decoder);

// Begin a body. `pieces` stay readable until the end; output goes to `out`, at most `out_max` bytes. TR_ENCODING_IDENTITY
// copies. The region must stay the same between calls.
void tr_decoder_begin(struct tr_decoder *decoder, enum tr_encoding encoding, const struct tr_piece *pieces,
                      uint8_t *out, size_t out_max);

// Go on for about `budget` bytes of output. *bytes is the output so far. Trailing garbage is malformed; several
// gzip members or zstd frames in a row are one body.
enum tr_decode_result tr_decoder_run(struct tr_decoder *decoder, size_t budget, size_t *bytes);

#endif
