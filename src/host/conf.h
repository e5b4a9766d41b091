/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conf: what host's other files see of a configuration beyond host.h.
 */
#ifndef HOST_CONF_H
#define HOST_CONF_H

#include <raftmq/host.h>

#include "plan.h"

const struct plan *conf_plan(const struct conf *c);
/* Reads the same sources once more; the caller compares and frees it. NULL:
 * it does not hold any more, faults are traced. */
struct conf *conf_again(const struct conf *c);

#endif
