import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * A mailer with nothing but the plain Kafka client and docs/contract.md.
 *
 * <p>Arguments: bootstrap, topic prefix, key file, file of questions, limit of age in seconds. A question is a line of
 * tenant, address, contact, purpose, scope and instant (microseconds), with tabs between; contact and instant may be
 * empty. Prints a line for each: `send` or `no`, the reasons against, and `refused` where the status would say no.
 */
public final class GateReader {
    private static final String HEARTBEAT = "0148" + "00".repeat(17);
    private static final Set<String> PURPOSES =
            Set.of("marketing", "sharing", "profiling", "transactional", "legal_required");
    private static final Set<String> CHANNELLESS = Set.of("sharing", "profiling");
    private static final List<String> LEVELS = List.of("E0", "E1", "E2", "E3", "E4");
    private static final Set<String> CHOICES = Set.of("min_evidence", "allow_migrated", "stop_scope",
            "unsubscribe_scope", "consent_valid_months", "basis", "sms_program", "sms_notice");

    private final Subjects subjects;
    private final long limit;
    private final Map<String, Row> rows = new TreeMap<>();
    private final Set<String> doubtful = new HashSet<>(); // keys whose last record says nothing that we understand
    private final Map<Integer, Row.Heartbeat> beats = new TreeMap<>(); // the last of each partition
    private final Map<String, String> control = new TreeMap<>(); // an unreadable record is an empty text
    private int partitions;
    private long asked;

    private GateReader(Subjects subjects, long limit) {
        this.subjects = subjects;
        this.limit = limit;
    }

    public static void main(String[] arguments) throws IOException {
        GateReader reader = new GateReader(
                new Subjects(Path.of(arguments[2])), (long) (Double.parseDouble(arguments[4]) * 1e6));
        reader.read(arguments[0], arguments[1] + "suppression.email", arguments[1] + "consent.control");
        PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
        for (String line : Files.readAllLines(Path.of(arguments[3]))) {
            out.println(reader.answer(line.split("\t", -1)));
        }
        out.flush();
    }

    // -- reading to the end

