/* SPDX-License-Identifier: Apache-2.0 */
/* Silence becomes a command: sessions of brokers at the quorum leader. */
#include "stage.h"

#include <stdio.h>

static char said[256];

static void fence(void *ctx, int32_t broker, int64_t epoch)
{
	size_t n = strlen(said);

	(void)ctx;
	snprintf(said + n, sizeof(said) - n, "%d/%d ", broker, (int)epoch);
}

static int64_t last_ms;

/* Every 50 ms up to now; what was said at the last of them. */
static const char *tick(struct liveness *l, int64_t now_ms)
{
	for (; last_ms < now_ms; last_ms = min_of(now_ms, last_ms + 50)) {
		said[0] = '\0';
		liveness_tick(l, min_of(now_ms, last_ms + 50), fence, NULL);
	}
	return said;
}

static void start(struct liveness *l, int64_t now_ms, int32_t old_leader)
{
	last_ms = now_ms;
	liveness_start(l, now_ms, old_leader);
}

TEST(a_silent_broker_is_fenced_after_its_session)
{
	struct stage s = stage_of("brokers 1 2 3f\n");
	struct liveness *l = liveness_new(s.c, 600, 100);

	ck_assert_int_eq(liveness_next(l), -1);
	start(l, 1000, -1);
	ck_assert_int_eq(liveness_next(l), 1600);
	liveness_heard(l, 1, 1, 1500);
	ck_assert_str_eq(tick(l, 1599), "");
	ck_assert_str_eq(tick(l, 1600), "2/2 ");
	ck_assert_str_eq(tick(l, 1700), ""); /* said once */
	ck_assert_int_eq(liveness_next(l), 2100);
	ck_assert_str_eq(tick(l, 2100), "1/1 ");
	ck_assert_str_eq(tick(l, 2200), "2/2 "); /* it got lost: again */
	stage_fence(&s, 2);
	ck_assert_str_eq(tick(l, 2700), "1/1 ");
	liveness_stop(l);
	ck_assert_str_eq(tick(l, 9000), "");
	liveness_free(l);
	stage_fini(&s);
}

/* Active before this leader led is not enough. */
TEST(who_has_not_been_heard_by_this_leader_may_be_gone)
{
	struct stage s = stage_of("brokers 1 2 3f\n");
	struct liveness *l = liveness_new(s.c, 600, 100);

	start(l, 1000, -1);
	ck_assert(!liveness_has_heard_all(l));
	liveness_heard(l, 1, 1, 1050);
	liveness_heard(l, 2, 9, 1050); /* another registration */
	ck_assert(!liveness_has_heard_all(l));
	liveness_heard(l, 2, 2, 1100);
	ck_assert(liveness_has_heard_all(l));
	ck_assert_str_eq(tick(l, 1650), "1/1 "); /* its fencing is on its way */
	ck_assert(!liveness_has_heard_all(l));
	stage_fence(&s, 1);
	ck_assert(liveness_has_heard_all(l));
	liveness_stop(l);
	liveness_free(l);
	stage_fini(&s);
}

TEST(a_broken_connection_shortens_the_wait)
{
	struct stage s = stage_of("brokers 1 2\n");
	struct liveness *l = liveness_new(s.c, 600, 100);

	start(l, 1000, -1);
	liveness_heard(l, 1, 1, 1000);
	liveness_heard(l, 2, 2, 1000);
	liveness_lost(l, 1, 1010);
	liveness_lost(l, 2, 1010);
	liveness_heard(l, 2, 2, 1100); /* came back by another connection */
	ck_assert_str_eq(tick(l, 1209), "");
	ck_assert_str_eq(tick(l, 1210), "1/1 ");
	ck_assert_str_eq(tick(l, 1699), "");
	liveness_free(l);
	stage_fini(&s);
}

TEST(the_old_leader_gets_two_heartbeats_the_others_a_session)
{
	struct stage s = stage_of("brokers 1 2 3\n");
	struct liveness *l = liveness_new(s.c, 600, 100);

	start(l, 1000, 2);
	ck_assert_str_eq(tick(l, 1200), "2/2 ");
	ck_assert_str_eq(tick(l, 1600), "1/1 3/3 ");
	liveness_free(l);
	stage_fini(&s);
}

TEST(silence_while_the_leader_itself_stood_still_does_not_count)
{
	struct stage s = stage_of("brokers 1 2\n");
	struct liveness *l = liveness_new(s.c, 600, 100);

	start(l, 1000, -1);
	ck_assert_str_eq(tick(l, 1500), "");
	last_ms = 2950; /* stood still from 1500 to 3000 */
	ck_assert_str_eq(tick(l, 3000), "");
	liveness_heard(l, 1, 1, 3010); /* it was in the socket all the time */
	ck_assert_str_eq(tick(l, 3199), "");
	ck_assert_str_eq(tick(l, 3200), "2/2 ");
	liveness_free(l);
	stage_fini(&s);
}

TEST(a_new_registration_starts_afresh)
{
	struct stage s = stage_of("brokers 1 2\n");
	struct liveness *l = liveness_new(s.c, 600, 100);

	start(l, 1000, -1);
	liveness_heard(l, 1, 1, 1100);
	ck_assert(liveness_is_alive(l, 1, 1699));
	ck_assert(!liveness_is_alive(l, 1, 1700));
	ck_assert(!liveness_is_alive(l, 2, 1100)); /* never heard */
	liveness_heard(l, 2, 2, 1500);
	ck_assert_str_eq(tick(l, 1500), "");
	stage_restart(&s, 1, true, true);
	stage_unfence(&s, 1);
	liveness_heard(l, 1, 1, 1500); /* of the old process */
	ck_assert_str_eq(tick(l, 1599), "");
	liveness_heard(l, 2, 2, 1599);
	ck_assert_str_eq(tick(l, 2149), "");
	ck_assert_str_eq(tick(l, 2150), "1/3 ");
	ck_assert_str_eq(tick(l, 2199), "2/2 ");
	liveness_free(l);
	stage_fini(&s);
}
