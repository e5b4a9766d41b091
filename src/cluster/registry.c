/* SPDX-License-Identifier: Apache-2.0 */
/*
 * registry: the cluster's birth, and brokers that come, fall silent, stop and
 * go. KIP-500 (registration and fencing), KIP-903 (broker epochs), KIP-966
 * (unclean stops).
 *
 * 1. A registration by another process gets a new, larger epoch; who holds an
 *    older one is refused from then on.
 * 2. A broker is fenced from its registration until it has shown that it is
 *    caught up.
 */
#include "state.h"

void apply_bootstrap(struct change *x, const void *command)
{
	const struct bootstrap_command *m = command;
	struct cluster *c = x->c;

	if (!uuid_is_zero(c->id))
		return;
	c->id = m->cluster_id;
	c->level = CLUSTER_LEVEL_MIN;
	for (int32_t i = 0; i < m->members_n; i++) {
		struct broker_info *b;

		if (broker_of(c, m->members[i].id))
			continue;
		b = mem_zalloc(sizeof(*b));
		b->id = m->members[i].id;
		b->epoch = -1;
		b->peer_host = str_heap(m->members[i].host);
		b->peer_port = m->members[i].port;
		b->level_min = b->level_max = CLUSTER_LEVEL_MIN;
		b->fenced = true;
		map_put_i64(&c->brokers, b->id, b);
		change_note_broker(x, b->id);
	}
	for (int32_t i = 0; i < m->settings_n; i++)
		settings_put(&c->settings, m->settings[i].name,
			     m->settings[i].value);
	if (m->settings_n > 0)
		change_note(x, CLUSTER_SETTINGS_CHANGED);
	change_note(x, CLUSTER_BOOTSTRAPPED);
}

/* ---- registration -------------------------------------------------------- */

static int16_t register_error(const struct change *x,
			      const struct register_broker_command *m,
			      const struct broker_info *b)
{
	if (x->c->level < m->level_min || x->c->level > m->level_max)
		return K_UNSUPPORTED_VERSION;
	if (!b && (int32_t)map_count(&x->c->brokers) >= m->brokers_max)
		return K_POLICY_VIOLATION;
	if (b && b->epoch >= 0 && !uuid_eq(b->incarnation, m->incarnation) &&
	    m->alive && !b->stopping)
		return K_DUPLICATE_BROKER_REGISTRATION;
	return K_NONE;
}

static void take_addresses(struct broker_info *b,
			   const struct register_broker_command *m)
{
	for (int32_t i = 0; i < b->listeners_n; i++) {
		mem_free(b->listeners[i].name);
		mem_free(b->listeners[i].host);
	}
	mem_free(b->listeners);
	mem_free(b->peer_host);
	mem_free(b->rack);
	b->listeners_n = m->listeners_n;
	b->listeners = mem_zalloc((size_t)m->listeners_n *
				  sizeof(*b->listeners));
	for (int32_t i = 0; i < m->listeners_n; i++)
		b->listeners[i] = (struct broker_listener){
			.name = str_heap(m->listeners[i].name),
			.host = str_heap(m->listeners[i].host),
			.port = m->listeners[i].port,
			.security = m->listeners[i].security,
		};
	b->host = m->listeners_n > 0 ? b->listeners[0].host : NULL;
	b->port = m->listeners_n > 0 ? b->listeners[0].port : 0;
	b->peer_host = str_heap(m->peer_host);
	b->peer_port = m->peer_port;
	b->rack = m->rack.n > 0 ? str_heap(m->rack) : NULL;
	b->level_min = m->level_min;
	b->level_max = m->level_max;
}

static void fence(struct change *x, struct broker_info *b, enum loss loss)
{
	if (b->fenced && loss == LOST_NOTHING)
		return;
	b->fenced = true;
	elect_without(x, b->id, loss);
}

/* Another process than before: what the old one held is not its to keep. */
static void replace(struct change *x, struct broker_info *b,
		    const struct register_broker_command *m)
{
	enum loss loss = LOST_NOTHING;

	if (b->epoch >= 0 && b->epoch != m->previous_epoch)
		loss = m->previous_epoch == BROKER_EPOCH_BLIND ? LOST_TRACK :
								 LOST_CACHE;
	if (b->epoch >= 0 && !uuid_eq(b->directory, m->directory))
		loss = LOST_ALL;
	fence(x, b, loss);
	b->incarnation = m->incarnation;
	b->directory = m->directory;
	b->epoch = x->c->next_broker_epoch++;
	b->stopping = false;
}

void apply_register_broker(struct change *x, const void *command)
{
	const struct register_broker_command *m = command;
	struct broker_registration_response *answer =
		change_answer(x, &broker_registration_response_type);
	struct broker_info *b = broker_of(x->c, m->broker_id);

	answer->error_code = x->out->error = register_error(x, m, b);
	if (answer->error_code != K_NONE)
		return;
	if (!b) {
		b = mem_zalloc(sizeof(*b));
		b->id = m->broker_id;
		b->epoch = -1;
		b->fenced = true;
		map_put_i64(&x->c->brokers, b->id, b);
	}
	/* the same process asks again: it keeps its epoch and its state */
	if (b->epoch < 0 || !uuid_eq(b->incarnation, m->incarnation))
		replace(x, b, m);
	take_addresses(b, m);
	answer->broker_epoch = b->epoch;
	change_note_broker(x, b->id);
}

/* ---- heartbeats' consequences -------------------------------------------- */

void apply_set_broker_state(struct change *x, const void *command)
{
	const struct set_broker_state_command *m = command;
	struct broker_info *b = broker_of_epoch(x->c, m->broker_id,
						m->broker_epoch);
	bool fenced, stopping;

	if (!b) {
		x->out->error = K_STALE_BROKER_EPOCH;
		return;
	}
	fenced = b->fenced;
	stopping = b->stopping;
	if (m->stopping && !b->stopping) {
		b->stopping = true;
		if (!b->fenced)
			elect_drain(x, b->id);
	}
	if (m->fence == 1)
		fence(x, b, LOST_NOTHING);
	if (m->fence == 2 && b->fenced && !b->stopping) {
		b->fenced = false;
		elect_leaderless(x, NULL);
	}
	if (b->fenced != fenced || b->stopping != stopping)
		change_note_broker(x, b->id);
}

void apply_unregister_broker(struct change *x, const void *command)
{
	const struct unregister_broker_command *m = command;
	struct unregister_broker_response *answer =
		change_answer(x, &unregister_broker_response_type);
	struct broker_info *b = broker_of(x->c, m->broker_id);
	struct map *own;

	if (!b) {
		answer->error_code = x->out->error = K_BROKER_ID_NOT_REGISTERED;
		answer->error_message = str_printf(
			x->arena, "Broker ID %d is not currently registered",
			m->broker_id);
		return;
	}
	fence(x, b, LOST_NOTHING);
	map_remove_i64(&x->c->brokers, b->id);
	own = map_remove_i64(&x->c->broker_settings, b->id);
	if (own) {
		settings_fini(own);
		mem_free(own);
	}
	change_note_broker(x, b->id);
	broker_free_info(b);
}
