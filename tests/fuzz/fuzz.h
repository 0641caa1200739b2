// SPDX-License-Identifier: Apache-2.0
// What a fuzz target has to define. It returns 0, and says that something is wrong by tr_assert().
#ifndef TR_TEST_FUZZ_H
#define TR_TEST_FUZZ_H

#include "base/tr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

#endif
