#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Records what real clients and Apache Kafka say to each other.

    KAFKA_LIBS=/usr/share/kafka/libs ./capture.py [DIR]

Starts two Kafka nodes (a broker with the controller, and a second broker) on
127.0.0.1, each behind a proxy of its own whose port is the advertised one, so
that clients, brokers and controller all talk through the proxies. Nothing is
changed on the way. Then it runs kcat, kafka-python, confluent_kafka and
Kafka's own tools, and keeps one request and its answer per API, version and
client as DIR/API-vN-CLIENT-{request,response}.bin, size in front.

Needs java, kcat, python3-kafka, python3-confluent-kafka.
"""
import os
import re
import selectors
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

LIBS = os.environ.get('KAFKA_LIBS') or sys.exit('set KAFKA_LIBS')
HERE = os.path.dirname(os.path.abspath(__file__))
OUT = sys.argv[1] if len(sys.argv) > 1 else os.path.join(HERE, 'frames')
SCHEMA = os.path.join(HERE, '../../src/wire/kafka.schema')
CLUSTER = 'AAAAAAAAAAAAAAAAAAAAAQ'
LARGE = 3000  # bytes; of several pairs the largest up to here is kept
SECRET = 'secret'


def api_names():
    found = re.findall(r'^message (\w+)Request key (\d+)',
                       open(SCHEMA).read(), re.M)
    return {int(key): name for name, key in found}


NAMES = api_names()


# ---- the proxy ---------------------------------------------------------------

class Frames:
    """Of each (api, version, client) one pair of frames."""

    def __init__(self):
        self.kept, self.lock, self.skipped = {}, threading.Lock(), set()

    @staticmethod
    def rank(pair):
        size = sum(len(f) for f in pair)
        return (size <= LARGE, size if size <= LARGE else -size)

    def add(self, key, version, client, request, response):
        if key not in NAMES:
            self.skipped.add(key)
            return
        at, pair = (NAMES[key], version, client), (request, response)
        with self.lock:
            old = self.kept.get(at)
            if old is None or self.rank(pair) > self.rank(old):
                self.kept[at] = pair

    def save(self, directory):
        shutil.rmtree(directory, ignore_errors=True)
        os.makedirs(directory)
        total = 0
        for (api, version, client), pair in sorted(self.kept.items()):
            for kind, frame in zip(('request', 'response'), pair):
                name = '%s-v%d-%s-%s.bin' % (api, version, client, kind)
                if not frame:
                    continue  # acks=0
                with open(os.path.join(directory, name), 'wb') as f:
                    f.write(frame)
                total += len(frame)
        print('%d pairs, %d bytes; keys without a schema: %s' %
              (len(self.kept), total, sorted(self.skipped)))


FRAMES = Frames()
CURRENT = 'java'  # the client that is running now


def client_of(key, version, client_id):
    if re.match(r'broker-|raft-|\d+$|TxnMarkerSender|Persister', client_id):
        return 'broker'
    if key == 24 and version >= 4:  # only brokers ask this
        return 'broker'
    return CURRENT


class Connection:
    """One client's connection: both directions are cut into frames."""

    def __init__(self):
        self.data = {'request': b'', 'response': b''}
        self.waiting = {}
        self.raw = False  # SASL tokens without headers follow

    def feed(self, kind, data):
        if self.raw:
            return
        buf = self.data[kind] + data
        while len(buf) >= 4 and not self.raw:
            n = struct.unpack_from('>i', buf)[0]
            if len(buf) < 4 + n:
                break
            getattr(self, kind)(buf[:4 + n])
            buf = buf[4 + n:]
        self.data[kind] = buf

    def request(self, frame):
        key, version, correlation, n = struct.unpack_from('>hhih', frame, 4)
        name = frame[14:14 + max(n, 0)].decode()
        self.waiting[correlation] = (key, version,
                                     client_of(key, version, name), frame)
        if key == 0 and self.acks(frame, version) == 0:
            FRAMES.add(*self.waiting.pop(correlation), b'')

    @staticmethod
    def acks(frame, version):
        n = struct.unpack_from('>h', frame, 12)[0]
        at = 14 + max(n, 0) + (1 if version >= 9 else 0)
        if version >= 9:
            n = frame[at] - 1
            at += 1
        else:
            n = struct.unpack_from('>h', frame, at)[0]
            at += 2
        return struct.unpack_from('>h', frame, at + max(n, 0))[0]

    def response(self, frame):
        correlation = struct.unpack_from('>i', frame, 4)[0]
        key, version, client, request = self.waiting.pop(correlation)
        FRAMES.add(key, version, client, request, frame)
        if key == 17 and version == 0:
            self.raw = True


