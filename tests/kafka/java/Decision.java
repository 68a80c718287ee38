import java.time.LocalDate;
import java.time.MonthDay;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;

/** May this be sent? The steps of docs/contract.md, "Obeying a suppression list", in their order. E-mail alone. */
final class Decision {
    /** What undoes a restriction: a grant of that level, or 0: a lift or review alone. */
    static final Map<String, Integer> KINDS = Map.ofEntries(
            Map.entry("legal", 0), Map.entry("deceased", 0), Map.entry("frozen", 0),
            Map.entry("suppressed_by_staff", 0), Map.entry("minor_suspected", 0), Map.entry("erased", 4),
            Map.entry("reassigned", 4), Map.entry("complaint", 4), Map.entry("objected", 3),
            Map.entry("global_opt_out", 3), Map.entry("sharing_opt_out", 4), Map.entry("sms_stop", 3),
            Map.entry("sms_stop_review", 3), Map.entry("unsubscribed", 3), Map.entry("topic_opt_out", 2));

    private static final Set<String> LIFTED = Set.of(
            "legal", "deceased", "frozen", "suppressed_by_staff", "minor_suspected", "sms_stop_review");
    private static final Set<String> OF_BASE = Set.of("erased", "complaint", "objected", "global_opt_out");
    private static final Set<String> OF_AGE = Set.of("marketing", "sharing", "profiling");
    private static final long MINUTE = 60_000_000L;
    private static final int MOST_VOIDS = 256;

    /** What the tenant chose, out of `policy` in consent.control. */
    record Rules(int minEvidence, boolean allowMigrated, Set<String> withoutGrant) {}

    private final Row.Node x;
    private final long at;
    private final List<Row> own;
    private final List<Row> bases;
    private final Rules rules;

    Decision(Row.Node x, long at, List<Row> own, List<Row> bases, Rules rules) {
        this.x = x;
        this.at = at;
        this.own = own;
        this.bases = bases;
        this.rules = rules;
    }

    /** The kinds of reasons against; empty: send. */
    Set<String> against() {
        Set<String> found = new TreeSet<>();
        boolean required = x.purpose().equals("legal_required");
        List<Row.Grant> counting = counting();
        for (Row row : own) {
            row.restrictions().stream()
                    .filter(r -> r.node().covers(x) && (!required || r.kind().equals("deceased")))
                    .filter(r -> !lifted(row, r) && !cleared(r, counting))
                    .forEach(r -> found.add(r.kind()));
            if (OF_AGE.contains(x.purpose()) && row.births().stream().anyMatch(b -> childOf(row, b))) {
                found.add("minor");
            }
            if (!x.channel().equals("*") && undeliverable(row)) {
                found.add("undeliverable");
            }
        }
        if (!required) {
            bases.stream().flatMap(row -> row.restrictions().stream())
                    .filter(r -> OF_BASE.contains(r.kind()) && r.node().covers(x) && !cleared(r, counting))
                    .forEach(r -> found.add(r.kind()));
        }
        boolean asks = !required && !x.purpose().equals("transactional") && !rules.withoutGrant.contains(x.purpose());
        if (asks && counting.isEmpty()) {
            found.add("no_consent");
        }
        return found;
    }

    /** What status, blocked_scopes and minor_until say of marketing: the shortcut, which only ever refuses. */
    boolean refusedByStatus() {
        boolean here = own.stream().anyMatch(row -> row.status().equals("SUPPRESSED") || at < row.minorUntil()
                || row.blocked().stream().anyMatch(b -> x.scope().equals(b) || x.scope().startsWith(b + "/")));
        return here || bases.stream().anyMatch(row -> row.reasons().stream().anyMatch(OF_BASE::contains));
    }

    // -- restrictions

    private boolean lifted(Row row, Row.Restriction r) {
        return LIFTED.contains(r.kind()) && row.lifts().stream()
                .filter(lift -> lift.kind().equals(r.kind()) && lift.node().equals(r.node()))
                .anyMatch(lift -> r.hi() < lift.lo() && lift.lo() <= at);
    }

