/* SPDX-License-Identifier: Apache-2.0 */
/*
 * level: the version of the cluster's behaviour. Apply is part of the data
 * format: two programs that apply the same command must come to the same
 * state. So a program that decides something differently does it only from a
 * level on, and the level is raised by a command once every broker can play
 * it. It never falls.
 *
 *	level  since   what
 *	0      -       nothing yet: before the bootstrap
 *	1      0.1     everything so far
 *
 * How to change apply: raise CLUSTER_LEVEL_MAX, add a line here, ask for
 * x->c->level where the behaviour differs, and keep the golden logs of the old
 * level as they are.
 */
#include "state.h"

static bool all_can_play(const struct cluster *c, int32_t level)
{
	for (struct map_iter i = map_first(&c->brokers); i.at; map_next(&i)) {
		const struct broker_info *b = i.value;

		if (level < b->level_min || level > b->level_max)
			return false;
	}
	return true;
}

void apply_set_level(struct change *x, const void *command)
{
	const struct set_level_command *m = command;

	if (m->level < x->c->level || x->c->level == 0 ||
	    !all_can_play(x->c, m->level)) {
		x->out->error = K_INVALID_UPDATE_VERSION;
		return;
	}
	/* all registered programs can; one that is not registered must stop */
	if (m->level > CLUSTER_LEVEL_MAX)
		fatal("cluster: level %d is agreed on, this program plays up "
		      "to %d", m->level, CLUSTER_LEVEL_MAX);
	x->c->level = m->level;
	change_note(x, CLUSTER_SETTINGS_CHANGED);
}
