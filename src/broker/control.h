/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control: what thread 0 has beside the groups. This node's own membership,
 * the quorum leader's duties towards brokers (liveness, unfencing, balance),
 * requests on their way to the quorum leader, proposals on behalf of requests,
 * and the shards' wishes for other in-sync sets.
 */
#ifndef BROKER_CONTROL_H
#define BROKER_CONTROL_H

#include "inside.h"
#include "propose.h"

struct membership;
struct wishes;

struct control {
	struct broker *broker;
	struct membership *membership;
	struct wishes *wishes;
	struct liveness *liveness;
	struct map newcomers;   /* broker -> struct newcomer *, leader only */
	struct list forwards;   /* requests on their way to the leader */
	struct list behind;     /* answered there, not yet applied here */
	struct list admissions; /* requests that wait for their proposal */
	struct list calls;      /* of this node to the leader (call.c) */
	struct timer live_timer, balance_timer;
	int32_t old_leader; /* the one before us */
	uint64_t serial;    /* grows with every change of role */
	bool leads;  /* by the last change of role */
	bool active; /* and all that was agreed before is applied here */
};

int control_open(struct broker *b) must_use;
void control_stop(struct broker *b);
void control_close(struct broker *b);

/* ---- requests that need the quorum leader (forward.c) -------------------- */

/*
 * true: this node is the leader, go on. false: the request was taken over; it
 * goes to the leader in an Envelope (KIP-590), again and again until timeout_ms
 * have passed, and is answered from there, once this node has applied what the
 * leader had. late fills rq->out when nobody answered in time (error 7) or the
 * leader cannot be found (41).
 */
typedef void late_fn(struct request *rq, int16_t error);
bool control_here(struct broker *b, struct request *rq, int64_t timeout_ms,
		  late_fn *late);
void forward_look(struct broker *b);      /* another leader */
void forward_caught_up(struct broker *b); /* another command is applied */
void forward_close(struct broker *b);

/* ---- a request that becomes a command (admit.c) -------------------------- */

/*
 * Proposes, and answers rq when it has been applied: done fills rq->out from
 * the result, which is a copy in rq's arena. late answers otherwise, at the
 * latest after timeout_ms.
 */
typedef void admit_fn(struct broker *b, struct request *rq, void *result);
struct admission {
	const struct wire_type *type;
	const void *command;
	int64_t timeout_ms;
	admit_fn *done;
	late_fn *late;
};
void control_admit(struct broker *b, struct request *rq,
		   const struct admission *a);
/* The same without proposing anything: answers what would be answered. */
void control_rehearse(struct broker *b, struct request *rq,
		      const struct admission *a);
/* What the command would answer, now; in rq's arena. */
void *control_preview(struct broker *b, struct request *rq,
		      const struct wire_type *type, const void *command);
void admit_close(struct broker *b);

/* ---- this node as a broker (membership.c) -------------------------------- */

/* In a registration: the listener that is for brokers, and the behaviour
 * versions of the program as a feature (cluster.h). */
#define PEER_LISTENER "RAFTMQ_PEER"
#define LEVEL_FEATURE "raftmq.level"

struct membership *membership_new(struct broker *b);
void membership_free(struct membership *m);
/* Asks nobody any more: what is answered from now on comes to an end. */
void membership_stop(struct membership *m);
/* Another quorum leader: it should hear from us now. */
void membership_poke(struct broker *b);
void membership_applied(struct broker *b);
int64_t membership_epoch(const struct broker *b); /* -1: not registered */
/* The mark of a clean stop: taken at the start, left at the end (KIP-966). */
int64_t membership_take_mark(struct broker *b);
int membership_leave_mark(struct broker *b);

/* ---- the leader's side of it (handle/heartbeats.c) ----------------------- */

/* What it remembered of brokers while it led. */
void heartbeats_forget(struct broker *b);

/* ---- the shards' wishes (wishes.c) --------------------------------------- */

struct wishes *wishes_new(struct broker *b);
void wishes_free(struct wishes *w);
void wishes_look(struct broker *b); /* the leader changed */
void wishes_turn_end(struct broker *b);

/* ---- settings for answers (handle/config_read.c) ------------------------- */

/* The value that is shown; NULL when it is unset. */
const char *setting_shown(const struct broker *b, const struct setting_view *v,
			  enum setting_id id, struct arena *a);
/* The settings of this node's own, to be made more special. */
struct setting_view setting_view_here(const struct broker *b);
int8_t setting_wire_type(const struct setting *s);
/* Not to be changed at run time in that scope. */
bool setting_read_only(const struct setting *s, int scope);
/* What is wrong with such a pair of compaction lags (handle/configs.c). */
const char *setting_lag_conflict(int64_t min_ms, int64_t max_ms);

#endif