    private static boolean cleared(Row.Restriction r, List<Row.Grant> counting) {
        int needed = KINDS.get(r.kind());
        return needed > 0 && counting.stream()
                .filter(g -> g.level() >= needed && g.lo() > r.hi())
                .anyMatch(g -> g.node().equals(r.node()) || g.names().contains(r.node()));
    }

    private boolean undeliverable(Row row) {
        if (row.bounced() == null || (row.channels() & Row.CONTACT) != 0) {
            return false;
        }
        Row.Delivery since = row.delivered();
        return since == null || since.time() > at || row.bounced().time() >= since.time();
    }

    // -- age

    /** The end of the 16th birthday in UTC-12; born on 29 February counts as 1 March. */
    private static long adultFrom(Row.Birth birth) {
        LocalDate born = LocalDate.ofEpochDay(birth.date());
        LocalDate day = MonthDay.from(born).equals(MonthDay.of(2, 29))
                ? LocalDate.of(born.getYear() + 16, 3, 1)
                : born.plusYears(16);
        return day.plusDays(1).atTime(12, 0).toEpochSecond(ZoneOffset.UTC) * 1_000_000;
    }

    /** The lo of the first lift that corrects an asserted birth; null when none does. */
    private Long corrected(Row row, Row.Birth birth) {
        return row.lifts().stream()
                .filter(lift -> lift.kind().equals("minor") && birth.hi() < lift.lo() && lift.lo() <= at)
                .map(Row.Lift::lo)
                .min(Long::compare)
                .orElse(null);
    }

    private boolean childOf(Row row, Row.Birth birth) {
        return corrected(row, birth) == null && at < adultFrom(birth);
    }

    // -- grants

    private List<Row.Grant> counting() {
        if (own.stream().anyMatch(Decision::allVoid)) {
            return List.of();
        }
        boolean restricted = Stream.concat(
                        own.stream().flatMap(row -> row.restrictions().stream()),
                        bases.stream().flatMap(row -> row.restrictions().stream())
                                .filter(r -> OF_BASE.contains(r.kind())))
                .anyMatch(r -> r.node().covers(x));
        boolean migrated = rules.allowMigrated && rules.minEvidence <= 2 && !x.purpose().equals("sharing")
                && !restricted;
        long from = voidBefore();
        List<Row.Grant> found = new ArrayList<>();
        own.stream().flatMap(row -> row.grants().stream())
                .filter(g -> g.node().covers(x) && g.lo() >= from && g.lo() <= at && at < g.validUntil())
                .filter(g -> g.level() >= 2 ? g.level() >= rules.minEvidence : g.level() == 1 && migrated)
                .filter(g -> own.stream().flatMap(row -> row.voids().stream()).noneMatch(v -> selects(v, g)))
                .forEach(found::add);
        return found;
    }

    /** Every grant with an earlier lo is void: the person was erased since, or was a child then. */
    private long voidBefore() {
        long bound = Long.MIN_VALUE;
        for (Row row : Stream.concat(own.stream(), bases.stream()).toList()) {
            for (Row.Restriction r : row.restrictions()) {
                bound = r.kind().equals("erased") ? Math.max(bound, r.hi() + 1) : bound;
            }
        }
        for (Row row : own) {
            for (Row.Birth birth : row.births()) {
                Long corrected = corrected(row, birth);
                long end = adultFrom(birth);
                bound = Math.max(bound, corrected == null ? end : Math.min(end, corrected + 1));
            }
        }
        return bound;
    }

    private static boolean allVoid(Row row) {
        long selectors = row.voids().stream().map(Row.Void::selector).distinct().count();
        return selectors > MOST_VOIDS || row.voids().stream().anyMatch(v -> v.selector().equals("*"));
    }

    private static boolean selects(Row.Void v, Row.Grant g) {
        return v.selector().equals("grant:" + g.source() + "#" + g.id())
                || !g.batch().isEmpty() && v.selector().equals("batch:" + g.batch())
                || v.selector().equals("notice:" + g.notice())
                || !g.credential().isEmpty() && v.selector().equals("credential:" + g.credential())
                        && g.lo() >= v.since() - 5 * MINUTE;
    }
}
