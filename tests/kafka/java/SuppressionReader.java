import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * A mailer with nothing but the plain Kafka client, the text of schemas/suppression.avsc and the contract of the lists.
 *
 * <p>Arguments: bootstrap, topic, now (microseconds), scope. Reads the topic to its end and prints a line per key:
 * key, generation, version, status, reasons, blocked scopes, unexpired grants, child until, event, may send to scope.
 */
public final class SuppressionReader {
    private static final byte[] SCHEMA = HexFormat.of().parseHex("c3014f87189b31fe584e");

    /** What the contract needs of a record. */
    private record Entry(
            int generation, long version, String status, List<String> reasons, List<String> blocked,
            List<Grant> grants, long minorUntil, String cause) {

        boolean olderThan(Entry other) {
            return generation < other.generation || generation == other.generation && version < other.version;
        }

        boolean maySend(String scope, long now) {
            if (status.equals("SUPPRESSED") || now < minorUntil) {
                return false;
            }
            for (String each : blocked) {
                if (scope.equals(each) || scope.startsWith(each + "/")) {
                    return false;
                }
            }
            return grants.stream().anyMatch(grant -> now < grant.validUntil && grant.covers(scope));
        }
    }

    private record Grant(String node, long validUntil) {
        boolean covers(String scope) {
            String[] parts = node.split(":", 3);
            boolean same = (parts[0].equals("marketing") || parts[0].equals("*"))
                    && (parts[1].equals("email") || parts[1].equals("*"));
            return same && (parts[2].equals("*") || scope.equals(parts[2]) || scope.startsWith(parts[2] + "/"));
        }
    }

    /** Avro binary, field by field in the order of the schema. */
    private static final class Reader {
        private final byte[] bytes;
        private int at = SCHEMA.length;

        Reader(byte[] bytes) {
            this.bytes = bytes;
            for (int i = 0; i < SCHEMA.length; i++) {
                if (bytes[i] != SCHEMA[i]) {
                    throw new IllegalArgumentException("a value of another schema");
                }
            }
        }

        long number() {
            long raw = 0;
            for (int shift = 0; ; shift += 7) {
                byte next = bytes[at++];
                raw |= (long) (next & 0x7f) << shift;
                if (next >= 0) {
                    return raw >>> 1 ^ -(raw & 1);
                }
            }
        }

        String text() {
            int length = (int) number();
            at += length;
            return new String(bytes, at - length, length, StandardCharsets.UTF_8);
        }

        void flag() {
            at++;
        }

        <T> List<T> array(java.util.function.Supplier<T> item) {
            List<T> items = new ArrayList<>();
            for (long count = number(); count != 0; count = number()) {
                if (count < 0) { // followed by the size of the block in bytes
                    count = -count;
                    number();
                }
                for (long i = 0; i < count; i++) {
                    items.add(item.get());
                }
            }
            return items;
        }

        Grant grant() {
            number(); text(); text(); // lo, id, source
            long validUntil = number();
            String node = text();
            number(); array(this::text); // level, names
            text(); text(); text(); text(); text(); // notice id and version, batch, credential, type
            return new Grant(node, validUntil);
        }

        Void restriction() {
            text(); text(); flag(); number(); text(); text(); text(); // kind, node, open, hi, id, source, type
            return null;
        }

        Void lift() {
            text(); text(); number(); text(); text(); // kind, node, lo, id, source
            return null;
        }

        Void voided() {
            text(); flag(); number(); text(); text(); // selector, open, since, id, source
            return null;
        }

        Void birth() {
            number(); flag(); number(); text(); text(); // date, open, hi, id, source
            return null;
        }

        void delivery() {
            if (number() == 1) { // the union's second branch
                flag(); number(); text(); text(); // bounced, time, id, source
            }
        }

        Entry entry() {
            text(); text(); // tenant, channel
            String status = text();
            List<String> reasons = array(this::text);
            List<String> blocked = array(this::text);
            List<Grant> grants = array(this::grant);
            array(this::restriction);
            array(this::lift);
            array(this::voided);
            array(this::birth);
            delivery(); // bounced
            delivery(); // delivered
            number(); // channels
            long minorUntil = number();
            int generation = (int) number();
            long version = number();
            String cause = text() + "@" + number() + ":" + number();
            if (at != bytes.length) {
                throw new IllegalArgumentException("bytes behind the record");
            }
            return new Entry(generation, version, status, reasons, blocked, grants, minorUntil, cause);
        }
    }

    public static void main(String[] arguments) {
        Map<String, Entry> latest = read(arguments[0], arguments[1]);
        long now = Long.parseLong(arguments[2]);
        latest.forEach((key, entry) -> {
            List<String> current = entry.grants.stream()
                    .filter(grant -> now < grant.validUntil)
                    .map(grant -> grant.node + "@" + grant.validUntil)
                    .sorted()
                    .toList();
            System.out.println(String.join("\t",
                    key, "" + entry.generation, "" + entry.version, entry.status, String.join(",", entry.reasons),
                    String.join(",", entry.blocked), String.join(",", current), "" + entry.minorUntil, entry.cause,
                    "" + entry.maySend(arguments[3], now)));
        });
    }

    private static Map<String, Entry> read(String bootstrap, String topic) {
        Map<String, Object> settings = Map.of(
                "bootstrap.servers", bootstrap, "isolation.level", "read_committed", "enable.auto.commit", "false",
                "key.deserializer", ByteArrayDeserializer.class, "value.deserializer", ByteArrayDeserializer.class);
        Map<String, Entry> latest = new TreeMap<>();
        try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(settings)) {
            List<TopicPartition> all = consumer.partitionsFor(topic).stream()
                    .map(each -> new TopicPartition(topic, each.partition()))
                    .toList();
            consumer.assign(all);
            consumer.seekToBeginning(all);
            Map<TopicPartition, Long> ends = consumer.endOffsets(all);
            while (all.stream().anyMatch(each -> consumer.position(each) < ends.get(each))) {
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(200))) {
                    keep(latest, record);
                }
            }
        }
        return latest;
    }

    private static void keep(Map<String, Entry> latest, ConsumerRecord<byte[], byte[]> record) {
        if (record.key()[1] == 'H' || record.value() == null) { // a heartbeat; and null never means allowed
            return;
        }
        Entry found = new Reader(record.value()).entry();
        latest.merge(HexFormat.of().formatHex(record.key()), found, (old, now) -> now.olderThan(old) ? old : now);
    }
}
