/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stop: signals and the way out.
 *
 *	TERM/INT -> clients are not accepted any more -> leaderships move away
 *	(drain) -> the quorum's leadership moves away -> the shards close and
 *	sync -> thread 0 closes -> exit
 *
 * A second TERM or INT ends the process at once: it is the same as a crash,
 * which is always safe.
 */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "clock.h"
#include "node.h"
#include "service.h"
#include "sink.h"

#define HAND_OVER_MS 2000 /* at most, for the quorum's leadership */

/* ---- closing ------------------------------------------------------------- */

static void close_listeners(struct node *n)
{
	for (int i = 0; i < n->plan->listeners_n; i++)
		listener_close(&n->listeners[i]);
}

static void deliver_stopped(void *owner, void *body)
{
	struct node *n = ((struct thread *)owner)->node;
	struct thread *t = body;

	if (t->runs)
		pthread_join(t->handle, NULL);
	t->runs = false;
	if (++n->stopped_n == n->plan->shards)
		thread_stop(&n->threads[0]);
}

/* Shards hold pieces of each other's requests: none ends before all are idle.
 * Thread 0, which stops when they have ended, waits for nobody. */
static void deliver_idle(void *owner, void *body)
{
	struct node *n = ((struct thread *)owner)->node;

	(void)body;
	if (++n->idle_n < n->plan->shards)
		return;
	for (int i = 1; i < n->threads_n; i++)
		thread_end(&n->threads[i]);
}

void node_thread_idle(struct node *n, struct thread *t)
{
	if (t->index > 0)
		thread_post(&n->threads[0], deliver_idle, NULL);
	else
		t->ending = true;
}

/* On the thread that ends: its jobs are home, its connections closed. */
void node_thread_stopped(struct node *n, struct thread *t)
{
	int rv;

	if (t->index == 0 && n->quorum && t->broker)
		quorum_stop(n->quorum);
	rv = t->broker ? broker_close(t->broker) : 0;
	t->broker = NULL;
	thread_send_mail(t);
	if (rv < 0)
		trace_error("node", "not everything was written",
			    "thread=%d error=\"%s\"", t->index, strerror(-rv));
	if (rv < 0 && t->index == 0 && n->status == 0)
		n->status = 1;
	if (t->index > 0) {
		thread_post(&n->threads[0], deliver_stopped, t);
		return;
	}
	if (n->http)
		http_close(n->http);
	for (unsigned i = 0; i < countof(n->signals); i++)
		uv_close((uv_handle_t *)&n->signals[i], NULL);
}

void node_close(struct node *n, int status)
{
	if (n->state == NODE_CLOSING)
		return;
	n->state = NODE_CLOSING;
	n->status = status;
	wheel_disarm(&n->hand_over);
	wheel_disarm(&n->join);
	close_listeners(n);
	peers_close(&n->peers);
	if (n->threads[0].broker) /* those who wait there are told now */
		broker_stop(n->threads[0].broker);
	for (int i = 1; i < n->threads_n; i++)
		thread_stop(&n->threads[i]);
}

/* ---- handing over -------------------------------------------------------- */

static void on_hand_over_late(struct timer *t)
{
	node_close(container_of(t, struct node, hand_over), 0);
}

static void on_drained(void *ctx)
{
	struct node *n = ctx;
	struct thread *t = &n->threads[0];

	if (n->state != NODE_DRAINING)
		return;
	n->state = NODE_HANDING_OVER;
	if (quorum_role(n->quorum) != QUORUM_LEADER ||
	    quorum_transfer(n->quorum, -1) < 0) {
		node_close(n, 0);
		return;
	}
	timer_init(&n->hand_over, on_hand_over_late);
	wheel_arm(t->wheel, &n->hand_over, t->now_ms + HAND_OVER_MS);
}

void node_stop(struct node *n, int status)
{
	struct thread *t = &n->threads[0];
	int64_t wait = setting_number(
		n->settings->values[SETTING_CONTROLLED_SHUTDOWN_TIMEOUT_MS]);

	if (n->state != NODE_SERVING ||
	    !setting_bool(n->settings->values
				  [SETTING_CONTROLLED_SHUTDOWN_ENABLE])) {
		node_close(n, status);
		return;
	}
	n->state = NODE_DRAINING;
	close_listeners(n);
	broker_drain(t->broker, t->now_ms + wait, on_drained, n);
}

/* ---- signals ------------------------------------------------------------- */

static void on_stop_signal(uv_signal_t *h, int number)
{
	struct node *n = h->data;

	thread_wake(&n->threads[0]);
	if (n->state > NODE_SERVING) {
		trace_warn("node", "stopping at once", "signal=%d", number);
		_exit(1);
	}
	trace_info("node", "stopping", "signal=%d", number);
	service_stopping();
	node_stop(n, 0);
}

static void on_reload_signal(uv_signal_t *h, int number)
{
	struct node *n = h->data;
	struct conf *again = conf_again(n->conf);
	const struct node_settings *s = again ? conf_settings(again) : NULL;
	int changed = 0;

	(void)number;
	if (!again)
		return;
	for (int i = 0; i < SETTING_COUNT; i++) {
		if (!strcmp(s->values[i], n->settings->values[i]))
			continue;
		if (i == SETTING_LOG_LEVEL)
			continue;
		changed++;
		trace_warn("conf", "a changed setting waits for a restart",
			   "key=%s", settings[i].name);
	}
	sink_level_parse(str_of(s->values[SETTING_LOG_LEVEL]),
			 &trace_level_max);
	trace_info("conf", "configuration read again",
		   "log.level=%s waiting=%d", s->values[SETTING_LOG_LEVEL],
		   changed);
	conf_free(again);
}

void node_watch_signals(struct node *n)
{
	static const int numbers[] = { SIGTERM, SIGINT, SIGHUP };

	signal(SIGPIPE, SIG_IGN);
	for (unsigned i = 0; i < countof(numbers); i++) {
		uv_signal_init(&n->threads[0].loop, &n->signals[i]);
		n->signals[i].data = n;
		uv_signal_start(&n->signals[i],
				numbers[i] == SIGHUP ? on_reload_signal
						     : on_stop_signal,
				numbers[i]);
	}
}
