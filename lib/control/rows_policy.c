// SPDX-License-Identifier: Apache-2.0
#include "control/metrics.h"

TR_COUNTERS_DEFINE(control_policy, TR_CONTROL_POLICY_COUNTERS)