    private void read(String bootstrap, String list, String controls) {
        Map<String, Object> settings = Map.of(
                "bootstrap.servers", bootstrap, "isolation.level", "read_committed", "enable.auto.commit", "false",
                "key.deserializer", ByteArrayDeserializer.class, "value.deserializer", ByteArrayDeserializer.class);
        try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(settings)) {
            List<TopicPartition> all = new ArrayList<>();
            consumer.partitionsFor(list).forEach(each -> all.add(new TopicPartition(list, each.partition())));
            partitions = all.size();
            all.add(new TopicPartition(controls, 0));
            consumer.assign(all);
            consumer.seekToBeginning(all);
            asked = now();
            Map<TopicPartition, Long> ends = consumer.endOffsets(all);
            while (all.stream().anyMatch(each -> consumer.position(each) < ends.get(each))) {
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(200))) {
                    if (record.topic().equals(controls)) {
                        String text = record.value() == null ? "" : new String(record.value(), StandardCharsets.UTF_8);
                        control.put(new String(record.key(), StandardCharsets.UTF_8), text);
                    } else {
                        keep(HexFormat.of().formatHex(record.key()), record.value(), record.partition());
                    }
                }
            }
        }
    }

    private void keep(String key, byte[] value, int partition) {
        if (key.equals(HEARTBEAT)) {
            Row.Heartbeat beat = Row.Heartbeat.read(value);
            if (beat.partition() == partition) {
                beats.merge(partition, beat, (old, next) -> next.generation() < old.generation() ? old : next);
            }
            return;
        }
        Row found;
        try {
            found = Row.read(value);
        } catch (RuntimeException unreadable) { // null, too: it never means allowed
            doubtful.add(key);
            return;
        }
        Row old = rows.get(key);
        if (old == null || !found.olderThan(old)) {
            rows.put(key, found);
            doubtful.remove(key);
        }
    }

    private static long now() {
        return System.currentTimeMillis() * 1000;
    }

    // -- answers

    private String answer(String[] question) {
        String tenant = question[0];
        String contact = question[2];
        String purpose = question[3];
        String scope = question[4];
        String address = Subjects.canonical(question[1]);
        if (address == null || !PURPOSES.contains(purpose) || !valid(scope)) {
            return "no\tunreadable question\t";
        }
        List<String> own = new ArrayList<>(subjects.keys(tenant, "email", address));
        if (own.isEmpty() || !subjects.fit(object("keys"))) {
            return "no\tother keys\t";
        }
        if (!contact.isEmpty()) {
            own.addAll(subjects.keys(tenant, "contact", contact));
        }
        String base = Subjects.baseForm(address);
        List<String> bases = base.equals(address) ? List.of() : subjects.keys(tenant, "email", base);
        if (!fresh(contact.isEmpty())) {
            return "no\tstale\t";
        }
        if (stopped(tenant)) {
            return "no\tstopped\t";
        }
        List<Row> ownRows = new ArrayList<>();
        List<Row> baseRows = new ArrayList<>();
        if (!(look(own, tenant, ownRows) && look(bases, tenant, baseRows))) {
            return "no\tdoubtful row\t";
        }
        Decision.Rules rules = rules(tenant);
        if (rules == null) {
            return "no\tno policy\t";
        }
        Row.Node x = new Row.Node(purpose, CHANNELLESS.contains(purpose) ? "*" : "email", scope);
        long at = question[5].isEmpty() ? now() : Long.parseLong(question[5]);
        Decision decision = new Decision(x, at, ownRows, baseRows, rules);
        Set<String> against = decision.against();
        return (against.isEmpty() ? "send" : "no") + "\t" + String.join(",", against) + "\t"
                + (decision.refusedByStatus() ? "refused" : "");
    }

    private boolean look(List<String> keys, String tenant, List<Row> found) {
        for (String key : keys) {
            Row row = rows.get(key);
            boolean ours = row == null || row.tenant().equals(tenant) && row.channel().equals("email");
            if (!ours || doubtful.contains(key)) {
                return false;
            }
            if (row != null) {
                found.add(row);
            }
        }
        return true;
    }

    private static boolean valid(String scope) {
        boolean segments = List.of(scope.split("/", -1)).stream().allMatch(s -> !s.isEmpty() && !s.equals("*"));
        return scope.equals("*") || segments && scope.getBytes(StandardCharsets.UTF_8).length <= 256;
    }

    // -- consent.control

    private Map<String, Object> object(String name) {
        try {
            return Json.object(control.getOrDefault(name, "{}"));
        } catch (RuntimeException unreadable) {
            return Map.of("?", "?");
        }
    }

    private boolean stopped(String tenant) {
        for (String channel : List.of("email", "*")) {
            for (String whose : List.of(tenant, "*")) {
                String name = "stop/" + channel + "/" + whose;
                if (control.containsKey(name) && !off(object(name))) {
                    return true;
                }
            }
        }
        return false;
    }

    private static boolean off(Map<String, Object> stop) {
        return Boolean.FALSE.equals(stop.get("stopped")) && stop.get("reason") instanceof String
                && stop.get("by") instanceof String && stop.get("at") instanceof Double;
    }

    /** The tenant's choices; null when they cannot be read, or one of anybody's is not known here. */
    private Decision.Rules rules(String tenant) {
        if (!(object("policy").get("tenants") instanceof Map<?, ?> tenants)) {
            return null;
        }
        for (Object each : tenants.values()) {
            if (!(each instanceof Map<?, ?> chosen) || !CHOICES.containsAll(chosen.keySet())) {
                return null;
            }
        }
        Map<?, ?> chosen = tenants.containsKey(tenant) ? (Map<?, ?>) tenants.get(tenant) : Map.of();
        Object level = chosen.containsKey("min_evidence") ? chosen.get("min_evidence") : "E2";
        Set<String> withoutGrant = new HashSet<>();
        if (chosen.get("basis") instanceof Map<?, ?> basis) {
            basis.forEach((purpose, told) -> {
                if ("legitimate_interest".equals(told)) {
                    withoutGrant.add((String) purpose);
                }
            });
        }
        int least = LEVELS.indexOf(level);
        boolean migrated = Boolean.TRUE.equals(chosen.get("allow_migrated"));
        return least < 0 ? null : new Decision.Rules(least, migrated, withoutGrant);
    }

    // -- freshness

    private boolean fresh(boolean settled) {
        long now = now();
        if (!(object("partitions").get("events") instanceof Double events)
                || !Double.valueOf(partitions).equals(object("partitions").get("ledger")) || now - asked > limit) {
            return false;
        }
        int newest = beats.values().stream().mapToInt(Row.Heartbeat::generation).max().orElse(0);
        long through = Long.MAX_VALUE;
        for (int q = 0; q < partitions; q++) {
            Row.Heartbeat beat = beats.get(q);
            if (beat == null || beat.generation() != newest || beat.newest() - now > limit) {
                return false;
            }
            Map<Integer, Long> instants = settled ? beat.settled() : beat.applied();
            for (int p = 0; p < Math.max(beat.partitions(), events.intValue()); p++) {
                if (!instants.containsKey(p)) {
                    return false;
                }
                through = Math.min(through, instants.get(p));
            }
        }
        return now - through <= limit;
    }
}
