import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** JSON (RFC 8259) to maps, lists, texts, Doubles, Booleans and null: what consent.control needs, without a library. */
final class Json {
    private final String text;
    private int at;

    private Json(String text) {
        this.text = text;
    }

    /** Throws when the text is anything but one object. */
    @SuppressWarnings("unchecked")
    static Map<String, Object> object(String text) {
        Json in = new Json(text);
        Object found = in.value();
        in.space();
        if (in.at != text.length() || !(found instanceof Map)) {
            throw new IllegalArgumentException("not one JSON object");
        }
        return (Map<String, Object>) found;
    }

    private Object value() {
        space();
        return switch (text.charAt(at)) {
            case '{' -> table();
            case '[' -> list();
            case '"' -> string();
            case 't' -> word("true", Boolean.TRUE);
            case 'f' -> word("false", Boolean.FALSE);
            case 'n' -> word("null", null);
            default -> number();
        };
    }

    private Map<String, Object> table() {
        Map<String, Object> found = new LinkedHashMap<>();
        at++;
        while (!closes('}', found.isEmpty())) {
            space();
            String name = string();
            space();
            word(":", null);
            found.put(name, value());
        }
        return found;
    }

    private List<Object> list() {
        List<Object> found = new ArrayList<>();
        at++;
        while (!closes(']', found.isEmpty())) {
            found.add(value());
        }
        return found;
    }

    private boolean closes(char end, boolean first) {
        space();
        if (text.charAt(at) == end) {
            at++;
            return true;
        }
        if (!first) {
            word(",", null);
        }
        return false;
    }

    private String string() {
        StringBuilder found = new StringBuilder();
        word("\"", null);
        for (char c = text.charAt(at++); c != '"'; c = text.charAt(at++)) {
            found.append(c == '\\' ? escaped(text.charAt(at++)) : c);
        }
        return found.toString();
    }

    private char escaped(char c) {
        if (c == 'u') {
            at += 4;
            return (char) Integer.parseInt(text.substring(at - 4, at), 16);
        }
        int known = "bfnrt".indexOf(c);
        return known < 0 ? c : "\b\f\n\r\t".charAt(known);
    }

    private Object word(String wanted, Object meaning) {
        if (!text.startsWith(wanted, at)) {
            throw new IllegalArgumentException("not JSON");
        }
        at += wanted.length();
        return meaning;
    }

    private Double number() {
        int from = at;
        while (at < text.length() && "+-.eE0123456789".indexOf(text.charAt(at)) >= 0) {
            at++;
        }
        return Double.valueOf(text.substring(from, at));
    }

    private void space() {
        while (at < text.length() && " \t\r\n".indexOf(text.charAt(at)) >= 0) {
            at++;
        }
    }
}
