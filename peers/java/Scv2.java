// A Secure Channel v2 client in Java (JDK only), from PROTOCOL.md alone.
// SPDX-License-Identifier: MIT OR Apache-2.0
//
//   java Scv2.java --base-url URL [--email E] [--inline] [--bound]
//   java Scv2.java --vectors DIR

import java.io.ByteArrayOutputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.Key;
import java.security.KeyFactory;
import java.security.MessageDigest;
import java.security.SecureRandom;
import java.security.interfaces.RSAKey;
import java.security.interfaces.RSAPublicKey;
import java.security.spec.MGF1ParameterSpec;
import java.security.spec.PKCS8EncodedKeySpec;
import java.security.spec.X509EncodedKeySpec;
import java.time.Duration;
import java.util.*;
import javax.crypto.Cipher;
import javax.crypto.spec.GCMParameterSpec;
import javax.crypto.spec.OAEPParameterSpec;
import javax.crypto.spec.PSource;
import javax.crypto.spec.SecretKeySpec;

public class Scv2 {
    static final int MAX_ENVELOPE = 1_048_576 + 1_316;
    static final String MESSAGE = "password.forgot";
    static final String PATH = "/web/v1/system/auth/password/forgot";
    static final SecureRandom RANDOM = new SecureRandom();
    static final HexFormat HEX = HexFormat.of();

    /** Something that this peer does not accept. */
    static class Refused extends Exception {
        Refused(String why) { super(why); }
    }

    static void need(boolean condition, String why) throws Refused {
        if (!condition) throw new Refused(why);
    }

    // --- Envelope (PROTOCOL 2) --------------------------------------------------------------------

    record Envelope(int type, boolean bound, String keyId, byte[] encReqKey, byte[] encRespKey, byte[] head, byte[] sealed) {
        byte[] iv() { return Arrays.copyOf(sealed, 12); }
    }

    /** Takes fields from front to back. */
    static class Fields {
        final byte[] raw;
        int at = 4;
        Fields(byte[] raw) { this.raw = raw; }

        byte[] take(int size) throws Refused {
            need(raw.length - at >= size, "truncated");
            at += size;
            return Arrays.copyOfRange(raw, at - size, at);
        }

        /** One wrapped key; `same` is the length that it must have, or 0. */
        byte[] takeWrapped(int same) throws Refused {
            byte[] two = take(2);
            int size = (two[0] & 255) << 8 | two[1] & 255;
            need(size >= 256 && size <= 512, "wrapped_key_length");
            need(same == 0 || size == same, "wrapped_keys_differ");
            return take(size);
        }
    }

    static Envelope parse(byte[] raw) throws Refused {
        need(raw.length <= MAX_ENVELOPE, "too_long");
        need(raw.length >= 4, "too_short");
        need(raw[0] == 'S' && raw[1] == 'C', "magic");
        int version = raw[2] & 255, type = raw[3] & 255;
        need(version == 2 || version == 0x82 && type == 1, "version");
        need(type == 1 || type == 2 || type == 129, "type");
        Fields fields = new Fields(raw);
        byte[] keyId = {}, req = {}, resp = {};
        if (type == 1) {
            int size = fields.take(1)[0] & 255;
            need(size > 0, "key_id_length");
            keyId = fields.take(size);
            for (byte c : keyId) need(c >= 0x21 && c <= 0x7e, "key_id_character");
            req = fields.takeWrapped(0);
            resp = fields.takeWrapped(req.length);
        }
        need(raw.length - fields.at >= 28, "sealed_too_short");
        return new Envelope(type, version == 0x82, new String(keyId, StandardCharsets.US_ASCII), req, resp,
                Arrays.copyOf(raw, fields.at), Arrays.copyOfRange(raw, fields.at, raw.length));
    }

