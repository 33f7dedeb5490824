// A small strict JSON reader, and a writer: refuses duplicate members and trailing bytes, keeps numbers as written.
// SPDX-License-Identifier: MIT OR Apache-2.0
package scv2;

import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

import static scv2.Channel.*;

final class Json {
    record Number(String digits) {}

    final String text;
    int at = 0;
    Json(String text) { this.text = text; }

    static Object parse(String text) throws Refused {
        Json json = new Json(text);
        Object value = json.value(0);
        json.space();
        need(json.at == text.length(), "JSON: trailing bytes");
        return value;
    }

    static String string(Map<?, ?> doc, String name) throws Refused {
        if (doc.get(name) instanceof String value) return value;
        throw new Refused(name + " is not a string");
    }

    /** Strict UTF-8. */
    static String utf8(byte[] raw) throws CharacterCodingException {
        return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(raw)).toString();
    }

    /** Writes maps, lists, strings and integers, in compact form. */
    static String write(Object value) {
        if (value instanceof Map<?, ?> map) {
            return map.entrySet().stream().map(e -> write(e.getKey()) + ":" + write(e.getValue()))
                    .collect(Collectors.joining(",", "{", "}"));
        }
        if (value instanceof List<?> list) return list.stream().map(Json::write).collect(Collectors.joining(",", "[", "]"));
        return value instanceof String text ? quote(text) : String.valueOf(value);
    }

    static String quote(String value) {
        var out = new StringBuilder("\"");
        for (char c : value.toCharArray()) out.append(c == '"' || c == '\\' || c < 0x20 ? String.format("\\u%04x", (int) c) : c);
        return out.append('"').toString();
    }

    void space() { while (at < text.length() && " \t\r\n".indexOf(text.charAt(at)) >= 0) at++; }

    char next() throws Refused {
        need(at < text.length(), "JSON: ends too early");
        return text.charAt(at++);
    }

    boolean eat(String token) {
        space();
        if (!text.startsWith(token, at)) return false;
        at += token.length();
        return true;
    }

    Object value(int depth) throws Refused {
        need(depth < 32, "JSON: too deep");
        if (eat("{")) {
            Map<String, Object> out = new LinkedHashMap<>();
            if (eat("}")) return out;
            do {
                need(eat("\""), "JSON: member name expected");
                String name = string();
                need(eat(":"), "JSON: colon expected");
                need(!out.containsKey(name), "JSON: duplicate member");
                out.put(name, value(depth + 1));
            } while (eat(","));
            need(eat("}"), "JSON: } expected");
            return out;
        }
        if (eat("[")) {
            List<Object> out = new ArrayList<>();
            if (eat("]")) return out;
            do out.add(value(depth + 1)); while (eat(","));
            need(eat("]"), "JSON: ] expected");
            return out;
        }
        if (eat("\"")) return string();
        if (eat("true")) return true;
        if (eat("false")) return false;
        if (eat("null")) return null;
        int start = at;
        while (at < text.length() && "+-.0123456789eE".indexOf(text.charAt(at)) >= 0) at++;
        String digits = text.substring(start, at);
        need(digits.matches("-?(0|[1-9][0-9]*)(\\.[0-9]+)?([eE][+-]?[0-9]+)?"), "JSON: value expected");
        return new Number(digits);
    }

    String string() throws Refused {
        var out = new StringBuilder();
        for (char c = next(); c != '"'; c = next()) {
            need(c >= 0x20, "JSON: control character");
            if (c != '\\') {
                out.append(c);
                continue;
            }
            char escape = next();
            int which = "\"\\/bfnrt".indexOf(escape);
            if (which >= 0) {
                out.append("\"\\/\b\f\n\r\t".charAt(which));
            } else {
                need(escape == 'u' && text.length() - at >= 4 && text.substring(at, at + 4).matches("[0-9a-fA-F]{4}"), "JSON: bad escape");
                out.append((char) Integer.parseInt(text.substring(at, at += 4), 16));
            }
        }
        return out.toString();
    }
}