class Proxy(threading.Thread):
    """All listeners in one thread; links: (listening port, target port)."""

    def __init__(self, links):
        super().__init__(daemon=True)
        self.sel = selectors.DefaultSelector()
        for listen, target in links:
            s = socket.socket()
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.bind(('127.0.0.1', listen))
            s.listen(64)
            self.sel.register(s, selectors.EVENT_READ, ('accept', target))

    def run(self):
        while True:
            for key, _ in self.sel.select():
                if key.data[0] == 'accept':
                    self.accept(key.fileobj, key.data[1])
                else:
                    self.forward(key.fileobj, *key.data)

    def accept(self, listener, target):
        client = listener.accept()[0]
        try:
            server = socket.create_connection(('127.0.0.1', target))
        except OSError:
            client.close()
            return
        c = Connection()
        self.sel.register(client, selectors.EVENT_READ, ('request', server, c))
        self.sel.register(server, selectors.EVENT_READ, ('response', client, c))

    def forward(self, sock, kind, peer, connection):
        try:
            data = sock.recv(1 << 20)
            if data:
                connection.feed(kind, data)
                peer.sendall(data)
                return
        except (OSError, KeyError, struct.error):
            pass
        for s in (sock, peer):
            try:
                self.sel.unregister(s)
            except (KeyError, ValueError):
                pass
            s.close()


# ---- Kafka -------------------------------------------------------------------

def free_ports(n):
    socks = [socket.socket() for _ in range(n)]
    for s in socks:
        s.bind(('127.0.0.1', 0))
    ports = [s.getsockname()[1] for s in socks]
    for s in socks:
        s.close()
    return ports


(PLAIN1, PLAIN2, SASL1, CONTROL,
 _plain1, _plain2, _sasl1, _control) = free_ports(8)
PLAIN_LOGIN = 'org.apache.kafka.common.security.plain.PlainLoginModule'
SCRAM_LOGIN = 'org.apache.kafka.common.security.scram.ScramLoginModule'

COMMON = f'''
controller.quorum.voters=1@127.0.0.1:{CONTROL}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SASL:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS;User:admin
delegation.token.secret.key={SECRET}
num.partitions=2
offsets.topic.num.partitions=2
offsets.topic.replication.factor=2
transaction.state.log.num.partitions=2
transaction.state.log.replication.factor=2
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=2
share.coordinator.state.topic.replication.factor=2
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
log.cleaner.dedupe.buffer.size=2097152
replica.lag.time.max.ms=3000
'''
NODE1 = f'''
node.id=1
process.roles=broker,controller
listeners=PLAINTEXT://127.0.0.1:{_plain1},SASL://127.0.0.1:{_sasl1},CONTROLLER://127.0.0.1:{_control}
advertised.listeners=PLAINTEXT://127.0.0.1:{PLAIN1},SASL://127.0.0.1:{SASL1}
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256
listener.name.sasl.plain.sasl.jaas.config={PLAIN_LOGIN} required user_admin="{SECRET}";
listener.name.sasl.scram-sha-256.sasl.jaas.config={SCRAM_LOGIN} required;
'''
NODE2 = f'''
node.id=2
process.roles=broker
listeners=PLAINTEXT://127.0.0.1:{_plain2}
advertised.listeners=PLAINTEXT://127.0.0.1:{PLAIN2}
'''