    /** PROTOCOL 7: exactly v and p, in any order; returns IV, ciphertext and tag. */
    static byte[] parseText(String text) throws Refused {
        if (!(Json.parse(text) instanceof Map<?, ?> doc && doc.keySet().equals(Set.of("v", "p"))
                && doc.get("v") instanceof Json.Number v && v.digits().equals("2"))) throw new Refused("not an object of v and p");
        byte[] sealed = unbase64(string(doc, "p"));
        need(sealed.length >= 28, "too short");
        return sealed;
    }

    static byte[] unbase64(String letters) throws Refused {
        try { // the JDK takes unpadded and non-canonical forms, so compare
            byte[] bytes = Base64.getDecoder().decode(letters.getBytes(StandardCharsets.UTF_8));
            need(Base64.getEncoder().encodeToString(bytes).equals(letters), "not canonical Base64");
            return bytes;
        } catch (IllegalArgumentException error) {
            throw new Refused("not Base64");
        }
    }

    // --- Cryptography (PROTOCOL 3 and 8) ----------------------------------------------------------

    // The trap: "RSA/ECB/OAEPWithSHA-256AndMGF1Padding" alone uses SHA-256 as the hash, but SHA-1 in
    // MGF1. SCv2 wants SHA-256 in both, and Java does that only if the parameters say so.
    static final OAEPParameterSpec OAEP =
            new OAEPParameterSpec("SHA-256", "MGF1", MGF1ParameterSpec.SHA256, PSource.PSpecified.DEFAULT);

    static byte[] oaep(int mode, Key key, byte[] in) throws GeneralSecurityException {
        Cipher cipher = Cipher.getInstance("RSA/ECB/OAEPPadding");
        cipher.init(mode, key, OAEP);
        return cipher.doFinal(in);
    }

    /** For the vectors only: a client never unwraps. */
    static byte[] unwrap(Key privateKey, byte[] wrapped) throws Refused {
        need(wrapped.length == ((RSAKey) privateKey).getModulus().bitLength() / 8, "wrapped length");
        try {
            byte[] key = oaep(Cipher.DECRYPT_MODE, privateKey, wrapped);
            need(key.length == 32, "unwrapped length");
            return key;
        } catch (GeneralSecurityException error) {
            throw new Refused("does not unwrap");
        }
    }

    static byte[] gcm(int mode, byte[] key, byte[] iv, byte[] data, byte[] in, int from) throws GeneralSecurityException {
        Cipher cipher = Cipher.getInstance("AES/GCM/NoPadding");
        cipher.init(mode, new SecretKeySpec(key, "AES"), new GCMParameterSpec(128, iv));
        cipher.updateAAD(data);
        return cipher.doFinal(in, from, in.length - from);
    }

    static byte[] open(byte[] key, byte[] sealed, byte[] data) throws Refused {
        try {
            return gcm(Cipher.DECRYPT_MODE, key, Arrays.copyOf(sealed, 12), data, sealed, 12);
        } catch (GeneralSecurityException error) {
            throw new Refused("does not open");
        }
    }

    static byte[] random(int size) {
        byte[] out = new byte[size];
        RANDOM.nextBytes(out);
        return out;
    }

    static byte[] concat(byte[]... parts) {
        var out = new ByteArrayOutputStream();
        for (byte[] part : parts) out.writeBytes(part);
        return out.toByteArray();
    }

    static byte[] utf8(String text) { return text.getBytes(StandardCharsets.UTF_8); }

    static byte[] header(int version, int type) { return new byte[] {'S', 'C', (byte) version, (byte) type}; }

    static byte[] size(byte[] field) { return new byte[] {(byte) (field.length >> 8), (byte) field.length}; }

    /** The key exchange as a type 1 envelope carries it. */
    static byte[] exchange(String keyId, byte[] req, byte[] resp) {
        return concat(new byte[] {(byte) keyId.length()}, utf8(keyId), size(req), req, size(resp), resp);
    }

    static byte[] sha256(byte[] in) throws GeneralSecurityException { return MessageDigest.getInstance("SHA-256").digest(in); }

