/* SPDX-License-Identifier: Apache-2.0 */
/* Fetch by consumers: what is there, waiting, limits, sessions. */
#include "rig.h"

static struct rig r;

static void produce(const char *topic, int32_t partition, int n)
{
	struct rig_call *p = rig_produce(&r, 1, topic, partition, -1, n);

	rig_settle(&r);
	ck_assert_int_eq(rig_produced(p, NULL), 0);
}

static void start(int shards, const char *replicas)
{
	rig_init(&r, 1, shards, NULL);
	rig_topic(&r, "t", replicas, NULL);
}

TEST(no_data_is_zero_bytes_and_never_null)
{
	struct fetch_request *in;
	struct rig_call *c;

	start(1, "1"); /* KAFKA-18646 */
	in = rig_fetch_new(&r, 0, 1);
	rig_fetch_add(&r, in, "t", 0, 0);
	rig_fetch_add(&r, in, "nothing", 0, 0);
	c = rig_fetch(&r, 1, 11, in);
	ck_assert_int_eq(rig_fetched(&r, c, "t", 0)->records.n, 0);
	ck_assert_int_eq(rig_fetched(&r, c, "t", 0)->error_code, 0);
	ck_assert_int_eq(rig_fetched(&r, c, "nothing", 0)->records.n, 0);
	ck_assert_int_eq(rig_fetched(&r, c, "nothing", 0)->error_code,
			 K_UNKNOWN_TOPIC_OR_PARTITION);
	ck_assert_int_eq(rig_fetched(&r, c, "nothing", 0)->high_watermark, -1);
	rig_fini(&r);
}

TEST(a_fetch_waits_for_data)
{
	struct fetch_request *in;
	struct rig_call *c;

	start(1, "1");
	in = rig_fetch_new(&r, 500, 1);
	rig_fetch_add(&r, in, "t", 0, 0);
	c = rig_fetch(&r, 1, 12, in);
	rig_pass(&r, 100);
	ck_assert(!c->done);
	produce("t", 0, 2);
	ck_assert(c->done);
	ck_assert_int_eq(rig_records(rig_fetched(&r, c, "t", 0)), 2);
	rig_fini(&r);
}

TEST(a_fetch_waits_at_most_max_wait)
{
	struct fetch_request *in;
	struct rig_call *c;

	start(1, "1");
	in = rig_fetch_new(&r, 500, 1);
	rig_fetch_add(&r, in, "t", 0, 0);
	c = rig_fetch(&r, 1, 12, in);
	rig_pass(&r, 499);
	ck_assert(!c->done);
	rig_pass(&r, 2);
	ck_assert(c->done);
	ck_assert_int_eq(rig_fetched(&r, c, "t", 0)->records.n, 0);
	rig_fini(&r);
}

TEST_TIMES(min_bytes_counts_all_partitions, 3)
{
	struct fetch_request *in;
	struct rig_call *c;

	start(1 + _i, "1|1|1");
	in = rig_fetch_new(&r, 500, 3 * BATCH_HEADER_SIZE);
	for (int i = 0; i < 3; i++)
		rig_fetch_add(&r, in, "t", i, 0);
	c = rig_fetch(&r, 1, 12, in);
	produce("t", 0, 1);
	ck_assert(!c->done);
	produce("t", 1, 1);
	ck_assert(!c->done);
	produce("t", 2, 1);
	ck_assert(c->done);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(rig_records(rig_fetched(&r, c, "t", i)), 1);
	rig_fini(&r);
}

TEST_TIMES(an_error_is_answered_at_once_whichever_shard_has_it, 2)
{
	struct fetch_request *in;
	struct rig_call *c;

	start(2, "1|1|1");
	in = rig_fetch_new(&r, 500, 1);
	for (int i = 0; i < 3; i++)
		rig_fetch_add(&r, in, "t", i, i == _i ? 7 : 0);
	c = rig_fetch(&r, 1, 12, in);
	ck_assert(c->done);
	ck_assert_int_eq(rig_fetched(&r, c, "t", _i)->error_code,
			 K_OFFSET_OUT_OF_RANGE);
	ck_assert_int_eq(rig_fetched(&r, c, "t", 1 - _i)->error_code, 0);
	rig_fini(&r);
}

