import java.io.IOException;
import java.net.IDN;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/**
 * Addresses and subject keys. Key file: lines `root KID HEX` or `tenant NAME KID HEX`.
 *
 * <p>java.net.IDN knows IDNA of 2003. Where that and UTS-46 may differ, the answer here is null: do not send.
 */
final class Subjects {
    private static final Pattern PLAIN = Pattern.compile(
            "[a-z0-9!#$%&'*+/=?^_`{|}~.-]+@(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\\.)+"
                    + "[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?");
    private static final Pattern DIFFERENT = Pattern.compile("[\\u00df\\u1e9e\\u03c2\\u200c\\u200d]");
    private static final Set<Integer> FILLERS = Set.of(
            0x34f, 0x115f, 0x1160, 0x17b4, 0x17b5, 0x180b, 0x180c, 0x180d, 0x3164, 0xffa0);

    private final Map<String, byte[]> roots = new TreeMap<>();
    private final Map<String, byte[]> derived = new TreeMap<>();
    private final Set<String> kids = new TreeSet<>();

    Subjects(Path file) throws IOException {
        for (String line : Files.readAllLines(file)) {
            String[] words = line.split(" ");
            byte[] key = HexFormat.of().parseHex(words[words.length - 1]);
            kids.add(words[words.length - 2]);
            if (words[0].equals("root")) {
                roots.put(words[1], key);
            } else {
                derived.put(words[1] + " " + words[2], key);
            }
        }
    }

    /** Whether these are the keys that the lists are written with, by `keys` in consent.control. */
    boolean fit(Map<?, ?> fingerprints) {
        return fingerprints.entrySet().stream().allMatch(told -> kids.contains(told.getKey())
                && (!roots.containsKey(told.getKey())
                        || fingerprint(roots.get(told.getKey())).equals(told.getValue())));
    }

    /** The keys of one subject under each live key id; empty: no key material for the tenant. */
    List<String> keys(String tenant, String channel, String canonical) {
        byte[] message = String.join("\0", "1", tenant, channel, canonical).getBytes(StandardCharsets.UTF_8);
        List<String> found = new ArrayList<>();
        for (String kid : kids) {
            byte[] key = tenantKey(tenant, kid);
            if (key != null) {
                byte[] head = {1, (byte) (channel.equals("contact") ? 'c' : 'a'), (byte) Integer.parseInt(kid)};
                byte[] digest = Arrays.copyOf(hmac(key, message), 16);
                found.add(HexFormat.of().formatHex(head) + HexFormat.of().formatHex(digest));
            }
        }
        return found;
    }

    private byte[] tenantKey(String tenant, String kid) {
        byte[] known = derived.get(tenant + " " + kid);
        byte[] root = roots.get(kid);
        if (known != null || root == null) {
            return known;
        }
        byte[] info = ("consent-stream/tenant/" + tenant + "\1").getBytes(StandardCharsets.UTF_8);
        return hmac(hmac(new byte[32], root), info); // HKDF (RFC 5869) to one block: extract without salt, expand
    }

    private static String fingerprint(byte[] root) {
        byte[] digest = hmac(root, "consent-stream/fingerprint".getBytes(StandardCharsets.UTF_8));
        return HexFormat.of().formatHex(digest, 0, 8);
    }

    private static byte[] hmac(byte[] key, byte[] message) {
        try {
            Mac mac = Mac.getInstance("HmacSHA256");
            mac.init(new SecretKeySpec(key, "HmacSHA256"));
            return mac.doFinal(message);
        } catch (GeneralSecurityException impossible) {
            throw new IllegalStateException(impossible);
        }
    }

    /** The canonical address; null for what is none, or what this reader cannot be sure of. */
    static String canonical(String text) {
        String cleaned = trimmed(text.codePoints()
                .filter(c -> !zeroWidth(c))
                .collect(StringBuilder::new, StringBuilder::appendCodePoint, StringBuilder::append)
                .toString());
        int split = cleaned.lastIndexOf('@');
        if (split < 0 || cleaned.length() > 320) {
            return null;
        }
        String domain = domain(cleaned.substring(split + 1));
        String local = cleaned.substring(0, split);
        // Case folding beyond ASCII is not what String.toLowerCase does.
        boolean sure = domain != null && domain.length() <= 253 && local.chars().allMatch(c -> c < 128);
        Matcher plain = PLAIN.matcher(sure ? local.toLowerCase(Locale.ROOT) + "@" + domain : "");
        return plain.matches() ? plain.group() : null;
    }

    private static String domain(String text) {
        if (DIFFERENT.matcher(text).find()) {
            return null;
        }
        try {
            String ascii = IDN.toASCII(text).toLowerCase(Locale.ROOT);
            ascii = ascii.endsWith(".") ? ascii.substring(0, ascii.length() - 1) : ascii;
            String shown = IDN.toUnicode(ascii);
            boolean same = !DIFFERENT.matcher(shown).find() && IDN.toASCII(shown).equals(ascii);
            return same && !Pattern.compile("(?:^|\\.)..--").matcher(shown).find() ? ascii : null;
        } catch (IllegalArgumentException notOne) {
            return null;
        }
    }

    private static String trimmed(String text) {
        int from = 0;
        int to = text.length();
        while (from < to && space(text.charAt(from))) {
            from++;
        }
        while (from < to && space(text.charAt(to - 1))) {
            to--;
        }
        return text.substring(from, to);
    }

    private static boolean space(char c) {
        return Character.isWhitespace(c) || Character.isSpaceChar(c) || c == 0x85;
    }

    private static boolean zeroWidth(int c) {
        return Character.getType(c) == Character.FORMAT || FILLERS.contains(c)
                || c >= 0xfe00 && c <= 0xfe0f || c >= 0xe0100 && c <= 0xe01ef;
    }

    /** Without `+tag`; at Gmail also without dots and as gmail.com. */
    static String baseForm(String canonical) {
        int split = canonical.lastIndexOf('@');
        String local = canonical.substring(0, split);
        String domain = canonical.substring(split + 1);
        int tag = local.indexOf('+');
        local = tag > 0 ? local.substring(0, tag) : local;
        if (domain.equals("gmail.com") || domain.equals("googlemail.com")) {
            String dotless = local.replace(".", "");
            return (dotless.isEmpty() ? local : dotless) + "@gmail.com";
        }
        return local + "@" + domain;
    }
}