    /** `head` is everything before the IV; ctx, session id and request IV are empty where the type has none. */
    static byte[] associatedData(boolean bound, byte[] head, byte[] ctx, String session, byte[] requestIv, String message) {
        return bound ? concat(head, ctx, utf8(session), requestIv, utf8(message)) : new byte[0];
    }

    // --- Client (PROTOCOL 4 to 6) -----------------------------------------------------------------

    static class Client {
        final HttpClient http = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1)
                .connectTimeout(Duration.ofSeconds(30)).build(); // follows no redirects by default
        final String base;
        final boolean bound;
        final String hash = "peer-java-" + HEX.formatHex(random(8));
        final byte[] requestKey = random(32), responseKey = random(32);
        String keyId, sessionId;
        byte[] encReqKey, encRespKey, exchange, ctx;

        Client(String base, boolean bound) {
            this.base = base.replaceAll("/+$", "");
            this.bound = bound;
        }

        HttpResponse<byte[]> http(String method, String path, byte[] body, String session) throws Exception {
            String id = UUID.randomUUID().toString();
            var request = HttpRequest.newBuilder(URI.create(base + path)).timeout(Duration.ofSeconds(30))
                    .header("X-Client-Hash", hash).header("X-SC-Version", "2").header("X-Request-Id", id)
                    .header("Accept", "application/json").header("Accept-Language", "en");
            if (body != null) request.header("Content-Type", "application/json;charset=UTF-8");
            if (session != null) request.header("X-SC-Session-Id", session);
            if (method.equals("POST")) request.POST(HttpRequest.BodyPublishers.ofByteArray(body == null ? new byte[0] : body));
            var answer = http.send(request.build(), HttpResponse.BodyHandlers.ofByteArray());
            need(answer.headers().firstValue("X-Request-Id").orElse("").equals(id), path + ": X-Request-Id is not echoed");
            return answer;
        }

        /** A plain JSON answer of the success form; returns its `data`. */
        Map<?, ?> plain(String method, String path, byte[] body, String session) throws Exception {
            var answer = http(method, path, body, session);
            return success(path, answer.statusCode(), answer.body()).get("data") instanceof Map<?, ?> data ? data : Map.of();
        }

        void fetchKey() throws Exception {
            Map<?, ?> doc = plain("GET", "/web/v1/secure-channel/public-key", null, null);
            need(!bound || doc.get("profiles") instanceof List<?> profiles && profiles.contains("bound"),
                    "the server does not offer the profile bound");
            var spki = new X509EncodedKeySpec(unbase64(string(doc, "publicKey")));
            var key = (RSAPublicKey) KeyFactory.getInstance("RSA").generatePublic(spki);
            int bits = key.getModulus().bitLength();
            need(bits >= 2048 && bits <= 4096 && new Json.Number("" + bits).equals(doc.get("keySize")), "key size");
            need(string(doc, "algorithm").equals("RSA-OAEP-" + bits), "algorithm");
            keyId = string(doc, "keyId");
            encReqKey = oaep(Cipher.ENCRYPT_MODE, key, requestKey);
            encRespKey = oaep(Cipher.ENCRYPT_MODE, key, responseKey);
            exchange = exchange(keyId, encReqKey, encRespKey);
            ctx = sha256(exchange);
        }

        void createSession() throws Exception {
            Base64.Encoder base64 = Base64.getEncoder();
            String body = "{\"keyId\":" + Json.quote(keyId) + ",\"encReqKey\":\"" + base64.encodeToString(encReqKey)
                    + "\",\"encRespKey\":\"" + base64.encodeToString(encRespKey) + "\"" + (bound ? ",\"profile\":\"bound\"}" : "}");
            Map<?, ?> data = plain("POST", "/web/v1/secure-channel/session", utf8(body), null);
            String profile = data.containsKey("profile") ? string(data, "profile") : "plain";
            need(profile.equals(bound ? "bound" : "plain"), "profile of the session");
            need(data.get("expiresAt") instanceof Json.Number, "expiresAt");
            takeSession(string(data, "sessionId"));
        }