def java(*args, heap='256m', **kw):
    return ['java', '-Xmx' + heap, '-XX:TieredStopAtLevel=1',
            '-XX:+UseSerialGC', '-cp', LIBS + '/*', *args]


class Node:
    def __init__(self, tmp, name, text):
        self.dir = os.path.join(tmp, name)
        self.conf = os.path.join(tmp, name + '.properties')
        with open(self.conf, 'w') as f:
            f.write(text + COMMON + 'log.dirs=' + self.dir + '\n')
        subprocess.run(java('kafka.tools.StorageTool', 'format', '-t', CLUSTER,
                            '-c', self.conf), check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def start(self, log):
        self.process = subprocess.Popen(
            java('kafka.Kafka', self.conf, heap='512m'), stdout=log, stderr=log)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()


# ---- the clients -------------------------------------------------------------

BOOT = f'127.0.0.1:{PLAIN1},127.0.0.1:{PLAIN2}'
TMP = tempfile.mkdtemp(prefix='capture-')


def run(title, args, stdin=b'', timeout=40):
    try:
        done = subprocess.run(args, input=stdin, timeout=timeout,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        code = done.returncode
        if code:
            print('   ', done.stdout.decode(errors='replace')[-400:].strip())
    except subprocess.TimeoutExpired:
        code = 'time-out'
    print('%-28s %s' % (title, code), flush=True)


def client(name):
    global CURRENT
    time.sleep(0.3)
    CURRENT = name


TOOLS = 'org.apache.kafka.tools.'


def tool(name, *args, boot='--bootstrap-server', where=BOOT, **kw):
    full = name if name.startswith('kafka.') else TOOLS + name
    run(name.split('.')[-1] + ' ' + ' '.join(args)[:40],
        java(full, boot, where, *args), **kw)


def config(name, text):
    path = os.path.join(TMP, name)
    with open(path, 'w') as f:
        f.write(text)
    return path


def run_kcat():
    client('kcat')
    kcat = ['kcat', '-b', BOOT]
    lines = b'a:1\nb:2\nc:3\n'
    run('kcat produce', kcat + ['-P', '-t', 'one', '-K:', '-H', 'h=v'], lines)
    run('kcat acks 0', kcat + ['-P', '-t', 'one', '-X', 'acks=0'], lines)
    for codec in ('gzip', 'snappy', 'lz4', 'zstd'):
        run('kcat ' + codec, kcat + ['-P', '-t', 'one', '-z', codec],
            b'xxxxxxxxxxxxxxxxxxxxxxxx\n' * 20)
    run('kcat idempotent', kcat + ['-P', '-t', 'one', '-X',
                                   'enable.idempotence=true'], lines)
    run('kcat list', kcat + ['-L'])
    run('kcat query', kcat + ['-Q', '-t', 'one:0:-1'])
    run('kcat consume', kcat + ['-C', '-t', 'one', '-e', '-o', 'beginning'])
    run('kcat group', kcat + ['-G', 'kcat-group', '-e', '-X',
                              'auto.offset.reset=earliest', 'one'])
    run('kcat sasl', ['kcat', '-b', f'127.0.0.1:{SASL1}', '-L', '-X',
                      'security.protocol=SASL_PLAINTEXT', '-X',
                      'sasl.mechanisms=PLAIN', '-X', 'sasl.username=admin',
                      '-X', 'sasl.password=' + SECRET])


def script(title, code):
    run(title, ['/usr/bin/python3', '-c', code, BOOT, str(SASL1), SECRET])


KAFKA_PYTHON = '''
import sys
from kafka import KafkaProducer, KafkaConsumer, KafkaAdminClient, TopicPartition
from kafka.admin import *
from kafka.structs import OffsetAndMetadata
boot = sys.argv[1].split(',')
a = KafkaAdminClient(bootstrap_servers=boot)
a.create_topics([NewTopic('python', 2, 2, topic_configs={'retention.ms': '1'})])
for codec in (None, 'gzip'):
    p = KafkaProducer(bootstrap_servers=boot, compression_type=codec)
    for i in range(5):
        p.send('python', b'value', b'key', headers=[('h', b'v')])
    p.flush()
c = KafkaConsumer('python', bootstrap_servers=boot, group_id='python-group',
                  auto_offset_reset='earliest', consumer_timeout_ms=3000)
for m in c:
    pass
c.commit()
tp = TopicPartition('python', 0)
c.beginning_offsets([tp]), c.end_offsets([tp]), c.offsets_for_times({tp: 1})
a.list_consumer_groups()
a.describe_consumer_groups(['python-group', 'none'])
a.list_consumer_group_offsets('python-group')
c.close()
a.describe_configs([ConfigResource(ConfigResourceType.TOPIC, 'python',
                                   {'retention.ms': None})])
a.alter_configs([ConfigResource(ConfigResourceType.TOPIC, 'python',
                                {'retention.ms': '2000000'})])
a.create_partitions({'python': NewPartitions(3)})
a.describe_cluster()
a.describe_topics()
acl = ACL('User:bob', '*', ACLOperation.READ, ACLPermissionType.ALLOW,
          ResourcePattern(ResourceType.TOPIC, 'python'))
a.create_acls([acl])
a.describe_acls(acl)
a.delete_acls([acl])
a.delete_consumer_groups(['python-group'])
a.delete_topics(['python'])
'''

# every old version that kafka-python can write and Kafka 4.2 still reads
OLD_VERSIONS = '''
import sys, time
from kafka.client_async import KafkaClient
from kafka.protocol import admin, commit, fetch, group, metadata, offset
client = KafkaClient(bootstrap_servers=sys.argv[1].split(','))
def ask(request, node=None):
    node = client.least_loaded_node() if node is None else node
    while not client.ready(node):
        client.poll(timeout_ms=100)
    f = client.send(node, request)
    client.poll(future=f, timeout_ms=5000)
    if not f.succeeded():
        print(request, f.exception)
    return f.value if f.succeeded() else None
ask(metadata.MetadataRequest[0]([]))
for v in (1, 2, 3):
    ask(metadata.MetadataRequest[v](['one']))
for v in (4, 5):
    ask(metadata.MetadataRequest[v](['one', 'none'], False))
for v in (0, 1, 2):
    ask(admin.ApiVersionRequest[v]())
    ask(admin.ListGroupsRequest[v]())
    ask(admin.DescribeGroupsRequest[v](['kcat-group', 'none']))
node = ask(commit.GroupCoordinatorRequest[0]('old')).coordinator_id
for v in (0, 1, 2):
    j = group.JoinGroupRequest[v]
    extra = (6000,) if v else ()
    r = ask(j('old%d' % v, 6000, *extra, '', 'consumer', [('range', b'x')]),
            node)
    for s in range(2):
        ask(group.SyncGroupRequest[s]('old%d' % v, r.generation_id,
            r.member_id, [(r.member_id, b'assignment')]), node)
        ask(group.HeartbeatRequest[s]('old%d' % v, r.generation_id,
                                      r.member_id), node)
    for c in (2, 3):
        more = (-1,) if c < 5 else ()
        ask(commit.OffsetCommitRequest[c]('old%d' % v, r.generation_id,
            r.member_id, *more, [('one', [(0, 7, 'text')])]), node)
    ask(group.LeaveGroupRequest[v % 2]('old%d' % v, r.member_id), node)
for v in (1, 2, 3):
    ask(commit.OffsetFetchRequest[v]('old2', [('one', [0, 1])]), node)
for n in (1, 2):
    ask(offset.OffsetRequest[1](-1, [('one', [(0, -1), (1, -2)])]), n)
    ask(offset.OffsetRequest[2](-1, 1, [('one', [(0, -1), (1, -2)])]), n)
    ask(fetch.FetchRequest[4](-1, 0, 1, 4000, 0, [('one', [(0, 0, 900)])]), n)
    ask(fetch.FetchRequest[5](-1, 0, 1, 4000, 1,
                              [('one', [(0, 0, -1, 900)])]), n)
'''

SASL_PYTHON = '''
import sys
from kafka import KafkaConsumer
c = KafkaConsumer(bootstrap_servers='127.0.0.1:' + sys.argv[2],
                  security_protocol='SASL_PLAINTEXT', sasl_mechanism='PLAIN',
                  sasl_plain_username='admin', sasl_plain_password=sys.argv[3])
c.topics()
'''

CONFLUENT = '''
import sys
from confluent_kafka import Producer, Consumer, TopicPartition
from confluent_kafka.admin import *
boot = sys.argv[1]
a = AdminClient({'bootstrap.servers': boot})
for f in a.create_topics([NewTopic('confluent', 2, 2)]).values():
    f.result()
p = Producer({'bootstrap.servers': boot, 'transactional.id': 'confluent-tx'})
p.init_transactions()
c = Consumer({'bootstrap.servers': boot, 'group.id': 'confluent-group',
              'auto.offset.reset': 'earliest', 'enable.auto.commit': False,
              'group.instance.id': 'static-1', 'isolation.level':
              'read_committed', 'client.rack': 'r1'})
for round in range(2):
    p.begin_transaction()
    for i in range(3):
        p.produce('confluent', b'value', b'key', headers={'h': 'v'})
    if round:
        p.send_offsets_to_transaction([TopicPartition('confluent', 0, 1)],
                                      c.consumer_group_metadata())
        p.commit_transaction()
    else:
        p.flush()
        p.abort_transaction()
c.subscribe(['confluent'])
for i in range(40):
    m = c.poll(0.2)
    if m and not m.error():
        c.commit(m, asynchronous=False)
c.committed([TopicPartition('confluent', 0)])
c.get_watermark_offsets(TopicPartition('confluent', 0))
c.offsets_for_times([TopicPartition('confluent', 0, 1)])
c.close()
a.list_groups()
r = ConfigResource('topic', 'confluent', {'retention.ms': '4000000'})
[f.result() for f in a.alter_configs([r]).values()]
[f.result() for f in a.create_partitions([NewPartitions('confluent', 4)])
 .values()]
[f.result() for f in a.delete_topics(['confluent']).values()]
'''


def run_topics():
    create = ['--create', '--partitions', '2', '--replication-factor', '2']
    tool('TopicCommand', *create, '--topic', 'two', '--config',
         'retention.ms=9000000')
    tool('TopicCommand', '--describe', '--topic', 'two')
    tool('TopicCommand', '--list')
    tool('TopicCommand', '--alter', '--topic', 'two', '--partitions', '3')
    tool('TopicCommand', *create, '--topic', 'three')
    tool('TopicCommand', '--delete', '--topic', 'three')


def run_data():
    lines = b'k:v\n' * 5
    colon = ['--reader-property', 'parse.key=true', '--reader-property',
             'key.separator=:']
    tool('ConsoleProducer', '--topic', 'two', *colon, stdin=lines)
    tool('ConsoleProducer', '--topic', 'two', '--compression-codec', 'zstd',
         '--request-required-acks', '0', '--command-property',
         'enable.idempotence=false', stdin=lines)
    tool('consumer.ConsoleConsumer', '--topic', 'two', '--from-beginning',
         '--max-messages', '5', '--group', 'java-classic',
         '--timeout-ms', '8000')
    tool('consumer.ConsoleConsumer', '--topic', 'two', '--from-beginning',
         '--max-messages', '5', '--group', 'java-new', '--timeout-ms', '8000',
         '--command-property', 'group.protocol=consumer',
         '--isolation-level', 'read_committed')
    tool('consumer.ConsoleConsumer', '--include', 'tw.', '--group',
         'java-regex', '--timeout-ms', '4000', '--command-property',
         'group.protocol=consumer')
    tool('ProducerPerformance', '--topic', 'two', '--num-records', '20',
         '--record-size', '10', '--throughput', '-1', '--transactional-id',
         'java-tx', '--transaction-duration-ms', '500')
    tool('GetOffsetShell', '--topic', 'two', '--time', 'max-timestamp')
    tool('GetOffsetShell', '--topic', 'two', '--time', '1')
    delete = config('delete.json', '{"version":1,"partitions":[{"topic":"two",'
                    '"partition":0,"offset":1}]}')
    tool('DeleteRecordsCommand', '--offset-json-file', delete)


def run_share():
    tool('kafka.admin.ConfigCommand', '--alter', '--group', 'java-share',
         '--add-config', 'share.auto.offset.reset=earliest')
    tool('consumer.ConsoleShareConsumer', '--topic', 'two', '--group',
         'java-share', '--max-messages', '4', '--timeout-ms', '8000')
    tool('consumer.ConsoleShareConsumer', '--topic', 'two', '--group',
         'java-share', '--max-messages', '4', '--reject', '--timeout-ms',
         '8000')
    share = 'consumer.group.ShareGroupCommand'
    tool(share, '--list')
    for what in ('--members', '--offsets', '--state'):
        tool(share, '--describe', '--group', 'java-share', what)
    tool(share, '--reset-offsets', '--group', 'java-share', '--topic', 'two',
         '--to-earliest', '--execute')
    tool(share, '--delete-offsets', '--group', 'java-share', '--topic', 'two')
    tool(share, '--delete', '--group', 'java-share')


def run_groups():
    groups = 'consumer.group.ConsumerGroupCommand'
    live = subprocess.Popen(java(
        TOOLS + 'consumer.ConsoleConsumer', '--bootstrap-server', BOOT,
        '--topic', 'two', '--group', 'java-new', '--command-property',
        'group.protocol=consumer'), stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL)
    time.sleep(4)
    tool('GroupsCommand', '--list')
    tool(groups, '--list', '--state')
    tool(groups, '--describe', '--group', 'java-classic')
    tool(groups, '--describe', '--group', 'java-new', '--members', '--verbose')
    live.terminate()
    live.wait()
    tool(groups, '--reset-offsets', '--group', 'java-classic', '--topic',
         'two', '--to-latest', '--execute')
    tool(groups, '--delete-offsets', '--group', 'java-classic', '--topic',
         'two')
    tool(groups, '--delete', '--group', 'java-classic')
    tool('streams.StreamsGroupCommand', '--list')
    tool('streams.StreamsGroupCommand', '--describe', '--group', 'none')


def run_configs():
    conf = 'kafka.admin.ConfigCommand'
    tool(conf, '--alter', '--topic', 'two', '--add-config', 'segment.ms=9999')
    tool(conf, '--describe', '--topic', 'two')
    tool(conf, '--describe', '--client-metrics', 'none')
    tool(conf, '--alter', '--user', 'joe', '--add-config',
         'SCRAM-SHA-256=[iterations=4096,password=pass]')
    tool(conf, '--alter', '--user', 'joe', '--add-config',
         'producer_byte_rate=100000')
    tool(conf, '--describe', '--user', 'joe')
    tool(conf, '--describe', '--entity-type', 'users')
    tool(conf, '--alter', '--user', 'joe', '--delete-config', 'SCRAM-SHA-256')
    tool('ClientMetricsCommand', '--list')
    acl = ['--topic', 'two', '--allow-principal', 'User:bob', '--operation',
           'Read']
    tool('AclCommand', '--add', *acl)
    tool('AclCommand', '--list')
    tool('AclCommand', '--remove', '--force', *acl)


def run_cluster():
    tool('BrokerApiVersionsCommand')
    tool('LogDirsCommand', '--describe', '--topic-list', 'two')
    tool('MetadataQuorumCommand', 'describe', '--replication')
    tool('MetadataQuorumCommand', 'remove-controller', '--controller-id', '9',
         '--controller-directory-id', CLUSTER)
    tool('FeatureCommand', 'describe')
    tool('FeatureCommand', 'upgrade', '--feature', 'group.version=1',
         '--dry-run')
    run('ClusterTool cluster-id', java(TOOLS + 'ClusterTool', 'cluster-id',
                                       '--bootstrap-server', BOOT))
    run('ClusterTool unregister', java(TOOLS + 'ClusterTool', 'unregister',
                                       '--bootstrap-server', BOOT, '--id', '9'))
    run('ClusterTool endpoints', java(TOOLS + 'ClusterTool', 'list-endpoints',
                                      '--bootstrap-server', BOOT,
                                      '--include-fenced-brokers'))
    tool('LeaderElectionCommand', '--election-type', 'preferred',
         '--all-topic-partitions')
    move = config('move.json', '{"version":1,"partitions":[{"topic":"two",'
                  '"partition":0,"replicas":[2]},{"topic":"two","partition":1,'
                  '"replicas":[2,1],"log_dirs":["%s/n2","any"]}]}' % TMP)
    for what in ('--execute', '--verify'):
        tool('reassign.ReassignPartitionsCommand',
             '--reassignment-json-file', move, what)
    tool('reassign.ReassignPartitionsCommand', '--list')
    tool('TransactionsCommand', 'list')
    tool('TransactionsCommand', 'describe', '--transactional-id', 'java-tx')
    tool('TransactionsCommand', 'describe-producers', '--topic', 'two',
         '--partition', '0')
    tool('TransactionsCommand', 'abort', '--topic', 'two', '--partition', '0',
         '--producer-id', '1', '--producer-epoch', '0', '--coordinator-epoch',
         '0')


def run_sasl():
    login = ['--command-config', config('sasl.properties', f'''
security.protocol=SASL_PLAINTEXT
sasl.mechanism=PLAIN
sasl.jaas.config={PLAIN_LOGIN} required username="admin" password="{SECRET}";
''')]
    where = f'127.0.0.1:{SASL1}'
    tokens = 'DelegationTokenCommand'
    tool('TopicCommand', '--list', *login, where=where)
    tool(tokens, '--create', '--max-life-time-period', '-1',
         '--renewer-principal', 'User:bob', *login, where=where)
    tool(tokens, '--describe', *login, where=where)
    tool(tokens, '--renew', '--hmac', 'AAAA', '--renew-time-period', '-1',
         *login, where=where)
    tool(tokens, '--expire', '--hmac', 'AAAA', '--expiry-time-period', '-1',
         *login, where=where)


def run_brokers(second, log):
    """A broker goes and comes back: the ISR shrinks and grows."""
    client('java')
    second.stop()
    tool('ConsoleProducer', '--topic', 'one', stdin=b'x\n' * 5)
    time.sleep(4)
    second.start(log)
    time.sleep(8)


def run_all(second, log):
    run_kcat()
    client('kafka_python')
    script('kafka-python', KAFKA_PYTHON)
    script('kafka-python old versions', OLD_VERSIONS)
    script('kafka-python sasl', SASL_PYTHON)
    client('confluent')
    script('confluent_kafka', CONFLUENT)
    client('java')
    for part in (run_topics, run_data, run_share, run_groups, run_configs,
                 run_cluster, run_sasl):
        part()
    run_brokers(second, log)


def wait_for(port):
    for _ in range(300):
        try:
            socket.create_connection(('127.0.0.1', port), 1).close()
            return
        except OSError:
            time.sleep(0.2)
    sys.exit('Kafka does not start')


def main():
    links = [(PLAIN1, _plain1), (PLAIN2, _plain2), (SASL1, _sasl1),
             (CONTROL, _control)]
    nodes = []
    log = open(os.path.join(TMP, 'kafka.log'), 'w')
    try:
        Proxy(links).start()
        nodes = [Node(TMP, 'n1', NODE1), Node(TMP, 'n2', NODE2)]
        for node in nodes:
            node.start(log)
        wait_for(_plain1)
        wait_for(_plain2)
        time.sleep(3)
        run_all(nodes[1], log)
    finally:
        for node in reversed(nodes):
            if hasattr(node, 'process'):
                node.stop()
        shutil.rmtree(TMP, ignore_errors=True)
    FRAMES.save(OUT)


main()
