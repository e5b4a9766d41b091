# SPDX-License-Identifier: Apache-2.0
"""What administrators do meanwhile: topics come and go, settings change,
leaders are elected. Refusals are counted, not judged; what was acknowledged
must have happened."""
import os
import random
import subprocess
import threading

from confluent_kafka.admin import ConfigResource
from raftmq import BUILD, KafkaException, NewTopic


class Churn(threading.Thread):
    def __init__(self, run):
        super().__init__(daemon=True)
        self.run_, self.nodes = run, run.nodes
        self.rng = random.Random(run.rng.random())
        self.halt = threading.Event()
        self.topics, self.n, self.prefix = [], 0, run.clients.topic

    def run(self):
        while not self.halt.wait(self.rng.uniform(0.1, 1)):
            do = self.rng.choice((self.create, self.create, self.delete, self.configure,
                                  self.elect))
            try:
                do()
                self.run_.count("churn: %s" % do.__name__)
            except KafkaException:
                self.run_.count("churn: refused")

    def create(self):
        self.n += 1
        name = "%s-churn%d" % (self.prefix, self.n)
        self.topics.append(name)
        f = self.nodes.admin().create_topics([NewTopic(name, self.rng.randint(1, 5), 3)],
                                             operation_timeout=5, request_timeout=5)
        f[name].result()

    def delete(self):
        if self.topics:
            name = self.topics.pop(self.rng.randrange(len(self.topics)))
            f = self.nodes.admin().delete_topics([name], operation_timeout=5,
                                                 request_timeout=5)
            f[name].result()

    def configure(self):
        r = ConfigResource("topic", self.prefix, {
            "max.message.bytes": str(self.rng.randint(10 ** 6, 2 * 10 ** 6)),
            "segment.bytes": str(self.rng.choice((65536, 262144, 1048576)))})
        for f in self.nodes.admin().alter_configs([r], request_timeout=5).values():
            f.result()

    def elect(self):
        r = subprocess.run([os.path.join(BUILD, "raftmq-admin"), "-b",
                            self.nodes.bootstrap.split(",")[self.rng.randrange(3)],
                            "-y", "partition", "elect-leader"],
                           capture_output=True, timeout=30)
        if r.returncode:
            raise KafkaException("elect-leader: %d" % r.returncode)

    def end(self):
        self.halt.set()
        self.join()
        if self.topics:
            for f in self.nodes.admin().delete_topics(self.topics).values():
                try:
                    f.result()
                except KafkaException:
                    pass
