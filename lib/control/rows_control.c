// SPDX-License-Identifier: Apache-2.0
#include "control/metrics.h"

TR_COUNTERS_DEFINE(control, TR_CONTROL_COUNTERS)
