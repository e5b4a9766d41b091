/* SPDX-License-Identifier: Apache-2.0 */
/*
 * machine: state machines whose moves are checked against a table. Not a
 * driver: the owner decides when to move.
 */
#include <raftmq/base.h>

void machine_move(const struct machine *m, unsigned *state, unsigned to)
{
	unsigned from = *state;

	assert(m->states_n <= 32);
	assert(from < m->states_n && to < m->states_n);
	if (!(m->moves[from] >> to & 1))
		fatal("%s: no move from %s to %s", m->name, m->states[from],
		      m->states[to]);
	*state = to;
}
