import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Supplier;

/** Values of a suppression list, decoded by hand as the section "Bytes of a list" of docs/contract.md lays them out. */
record Row(
        String tenant, String channel, String status, List<String> reasons, List<String> blocked,
        List<Grant> grants, List<Restriction> restrictions, List<Lift> lifts, List<Void> voids, List<Birth> births,
        Delivery bounced, Delivery delivered, int channels, long minorUntil, int generation, long version) {

    static final int CONTACT = 4;
    private static final byte[] SUPPRESSION = HexFormat.of().parseHex("c3014f87189b31fe584e");
    private static final byte[] HEARTBEAT = HexFormat.of().parseHex("c3010e7bbd6d44669b15");

    record Grant(
            long lo, String id, String source, long validUntil, Node node, int level, List<Node> names,
            String notice, String batch, String credential) {}

    record Restriction(String kind, Node node, long hi) {}

    record Lift(String kind, Node node, long lo) {}

    record Void(String selector, long since) {}

    record Birth(int date, long hi) {}

    record Delivery(long time) {}

    /** purpose:channel:scope; a scope may hold colons. */
    record Node(String purpose, String channel, String scope) {
        private static final Set<String> PURPOSES =
                Set.of("*", "marketing", "sharing", "profiling", "transactional", "legal_required");

        static Node of(String text) {
            String[] parts = text.split(":", 3);
            if (parts.length < 3 || !PURPOSES.contains(parts[0]) || !Set.of("*", "email", "sms").contains(parts[1])) {
                throw new IllegalArgumentException("a node that is not known here");
            }
            return new Node(parts[0], parts[1], parts[2]);
        }

        boolean covers(Node x) {
            return (purpose.equals("*") || purpose.equals(x.purpose))
                    && (channel.equals("*") || channel.equals(x.channel))
                    && (scope.equals("*") || scope.equals(x.scope) || x.scope.startsWith(scope + "/"));
        }
    }

    /** partition: of the list. through: per partition of the events, the instant before which all is applied. */
    record Heartbeat(
            int partition, int generation, int partitions, long written,
            Map<Integer, Long> applied, Map<Integer, Long> settled) {

        /** The latest instant that it speaks of. */
        long newest() {
            return applied.values().stream().reduce(written, Math::max);
        }

        static Heartbeat read(byte[] value) {
            Avro in = new Avro(value, HEARTBEAT);
            Heartbeat found = new Heartbeat(
                    in.integer(), in.integer(), in.integer(), in.number(), in.vector(), in.vector());
            in.end();
            return found;
        }
    }

    /** Throws when the bytes are anything that this reader does not know. */
    static Row read(byte[] value) {
        Avro in = new Avro(value, SUPPRESSION);
        Row found = new Row(
                in.text(), in.text(), in.text(), in.array(in::text), in.array(in::text),
                in.array(in::grant), in.array(in::restriction), in.array(in::lift), in.array(in::voided),
                in.array(in::birth), in.delivery(), in.delivery(),
                in.integer(), in.number(), in.integer(), in.number());
        in.text(); // the event behind this version: id, partition, offset
        in.number();
        in.number();
        in.end();
        return found;
    }

    boolean olderThan(Row other) {
        return generation < other.generation || generation == other.generation && version < other.version;
    }

    /** Avro binary; Java evaluates arguments from left to right, so a constructor call reads fields in their order. */
    private static final class Avro {
        private final byte[] bytes;
        private int at;

        Avro(byte[] bytes, byte[] header) {
            this.bytes = bytes;
            for (; at < header.length; at++) {
                if (at >= bytes.length || bytes[at] != header[at]) {
                    throw new IllegalArgumentException("a value of another schema");
                }
            }
        }

        void end() {
            if (at != bytes.length) {
                throw new IllegalArgumentException("bytes behind the record");
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

        int integer() {
            return Math.toIntExact(number());
        }

        String text() {
            int length = integer();
            at += length;
            return new String(bytes, at - length, length, StandardCharsets.UTF_8);
        }

        boolean flag() {
            return bytes[at++] == 1;
        }

        <T> List<T> array(Supplier<T> item) {
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

        Node node() {
            return Node.of(text());
        }

        Grant grant() {
            Grant found = new Grant(
                    number(), text(), text(), number(), node(), integer(), array(this::node),
                    text() + "@" + text(), text(), text());
            text(); // type
            return found;
        }

        Restriction restriction() {
            String kind = text();
            if (!Decision.KINDS.containsKey(kind)) {
                throw new IllegalArgumentException("a kind that is not known here");
            }
            Node node = node();
            flag(); // open
            Restriction found = new Restriction(kind, node, number());
            source();
            text(); // type
            return found;
        }

        Lift lift() {
            Lift found = new Lift(text(), node(), number());
            source();
            return found;
        }

        Void voided() {
            String selector = text();
            flag(); // open
            Void found = new Void(selector, number());
            source();
            return found;
        }

        Birth birth() {
            int date = integer();
            flag(); // open
            Birth found = new Birth(date, number());
            source();
            return found;
        }

        Delivery delivery() {
            if (number() == 0) { // the union's first branch: null
                return null;
            }
            flag(); // bounced
            Delivery found = new Delivery(number());
            source();
            return found;
        }

        Map<Integer, Long> vector() {
            Map<Integer, Long> through = new TreeMap<>();
            array(() -> {
                int partition = integer();
                number(); // offset
                return through.put(partition, number());
            });
            return through;
        }

        private void source() {
            text(); // id of the event
            text(); // its source
        }
    }
}