TEST_TIMES(data_is_answered_at_once_whichever_shard_has_it, 2)
{
	struct fetch_request *in;
	struct rig_call *c;

	start(2, "1|1");
	produce("t", _i, 1);
	in = rig_fetch_new(&r, 500, 1);
	for (int i = 0; i < 2; i++)
		rig_fetch_add(&r, in, "t", i, 0);
	c = rig_fetch(&r, 1, 12, in);
	ck_assert(c->done);
	ck_assert_int_eq(rig_records(rig_fetched(&r, c, "t", _i)), 1);
	rig_fini(&r);
}

TEST(a_partition_that_is_deleted_ends_the_waiting)
{
	struct fetch_request *in;
	struct rig_call *c;

	start(1, "1");
	in = rig_fetch_new(&r, 500, 1);
	rig_fetch_add(&r, in, "t", 0, 0);
	c = rig_fetch(&r, 1, 12, in);
	ck_assert(!c->done);
	rig_delete_topic(&r, "t");
	ck_assert(c->done);
	ck_assert_int_eq(rig_fetched(&r, c, "t", 0)->error_code,
			 K_UNKNOWN_TOPIC_OR_PARTITION);
	rig_fini(&r);
}

TEST(what_is_not_committed_is_not_seen)
{
	struct fetch_request *in;
	struct rig_call *c;

	rig_init(&r, 2, 1, NULL);
	rig_topic(&r, "t", "1,2", NULL);
	r.nodes[1].hold_jobs = true;
	rig_produce(&r, 1, "t", 0, 1, 1);
	rig_settle(&r);
	in = rig_fetch_new(&r, 50, 1);
	rig_fetch_add(&r, in, "t", 0, 0);
	c = rig_fetch(&r, 1, 12, in);
	ck_assert(!c->done);
	in = rig_fetch_new(&r, 0, 1); /* behind the HW, not behind the end */
	rig_fetch_add(&r, in, "t", 0, 1);
	ck_assert_int_eq(rig_fetched(&r, rig_fetch(&r, 1, 12, in), "t",
				     0)->error_code, 0);
	r.nodes[1].hold_jobs = false;
	rig_settle(&r);
	ck_assert_int_eq(rig_records(rig_fetched(&r, c, "t", 0)), 1);
	rig_fini(&r);
}

/* KIP-74: progress is possible however small the limits are. */
TEST(the_first_batch_comes_whole_whatever_the_limits)
{
	struct fetch_request *in;
	struct rig_call *c;

	start(2, "1|1|1");
	for (int i = 0; i < 3; i++)
		produce("t", i, 10);
	in = rig_fetch_new(&r, 0, 1);
	in->max_bytes = 1;
	for (int i = 0; i < 3; i++)
		rig_fetch_add(&r, in, "t", i, 0);
	c = rig_fetch(&r, 1, 12, in);
	ck_assert_int_eq(rig_records(rig_fetched(&r, c, "t", 0)) +
				 rig_records(rig_fetched(&r, c, "t", 1)) +
				 rig_records(rig_fetched(&r, c, "t", 2)), 10);
	rig_fini(&r);
}

TEST(a_client_that_says_it_is_a_broker_is_not_believed)
{
	struct fetch_request *in;
	struct rig_call *c;

	rig_init(&r, 2, 1, NULL); /* CVE-2018-1288 */
	rig_topic(&r, "t", "1,2", NULL);
	in = rig_fetch_new(&r, 0, 1);
	in->replica_id = 2;
	rig_fetch_add(&r, in, "t", 0, 0);
	c = rig_fetch(&r, 1, 12, in);
	ck_assert(c->done && c->closed && c->silent);
	rig_fini(&r);
}

TEST(leader_epochs_are_compared)
{
	struct fetch_request *in;
	struct rig_call *c;

	start(1, "1"); /* KIP-320 */
	for (int32_t epoch = 0; epoch < 2; epoch++) {
		in = rig_fetch_new(&r, 0, 1);
		rig_fetch_add(&r, in, "t", 0, 0);
		in->topics[0].partitions[0].current_leader_epoch = epoch;
		c = rig_fetch(&r, 1, 12, in);
		ck_assert_int_eq(rig_fetched(&r, c, "t", 0)->error_code,
				 epoch ? K_UNKNOWN_LEADER_EPOCH : 0);
	}
	rig_fini(&r);
}