        void takeSession(String id) throws Refused {
            need(id.matches("sess_[A-Za-z0-9_-]{32}"), "session id " + id);
            sessionId = id;
        }

        /** The head of the next request, all before the IV: type 1 while there is no session. */
        byte[] requestHead() {
            return sessionId == null ? concat(header(bound ? 0x82 : 2, 1), exchange) : header(2, 2);
        }

        byte[] seal(byte[] iv, String message, byte[] plaintext) throws GeneralSecurityException {
            byte[] head = requestHead(), none = {};
            byte[] data = sessionId == null ? associatedData(bound, head, none, "", none, message)
                    : associatedData(bound, head, ctx, sessionId, none, message);
            return concat(head, iv, gcm(Cipher.ENCRYPT_MODE, requestKey, iv, data, plaintext, 0));
        }

        /** Sends one sealed request, opens its answer, prints it, and checks that it is a success. */
        void request(String path, String message, byte[] plaintext) throws Exception {
            byte[] iv = random(12);
            var answer = http("POST", path, seal(iv, message, plaintext), sessionId);
            byte[] raw = answer.body();
            need(raw.length >= 2 && raw[0] == 'S' && raw[1] == 'C', "plain answer to a sealed request: HTTP "
                    + answer.statusCode() + " " + new String(raw, 0, Math.min(raw.length, 300), StandardCharsets.ISO_8859_1));
            Envelope envelope = parse(raw);
            need(envelope.type == 129, "answer of type " + envelope.type);
            if (sessionId == null) {
                takeSession(answer.headers().firstValue("X-SC-Session-Id").orElse(""));
                need(answer.headers().firstValue("X-SC-Expires-At").orElse("").matches("[0-9]+"), "X-SC-Expires-At");
            }
            byte[] data = associatedData(bound, envelope.head, ctx, sessionId, iv, message);
            byte[] opened = open(responseKey, envelope.sealed, data);
            System.out.println(strictUtf8(opened));
            Map<?, ?> doc = success("sealed answer", answer.statusCode(), opened);
            need(doc.get("data") instanceof Map<?, ?> d && Boolean.TRUE.equals(d.get("success")), "data.success");
        }

        void close() throws Exception { plain("POST", "/web/v1/secure-channel/session/close", null, sessionId); }

