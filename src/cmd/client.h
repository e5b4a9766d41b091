/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client: a small synchronous Kafka client for the tools. Requests and answers
 * are the structs of <raftmq/wire.h>; the version is the highest that both
 * sides know (and in which topics have names). Nothing here prints, except one
 * line per request when verbose.
 *
 * Two layers: client_call() finds the broker, sends, waits and repeats what is
 * worth repeating; struct client_conn is one connection, pipelined, for those
 * who measure.
 *
 * Errors: 0 or negative errno, with one sentence in client_error(). What the
 * broker refuses inside an answer is data in the answer and not an error, as
 * long as the answer is about what was asked: when the way to the broker that
 * is responsible fails with a Kafka error (no such topic, not allowed on the
 * group), the result is -EPROTO and client_kerr() has the code.
 * -EINTR: client_interrupted was set. -EOPNOTSUPP: the broker lacks the API.
 */
#ifndef CMD_CLIENT_H
#define CMD_CLIENT_H

#include <poll.h>
#include <signal.h>

#include <raftmq/wire.h>

/* Set by a signal handler: whatever waits returns -EINTR. */
extern volatile sig_atomic_t client_interrupted;

int64_t client_now_ms(void); /* monotonic */

/* ---- one connection (client_conn.c) -------------------------------------- */

#define CLIENT_API_MAX 128 /* keys looked at in ApiVersions */

struct client_conn;

struct client_answer {
	int16_t key, version;
	int32_t id;          /* of the request, as client_conn_send gave it */
	struct reader body;  /* behind the header; a loan until the next call */
};

/*
 * Connects and asks for the versions (KIP-511), until the deadline. On an
 * error *out is NULL and why, of at least CLIENT_WHY_MAX bytes, says why.
 */
#define CLIENT_WHY_MAX 320
struct client_address {
	char host[256];
	int32_t port;
};
int client_conn_open(struct client_conn **out, const struct client_address *to,
		     const char *client_id, int64_t deadline_ms,
		     char *why) must_use;
void client_conn_close(struct client_conn *k); /* NULL is fine */
const char *client_conn_why(const struct client_conn *k);
const struct client_address *client_conn_peer(const struct client_conn *k);
int client_conn_fd(const struct client_conn *k);
/* Highest common version, or -1 when the broker does not serve the API. */
int16_t client_conn_version(const struct client_conn *k, int16_t key);
/*
 * Encodes and writes the request, waiting while the socket is full. Answers
 * come in the order of the requests. Produce with acks=0 expects none.
 * Returns the id (>= 0) or a negative errno.
 */
int32_t client_conn_send(struct client_conn *k, int16_t key,
			 const void *request, int64_t deadline_ms) must_use;
/* Requests that wait for their answer. */
int32_t client_conn_pending(const struct client_conn *k);
/*
 * The next answer. A deadline in the past polls: -EAGAIN when it is not there
 * yet, as when the deadline passes (-ETIMEDOUT is for others). A broken
 * connection stays broken.
 */
int client_conn_receive(struct client_conn *k, int64_t deadline_ms,
			struct client_answer *out) must_use;

/* ---- the client (client.c) ----------------------------------------------- */

struct client_options {
	const char *bootstrap;  /* HOST[:PORT][,...]; the port is 9092 */
	const char *client_id;
	int32_t timeout_ms;     /* of a call, repetitions included */
	bool verbose;           /* a line per request on stderr */
};

struct client;

struct client_broker {
	int32_t id;
	struct client_address at;
	char *rack; /* or NULL */
	struct client_conn *conn; /* client_connect() */
};

/* Never NULL; connects when there is something to send. */
struct client *client_new(const struct client_options *o) must_use;
void client_free(struct client *c);
const char *client_error(const struct client *c); /* of the last failure */
int16_t client_kerr(const struct client *c); /* with -EPROTO, else 0 */
/* Answers live here until client_reset. */
struct arena *client_arena(struct client *c);
void client_reset(struct client *c);

/* Who shall answer. */
enum client_kind { TO_ANY, TO_NODE, TO_CONTROLLER, TO_GROUP, TO_LEADER };
struct client_target {
	enum client_kind kind;
	int32_t number; /* of the node or partition */
	struct str name; /* of the group or topic */
};
#define CLIENT_ANY ((struct client_target){ TO_ANY, -1, STR_NULL })
#define CLIENT_CONTROLLER                                                      \
	((struct client_target){ TO_CONTROLLER, -1, STR_NULL })
#define CLIENT_NODE(id) ((struct client_target){ TO_NODE, (id), STR_NULL })
#define CLIENT_GROUP(id) ((struct client_target){ TO_GROUP, -1, (id) })
#define CLIENT_LEADER(topic, p)                                                \
	((struct client_target){ TO_LEADER, (p), (topic) })

/*
 * One request, one answer, decoded into response (a struct of the API's
 * response type; what it points at lives in the arena). For the controller,
 * the coordinator of a group and the leader of a partition: when an answer
 * says that the broker is not or not yet responsible, finds the right one
 * anew and repeats the whole request until the timeout; the last answer is
 * then the result. Requests with effects are not repeated after a connection
 * broke: whether they happened is not known.
 */
int client_call(struct client *c, struct client_target to, int16_t key,
		const void *request, void *response) must_use;
/* The version the last client_call used; some answers depend on it. */
int16_t client_version(const struct client *c);
/* Does any broker that can be reached serve the API? 1, 0 or an error. */
int client_serves(struct client *c, int16_t key) must_use;

/*
 * Metadata of the topics, or of all (n = -1); names the brokers and leaders
 * for the calls above as well. Topics are never created by asking.
 */
int client_metadata(struct client *c, const struct str *topics, int32_t n,
		    struct metadata_response *out) must_use;
/*
 * Node id of the leader, from memory or by asking; asks again until there is
 * one or the timeout. -EPROTO with the topic's or partition's error.
 */
int client_leader(struct client *c, struct str topic, int32_t partition,
		  int32_t *node) must_use;
int client_coordinator(struct client *c, struct str group,
		       int32_t *node) must_use;
/* Forgets leaders and coordinators: they are asked for again when needed. */
void client_forget(struct client *c);
/* The brokers of the last metadata, by id; NULL when there is none. */
const struct client_broker *client_broker(struct client *c, int32_t id);
const struct client_broker *client_brokers(const struct client *c, int32_t *n);
int32_t client_controller(const struct client *c); /* -1: not known */
/* A new connection of the caller's own to a node (bench: one per thread). */
int client_connect(struct client *c, int32_t node,
		   struct client_conn **out) must_use;

/* True when test() likes any error_code field of the answer. */
bool client_answer_has(const struct wire_type *t, int16_t version,
		       const void *object, bool (*test)(int16_t code));

#endif