/* A loop never waits for the disk: the pool reads ahead, then it answers. */
TEST(bytes_that_are_not_in_memory_are_waited_for)
{
	struct fetch_request *in;
	struct rig_call *c;

	start(1, "1");
	produce("t", 0, 2);
	disk_mem_set_cold(r.nodes[0].mem, 100);
	r.nodes[0].hold_jobs = true;
	in = rig_fetch_new(&r, 500, 1);
	rig_fetch_add(&r, in, "t", 0, 0);
	c = rig_fetch(&r, 1, 12, in);
	disk_mem_set_cold(r.nodes[0].mem, 0);
	r.nodes[0].hold_jobs = false;
	rig_settle(&r);
	ck_assert_int_eq(rig_records(rig_fetched(&r, c, "t", 0)), 2);
	rig_fini(&r);
}

/* ---- sessions (KIP-227) -------------------------------------------------- */

static struct rig_call *first_of_session(int partitions, int16_t version)
{
	struct fetch_request *in = rig_fetch_new(&r, 0, 1);

	in->session_epoch = 0;
	for (int i = 0; i < partitions; i++)
		rig_fetch_add(&r, in, "t", i, 0);
	return rig_fetch(&r, 1, version, in);
}

static int32_t session_of(const struct rig_call *c)
{
	return ((struct fetch_response *)c->out)->session_id;
}

static int16_t error_of(const struct rig_call *c)
{
	ck_assert(c->done);
	return ((struct fetch_response *)c->out)->error_code;
}

static int32_t topics_of(const struct rig_call *c)
{
	ck_assert(c->done);
	return ((struct fetch_response *)c->out)->responses_n;
}

static struct fetch_request *next_of(int32_t id, int32_t epoch, int32_t wait)
{
	struct fetch_request *in = rig_fetch_new(&r, wait, 1);

	in->session_id = id;
	in->session_epoch = epoch;
	return in;
}

TEST_TIMES(an_incremental_answer_has_what_changed, 3)
{
	struct fetch_request *in;
	struct rig_call *c;
	int32_t id;

	start(1 + _i, "1|1|1|1|1");
	c = first_of_session(5, 17);
	id = session_of(c);
	ck_assert_int_gt(id, 0);
	for (int i = 0; i < 5; i++)
		ck_assert_ptr_nonnull(rig_fetched(&r, c, "t", i));
	c = rig_fetch(&r, 1, 17, next_of(id, 1, 0));
	ck_assert_int_eq(error_of(c), 0);
	ck_assert_int_eq(topics_of(c), 0);
	produce("t", 3, 4);
	c = rig_fetch(&r, 1, 17, next_of(id, 2, 0));
	ck_assert_int_eq(rig_records(rig_fetched(&r, c, "t", 3)), 4);
	ck_assert_int_eq(((struct fetch_response *)c->out)
				 ->responses[0].partitions_n, 1);
	in = next_of(id, 3, 500); /* the reader says how far it came */
	rig_fetch_add(&r, in, "t", 3, 4);
	c = rig_fetch(&r, 1, 17, in);
	ck_assert(!c->done);
	produce("t", 1, 1);
	ck_assert_int_eq(rig_records(rig_fetched(&r, c, "t", 1)), 1);
	rig_fini(&r);
}

TEST(a_forgotten_partition_is_not_answered)
{
	struct fetch_request_forgotten gone = { .partitions_n = 1 };
	struct fetch_request *in;
	struct rig_call *c;
	int32_t id, partition = 0;

	start(2, "1|1|1");
	gone.topic_id = cluster_topic(r.c, STR("t"))->id;
	gone.partitions = &partition;
	id = session_of(first_of_session(3, 17));
	in = next_of(id, 1, 0);
	in->forgotten_topics_data = &gone;
	in->forgotten_topics_data_n = 1;
	produce("t", 0, 1);
	produce("t", 2, 1);
	c = rig_fetch(&r, 1, 17, in);
	ck_assert_ptr_null(rig_fetched(&r, c, "t", 0));
	ck_assert_int_eq(rig_records(rig_fetched(&r, c, "t", 2)), 1);
	rig_fini(&r);
}

