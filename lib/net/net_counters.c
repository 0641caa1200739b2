// SPDX-License-Identifier: Apache-2.0
#include "net/net_counters.h"

TR_COUNTERS_DEFINE(net, TR_NET_COUNTERS)
