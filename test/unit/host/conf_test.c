/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <unistd.h>

#include "conf.h"
#include "unit.h"

static int load_text(struct conf *c, const char *text)
{
	char path[] = "/tmp/raftmq-conf-test.XXXXXX";
	int fd = mkstemp(path), rv;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (int)strlen(text));
	close(fd);
	rv = conf_load(c, path);
	unlink(path);
	return rv;
}

static struct conf *load(const char *file, int *rv)
{
	struct conf *c = conf_new();

	*rv = file ? load_text(c, file) : conf_load(c, NULL);
	return c;
}

static const char *value(const struct conf *c, enum setting_id id)
{
	return conf_settings(c)->values[id];
}

TEST(conf_without_anything_is_one_node_on_loopback)
{
	int rv;
	struct conf *c = load(NULL, &rv);
	const struct plan *p = conf_plan(c);

	ck_assert_msg(rv == 0, "%s", conf_faults(c));
	ck_assert(p->alone);
	ck_assert_int_eq(p->id, 1);
	ck_assert_str_eq(p->listeners[0].bind.host, "127.0.0.1");
	ck_assert_int_eq(p->listeners[0].advertised.port, 9092);
	ck_assert_int_eq(p->http.port, 9644);
	ck_assert_ptr_null(p->peer.host);
	ck_assert_str_eq(value(c, SETTING_LOG_DIRS), "./raftmq-data");
	conf_free(c);
}

TEST(conf_flag_over_environment_over_file_over_default)
{
	const char *file = "num.partitions=2\nnode.id = 5\n"
			   "log.level=warn\nmin.insync.replicas=1\n";
	struct conf *c = conf_new();
	int rv;

	setenv("RAFTMQ_NUM_PARTITIONS", "3", 1);
	setenv("RAFTMQ_LOG_LEVEL", "debug", 1);
	conf_flag(c, "num.partitions", "4", "-D");
	rv = load_text(c, file);
	ck_assert_msg(rv == 0, "%s", conf_faults(c));
	ck_assert_str_eq(value(c, SETTING_NUM_PARTITIONS), "4");
	ck_assert_str_eq(conf_settings(c)->sources[SETTING_NUM_PARTITIONS],
			 "flag -D");
	ck_assert_str_eq(value(c, SETTING_LOG_LEVEL), "debug");
	ck_assert_str_eq(conf_settings(c)->sources[SETTING_LOG_LEVEL],
			 "env RAFTMQ_LOG_LEVEL");
	ck_assert_str_eq(value(c, SETTING_NODE_ID), "5");
	ck_assert(strstr(conf_settings(c)->sources[SETTING_NODE_ID], ":2"));
	ck_assert_str_eq(conf_settings(c)->sources[SETTING_SHARDS], "default");
	conf_free(c);
}

TEST(conf_unknown_key_is_an_error_with_line_and_nearest_name)
{
	int rv;
	struct conf *c = load("node.id=1\nlisteners.x=1\nnum.partitons=3\n",
			      &rv);

	ck_assert_int_eq(rv, -EINVAL);
	ck_assert_ptr_nonnull(strstr(conf_faults(c), ":3: there is no setting "
						     "'num.partitons'; did you "
						     "mean 'num.partitions'?"));
	ck_assert_ptr_nonnull(strstr(conf_faults(c), ":2: "));
	conf_free(c);
}

TEST(conf_kafka_key_without_meaning_warns)
{
	int rv;
	struct conf *c = load("zookeeper.connect=x\nnum.io.threads=8\n", &rv);

	ck_assert_int_eq(rv, 0);
	ck_assert_ptr_nonnull(strstr(conf_warnings(c),
				     ":1: zookeeper.connect is ignored"));
	ck_assert_ptr_nonnull(strstr(conf_warnings(c), ":2: num.io.threads"));
	conf_free(c);
}

TEST(conf_security_that_is_not_served_fails)
{
	int rv;
	struct conf *c = load("ssl.keystore.location=/x\n", &rv);

	ck_assert_int_eq(rv, -EINVAL);
	conf_free(c);
	c = load("listeners=SASL_SSL://127.0.0.1:9092\n", &rv);
	ck_assert_int_eq(rv, -EINVAL);
	ck_assert_ptr_nonnull(strstr(conf_faults(c), "only PLAINTEXT"));
	conf_free(c);
}

TEST(conf_topic_setting_names_its_default)
{
	int rv;
	struct conf *c = load("retention.ms=5\n", &rv);

	ck_assert_int_eq(rv, -EINVAL);
	ck_assert_ptr_nonnull(strstr(conf_faults(c), "log.retention.ms"));
	conf_free(c);
}

TEST(conf_alias_in_another_unit)
{
	int rv;
	struct conf *c = load("log.retention.hours=2\n"
			      "log.retention.minutes=3\n", &rv);

	ck_assert_int_eq(rv, 0);
	ck_assert_str_eq(value(c, SETTING_LOG_RETENTION_MS), "180000");
	conf_free(c);
	c = load("log.retention.ms=7\nlog.retention.hours=2\n", &rv);
	ck_assert_str_eq(value(c, SETTING_LOG_RETENTION_MS), "7");
	conf_free(c);
	c = load("log.retention.hours=-1\n", &rv);
	ck_assert_str_eq(value(c, SETTING_LOG_RETENTION_MS), "-1");
	conf_free(c);
}