TEST(sessions_that_do_not_fit_are_refused)
{
	int32_t id;

	start(1, "1");
	ck_assert_int_eq(error_of(rig_fetch(&r, 1, 17, next_of(77, 1, 0))),
			 K_FETCH_SESSION_ID_NOT_FOUND);
	id = session_of(first_of_session(1, 17));
	ck_assert_int_eq(error_of(rig_fetch(&r, 1, 17, next_of(id, 2, 0))),
			 K_INVALID_FETCH_SESSION_EPOCH);
	ck_assert_int_eq(error_of(rig_fetch(&r, 1, 12, next_of(id, 1, 0))),
			 K_FETCH_SESSION_TOPIC_ID_ERROR);
	ck_assert_int_eq(error_of(rig_fetch(&r, 1, 17, next_of(id, 1, 0))), 0);
	ck_assert_int_eq(error_of(rig_fetch(&r, 1, 17, next_of(id, -1, 0))), 0);
	ck_assert_int_eq(error_of(rig_fetch(&r, 1, 17, next_of(id, 2, 0))),
			 K_FETCH_SESSION_ID_NOT_FOUND);
	rig_fini(&r);
}

TEST_TIMES(the_next_request_of_a_session_ends_the_waiting_of_the_last, 2)
{
	struct rig_call *one, *two;
	int32_t id;

	start(1 + _i, "1|1|1");
	id = session_of(first_of_session(3, 17));
	one = rig_fetch(&r, 1, 17, next_of(id, 1, 500));
	ck_assert(!one->done);
	two = rig_fetch(&r, 1, 17, next_of(id, 2, 500));
	ck_assert_int_eq(topics_of(one), 0);
	ck_assert(!two->done);
	produce("t", 1, 1);
	ck_assert_int_eq(rig_records(rig_fetched(&r, two, "t", 1)), 1);
	rig_fini(&r);
}

TEST(a_session_learns_of_a_topic_that_is_made_later)
{
	struct fetch_request *in;
	struct rig_call *c;
	int32_t id;

	start(1, "1");
	in = rig_fetch_new(&r, 0, 1);
	in->session_epoch = 0;
	rig_fetch_add(&r, in, "t", 0, 0);
	rig_fetch_add(&r, in, "later", 0, 0);
	c = rig_fetch(&r, 1, 12, in);
	id = session_of(c);
	ck_assert_int_eq(rig_fetched(&r, c, "later", 0)->error_code,
			 K_UNKNOWN_TOPIC_OR_PARTITION);
	c = rig_fetch(&r, 1, 12, next_of(id, 1, 500));
	ck_assert_int_eq(rig_fetched(&r, c, "later", 0)->error_code,
			 K_UNKNOWN_TOPIC_OR_PARTITION);
	rig_topic(&r, "later", "1", NULL);
	produce("later", 0, 2);
	c = rig_fetch(&r, 1, 12, next_of(id, 2, 0));
	ck_assert_int_eq(rig_records(rig_fetched(&r, c, "later", 0)), 2);
	rig_fini(&r);
}

TEST(a_session_by_name_ends_when_its_topic_is_made_anew)
{
	int32_t id;

	start(1, "1");
	id = session_of(first_of_session(1, 12));
	rig_delete_topic(&r, "t");
	rig_topic(&r, "t", "1", NULL);
	ck_assert_int_eq(error_of(rig_fetch(&r, 1, 12, next_of(id, 1, 0))), 0);
	ck_assert_int_eq(error_of(rig_fetch(&r, 1, 12, next_of(id, 2, 0))),
			 K_FETCH_SESSION_ID_NOT_FOUND);
	rig_fini(&r);
}

TEST(there_are_only_so_many_sessions)
{
	int32_t id;

	rig_init(&r, 1, 1, "max.incremental.fetch.session.cache.slots=2");
	rig_topic(&r, "t", "1", NULL);
	id = session_of(first_of_session(1, 17));
	ck_assert_int_gt(id, 0);
	ck_assert_int_gt(session_of(first_of_session(1, 17)), 0);
	ck_assert_int_eq(session_of(first_of_session(1, 17)), 0);
	rig_pass(&r, 1); /* idle for two minutes: may be pushed out */
	r.now_ms += 120000;
	ck_assert_int_gt(session_of(first_of_session(1, 17)), 0);
	ck_assert_int_eq(error_of(rig_fetch(&r, 1, 17, next_of(id, 1, 0))),
			 K_FETCH_SESSION_ID_NOT_FOUND);
	rig_fini(&r);
}
