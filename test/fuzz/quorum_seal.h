/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quorum_seal: makes the sums of the quorum's files and frames right, and the
 * commands in them ones that a proposer could have made: apply trusts those
 * (quorum.h), so that a command of garbage is no input of a stranger's.
 */
#ifndef TEST_FUZZ_QUORUM_SEAL_H
#define TEST_FUZZ_QUORUM_SEAL_H

#include <raftmq/base.h>

/* name: vote, mark, log.SERIAL or snapshot.INDEX */
void quorum_seal(const char *name, uint8_t *p, size_t n);
/* Any n bytes become a command; none remain none, which is a barrier. */
void quorum_seal_command(uint8_t *type, uint8_t *data, size_t n);

#endif