TEST(conf_wildcard_listener_must_be_advertised)
{
	int rv;
	struct conf *c = load("listeners=PLAINTEXT://0.0.0.0:9092\n", &rv);

	ck_assert_int_eq(rv, -EINVAL);
	ck_assert_ptr_nonnull(strstr(conf_faults(c),
				     "    listeners = PLAINTEXT://0.0.0.0:9092"
				     "\n    advertised.listeners = "
				     "PLAINTEXT://"));
	conf_free(c);
	c = load("listeners=PLAINTEXT://:9092\n"
		 "advertised.listeners=PLAINTEXT://b1.example.com:19092\n",
		 &rv);
	ck_assert_msg(rv == 0, "%s", conf_faults(c));
	ck_assert_int_eq(conf_plan(c)->listeners[0].advertised.port, 19092);
	conf_free(c);
}

TEST(conf_peers_on_one_host_get_ports_side_by_side)
{
	int rv;
	struct conf *c = load("node.id=2\npeers=1@127.0.0.1:19092, "
			      "2@127.0.0.1:19093,3@127.0.0.1:19094\n", &rv);
	const struct plan *p = conf_plan(c);

	ck_assert_msg(rv == 0, "%s", conf_faults(c));
	ck_assert_int_eq(p->peers_n, 3);
	ck_assert_int_eq(p->listeners[0].bind.port, 9093);
	ck_assert_int_eq(p->http.port, 9645);
	ck_assert_int_eq(p->peer.port, 19093);
	ck_assert_str_eq(value(c, SETTING_LOG_DIRS), "./raftmq-data-2");
	ck_assert_str_eq(value(c, SETTING_LISTENERS),
			 "PLAINTEXT://127.0.0.1:9093");
	conf_free(c);
}

TEST(conf_peers_on_other_hosts_are_not_told_loopback)
{
	int rv;
	struct conf *c = load("node.id=2\npeers=1@10.0.0.1:9192,"
			      "2@10.0.0.2:9192,3@10.0.0.3:9192\n", &rv);
	const struct plan *p = conf_plan(c);

	ck_assert_msg(rv == 0, "%s", conf_faults(c));
	ck_assert_str_eq(p->listeners[0].advertised.host, "10.0.0.2");
	ck_assert_int_eq(p->listeners[0].bind.port, 9092);
	ck_assert_str_eq(value(c, SETTING_LOG_DIRS), "./raftmq-data");
	conf_free(c);
}

TEST(conf_peers_are_checked)
{
	static const struct {
		const char *file, *why;
	} cases[] = {
		{ "peers=1@h:1,2@h:2,3@h:3\n", "must say which one it is" },
		{ "node.id=4\npeers=1@h:1,2@h:2,3@h:3\n", "not among peers" },
		{ "node.id=1\npeers=1@h:1,1@h:2\n", "there twice" },
		{ "node.id=1\npeers=1@h:1,2@h:1\n", "same address" },
		{ "node.id=1\npeers=h:1\n", "is not ID@HOST:PORT" },
		{ "node.id=1\npeers=1@0.0.0.0:1\n", "every address" },
		{ "node.id=1\npeers=1@::1:9\n", "brackets" },
		{ "node.id=1\npeers=1@h:0\n", "from 1 to 65535" },
		{ "node.id=1\npeers=1@h:1\njoin=h:2\n", "give one of them" },
		{ "broker.heartbeat.interval.ms=100\n"
		  "broker.session.timeout.ms=150\n", "at least twice" },
	};

	for (unsigned i = 0; i < countof(cases); i++) {
		int rv;
		struct conf *c = load(cases[i].file, &rv);

		ck_assert_int_eq(rv, -EINVAL);
		ck_assert_msg(strstr(conf_faults(c), cases[i].why), "%s: %s",
			      cases[i].file, conf_faults(c));
		conf_free(c);
	}
}

/* A line for each pair: 3 KB made 383 KB of faults (found by fuzzing). */
TEST(conf_a_peer_clashes_once_however_often_it_is_there)
{
	struct buf file = { 0 };
	struct conf *c;
	int rv, faults = 0;

	buf_printf(&file, "node.id=1\npeers=1@h:1");
	for (int i = 2; i < 100; i++)
		buf_printf(&file, ",%d@h:%d", i % 3 + 1, i % 5 + 1);
	c = load(buf_c(&file), &rv);
	ck_assert_int_eq(rv, -EINVAL);
	for (const char *p = conf_faults(c); (p = strchr(p, '\n')); p++)
		faults++;
	ck_assert_int_le(faults, 98);
	conf_free(c);
	buf_fini(&file);
}

TEST(conf_environment_of_kubernetes_services_is_no_setting)
{
	int rv;
	struct conf *c;

	setenv("RAFTMQ_PORT", "tcp://10.0.0.1:9092", 1);
	setenv("RAFTMQ_PORT_9092_TCP_ADDR", "10.0.0.1", 1);
	setenv("RAFTMQ_SERVICE_HOST", "10.0.0.1", 1);
	setenv("RAFTMQ_NO_SUCH", "1", 1);
	c = load(NULL, &rv);
	ck_assert_int_eq(rv, 0);
	ck_assert_ptr_null(strstr(conf_warnings(c), "RAFTMQ_PORT"));
	ck_assert_ptr_null(strstr(conf_warnings(c), "RAFTMQ_SERVICE"));
	ck_assert_ptr_nonnull(strstr(conf_warnings(c), "RAFTMQ_NO_SUCH"));
	conf_free(c);
}

TEST(conf_print_names_the_source)
{
	int rv;
	struct conf *c = load("num.partitions=6\n", &rv);
	struct buf out = { 0 };

	conf_print(c, true, &out);
	ck_assert_ptr_nonnull(strstr(buf_c(&out), "num.partitions = 6  # /"));
	ck_assert_ptr_nonnull(strstr(buf_c(&out), "node.id = 1  # default"));
	buf_fini(&out);
	conf_free(c);
}
