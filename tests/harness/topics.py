"""Topics of a broker as kcat sees them."""
import json
import subprocess
from typing import NamedTuple

import pytest


class Message(NamedTuple):
    partition: int
    key: str | None
    payload: str | None
    headers: dict[str, str]


def messages(broker, topic, *more):
    """Every message of the topic, per partition in order; read_committed as librdkafka has it by default."""
    done = subprocess.run(["kcat", "-q", "-C", "-e", "-b", broker, "-t", topic, "-o", "beginning", "-J", *more], capture_output=True,
                          text=True, errors="surrogateescape", check=True)
    found = []
    for line in done.stdout.splitlines():
        message = json.loads(line)
        headers = message.get("headers", [])
        found.append(Message(message["partition"], message["key"], message["payload"], dict(zip(headers[::2], headers[1::2], strict=True))))
    return found


def records(broker, topic):
    """(key, value) of every message as bytes, None for none; per partition in order."""
    rest = subprocess.run(["kcat", "-q", "-C", "-e", "-b", broker, "-t", topic, "-o", "beginning", "-f", "%K %S\n%k%s\n"],
                          capture_output=True, check=True).stdout
    found, place = [], 0
    while place < len(rest):
        head = rest.index(b"\n", place)
        parts = []
        place_of = head + 1
        for size in map(int, rest[place:head].split()):
            parts.append(None if size < 0 else rest[place_of:place_of + size])
            place_of += max(0, size)
        assert rest[place_of:place_of + 1] == b"\n"
        place = place_of + 1
        found.append(tuple(parts))
    return found


def topic_names(broker):
    done = subprocess.run(["kcat", "-L", "-J", "-b", broker], capture_output=True, text=True, check=True)
    return {each["topic"] for each in json.loads(done.stdout)["topics"]}


def avro_records(broker, topic, registry):
    """The Avro records of the topic's only partition, as confluent-kafka reads them."""
    kafka = pytest.importorskip("confluent_kafka", reason="confluent-kafka[avro] is not installed")
    from confluent_kafka.schema_registry import SchemaRegistryClient
    from confluent_kafka.schema_registry.avro import AvroDeserializer
    from confluent_kafka.serialization import MessageField, SerializationContext

    read = AvroDeserializer(SchemaRegistryClient({"url": registry}))
    consumer = kafka.Consumer({"bootstrap.servers": broker, "group.id": topic, "enable.auto.commit": False})
    try:
        place = kafka.TopicPartition(topic, 0, 0)
        consumer.assign([place])
        _, end = consumer.get_watermark_offsets(place, timeout=30)
        while place.offset < end:
            message = consumer.poll(30)
            assert message is not None and message.error() is None, message and message.error()
            place.offset = message.offset() + 1
            yield read(message.value(), SerializationContext(topic, MessageField.VALUE))
    finally:
        consumer.close()