        /** After close: plain JSON, 404, SESSION_NOT_FOUND. */
        void requestIsRefused(String path, String message, byte[] plaintext) throws Exception {
            var answer = http("POST", path, seal(random(12), message, plaintext), sessionId);
            need(answer.body().length > 0 && answer.body()[0] == '{', "after close: not plain JSON, HTTP " + answer.statusCode());
            String text = strictUtf8(answer.body());
            need(answer.statusCode() == 404 && Json.parse(text) instanceof Map<?, ?> doc
                    && Boolean.FALSE.equals(doc.get("success"))
                    && "SECURE_CHANNEL.SESSION_NOT_FOUND".equals(doc.get("code")), "after close: HTTP " + answer.statusCode() + " " + text);
        }
    }

    static String string(Map<?, ?> doc, String name) throws Refused {
        if (doc.get(name) instanceof String value) return value;
        throw new Refused(name + " is not a string");
    }

    static String strictUtf8(byte[] raw) throws CharacterCodingException {
        return StandardCharsets.UTF_8.newDecoder().decode(java.nio.ByteBuffer.wrap(raw)).toString();
    }

    /** Checks the JSON form that every successful answer has, sealed or plain. */
    static Map<?, ?> success(String what, int status, byte[] raw) throws Exception {
        String shown = what + ": HTTP " + status + " " + strictUtf8(raw);
        if (Json.parse(strictUtf8(raw)) instanceof Map<?, ?> doc && status == 200 && Boolean.TRUE.equals(doc.get("success"))
                && "2000".equals(doc.get("code")) && "2.0.0".equals(doc.get("version")) && doc.get("timestamp") instanceof Json.Number) {
            return doc;
        }
        throw new Refused(shown);
    }

    // --- Vectors ----------------------------------------------------------------------------------

    interface Check { boolean of(Map<?, ?> v) throws Exception; }
    interface Work { void run() throws Exception; }

    static String refused(Work work) throws Exception {
        try {
            work.run();
        } catch (Refused error) {
            return error.getMessage();
        }
        throw new Exception("accepted");
    }

    static boolean doesNotOpen(Work work) throws Exception { // our own mistakes are not what a bad vector may fail by
        return !Set.of("fields", "ctx", "associated data", "keys", "iv").contains(refused(work));
    }

    static String text(Map<?, ?> v, String field) { return v.get(field) instanceof String s ? s : ""; }

    static byte[] bytes(Map<?, ?> v, String field) { return HEX.parseHex(text(v, field)); }

    static int number(Map<?, ?> v, String field) { return Integer.parseInt(((Json.Number) v.get(field)).digits()); }

    static boolean same(byte[] a, Map<?, ?> v, String field) { return Arrays.equals(a, bytes(v, field)); }

    /** Opens a record of envelopes.json as its receiver would. */
    static byte[] openVector(Map<Integer, Key> keys, Map<?, ?> v) throws Exception {
        Envelope e = parse(bytes(v, "envelope"));
        boolean bound = text(v, "profile").equals("bound");
        need(e.type == number(v, "type") && same(e.iv(), v, "iv"), "fields");
        byte[] ctx = bytes(v, "ctx");
        if (e.type == 1) {
            need(e.bound == bound && e.keyId.equals(text(v, "key_id")), "fields");
            need(same(e.encReqKey, v, "enc_req_key") && same(e.encRespKey, v, "enc_resp_key"), "fields");
            need(same(sha256(exchange(e.keyId, e.encReqKey, e.encRespKey)), v, "ctx"), "ctx");
            Key key = keys.get(number(v, "bits"));
            byte[] request = unwrap(key, e.encReqKey), response = unwrap(key, e.encRespKey);
            need(!MessageDigest.isEqual(request, response), "the two keys are equal");
            need(same(request, v, "request_key") && same(response, v, "response_key"), "keys");
            ctx = new byte[0]; // its parts are in the head already
        }
        byte[] data = associatedData(bound, e.head, ctx, text(v, "session_id"), bytes(v, "request_iv"), text(v, "message"));
        need(same(data, v, "associated_data"), "associated data");
        return open(bytes(v, e.type == 129 ? "response_key" : "request_key"), e.sealed, data);
    }

    static byte[] openTextVector(Map<?, ?> v) throws Exception {
        byte[] sealed = parseText(text(v, "text"));
        need(same(Arrays.copyOf(sealed, 12), v, "iv"), "iv");
        byte[] data = associatedData(text(v, "profile").equals("bound"), header(2, text(v, "direction").equals("request") ? 2 : 129),
                bytes(v, "ctx"), text(v, "session_id"), bytes(v, "request_iv"), text(v, "message"));
        need(same(data, v, "associated_data"), "associated data");
        return open(bytes(v, "key"), sealed, data);
    }

    static byte[] spread(Map<?, ?> v) {
        if (!(v.get("repeat") instanceof Map<?, ?> repeat)) return bytes(v, "bytes");
        byte[] tail = new byte[number(repeat, "count")];
        Arrays.fill(tail, bytes(repeat, "byte")[0]);
        return concat(bytes(repeat, "prefix"), tail);
    }

    static class Vectors {
        final Path folder;
        final Map<String, Integer> counts = new LinkedHashMap<>();
        Vectors(String folder) { this.folder = Path.of(folder); }

        List<?> list(String file, String part) throws Exception {
            return (List<?>) ((Map<?, ?>) Json.parse(Files.readString(folder.resolve(file + ".json")))).get(part);
        }

        void each(String file, String part, Check check) throws Exception {
            List<?> all = list(file, part);
            need(!all.isEmpty(), "an empty list of vectors: " + file + "." + part);
            for (Object one : all) {
                Map<?, ?> v = (Map<?, ?>) one;
                String name = file + "." + part + ": " + text(v, "name") + " " + text(v, "why");
                try {
                    need(check.of(v), "mismatch");
                } catch (Exception error) {
                    throw new Exception(name + ": " + error, error);
                }
            }
            counts.put(file + "." + part, all.size());
        }

        void check() throws Exception {
            Map<Integer, Key> keys = new HashMap<>();
            for (Object one : list("keys", "keys")) {
                Map<?, ?> k = (Map<?, ?>) one;
                keys.put(number(k, "bits"), KeyFactory.getInstance("RSA").generatePrivate(new PKCS8EncodedKeySpec(bytes(k, "pkcs8_der"))));
            }
            each("envelopes", "positive", v -> same(openVector(keys, v), v, "plaintext"));
            each("envelopes", "parses", v -> parse(spread(v)).type == number(v, "type"));
            each("envelopes", "negative", v -> refused(() -> parse(spread(v))).equals(text(v, "error")));
            each("envelopes", "open_failures", v -> doesNotOpen(() -> openVector(keys, v)));
            each("oaep", "ok", v -> same(unwrap(keys.get(number(v, "bits")), bytes(v, "wrapped")), v, "key"));
            each("oaep", "failures", v -> !refused(() -> unwrap(keys.get(number(v, "bits")), bytes(v, "wrapped"))).isEmpty());
            each("text", "positive", v -> same(openTextVector(v), v, "plaintext"));
            each("text", "negative", v -> !refused(() -> parseText(text(v, "text"))).isEmpty());
            each("text", "open_failures", v -> doesNotOpen(() -> openTextVector(v)));
            int total = counts.values().stream().mapToInt(Integer::intValue).sum();
            need(total > 0, "no vectors");
            System.out.println("vectors: " + total + " checked " + counts.toString().replace('{', '(').replace('}', ')').replace('=', ' '));
        }
    }

    // --- Program ----------------------------------------------------------------------------------

    public static void main(String[] args) {
        String baseUrl = null, vectors = null, email = "peer-" + HEX.formatHex(random(6)) + "@example.com";
        boolean inline = false, bound = false;
        try {
            for (var rest = List.of(args).iterator(); rest.hasNext();) {
                switch (rest.next()) {
                    case "--base-url" -> baseUrl = rest.next();
                    case "--vectors" -> vectors = rest.next();
                    case "--email" -> email = rest.next();
                    case "--inline" -> inline = true;
                    case "--bound" -> bound = true;
                    default -> throw new Refused("unknown option");
                }
            }
            need((baseUrl == null) != (vectors == null), "usage: --base-url URL [--email E] [--inline] [--bound] | --vectors DIR");
            if (vectors != null) {
                new Vectors(vectors).check();
                return;
            }
            Client client = new Client(baseUrl, bound);
            byte[] payload = utf8("{\"email\":" + Json.quote(email) + "}");
            client.fetchKey();
            if (!inline) client.createSession();
            client.request(PATH, MESSAGE, payload); // with --inline the first is type 1
            client.request(PATH, MESSAGE, payload); // the second is always type 2
            client.close();
            client.close();
            client.requestIsRefused(PATH, MESSAGE, payload);
        } catch (Exception error) {
            System.err.println("Scv2.java: " + error);
            System.exit(1);
        }
    }

    /** A small strict JSON reader: refuses duplicate members and trailing bytes, keeps numbers as written. */
    static class Json {
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
}
