// Checks the test vectors (sc-core/vectors, or those that another peer made) in Java.
// SPDX-License-Identifier: MIT OR Apache-2.0
package scv2;

import java.nio.file.Files;
import java.nio.file.Path;
import java.security.Key;
import java.security.KeyFactory;
import java.security.MessageDigest;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.*;

import static scv2.Channel.*;

final class Vectors {
    final Path folder;
    final Map<String, Integer> counts = new LinkedHashMap<>();
    Vectors(String folder) { this.folder = Path.of(folder); }

    /** A list, or null if the file or the list is not there. */
    static List<?> list(Path folder, String file, String part) throws Exception {
        Path path = folder.resolve(file + ".json");
        return Files.exists(path) && Json.parse(Files.readString(path)) instanceof Map<?, ?> doc ? (List<?>) doc.get(part) : null;
    }

    /** Checks every record of a list, if there is such a list. */
    void each(String file, String part, Check check) throws Exception {
        List<?> all = list(folder, file, part);
        if (all == null) return;
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
        for (Object one : list(folder, "keys", "keys")) {
            Map<?, ?> k = (Map<?, ?>) one;
            var encoded = new PKCS8EncodedKeySpec(bytes(k, "pkcs8_der"));
            keys.put(number(k, "bits"), KeyFactory.getInstance("RSA").generatePrivate(encoded));
        }
        each("envelopes", "positive", v -> same(openVector(keys, v), v, "plaintext"));
        each("envelopes", "parses", v -> parse(spread(v)).type() == number(v, "type"));
        each("envelopes", "negative", v -> refused(() -> parse(spread(v))).equals(text(v, "error")));
        each("envelopes", "open_failures", v -> doesNotOpen(() -> openVector(keys, v)));
        each("oaep", "ok", v -> same(unwrap(keys.get(number(v, "bits")), bytes(v, "wrapped")), v, "key"));
        each("oaep", "failures", v -> !refused(() -> unwrap(keys.get(number(v, "bits")), bytes(v, "wrapped"))).isEmpty());
        each("text", "positive", v -> same(openTextVector(v), v, "plaintext"));
        each("text", "negative", v -> !refused(() -> parseText(text(v, "text"))).isEmpty());
        each("text", "open_failures", v -> doesNotOpen(() -> openTextVector(v)));
        each("traces", "traces", v -> new Traces(keys.get(number(v, "bits")), v).replay());
        int total = counts.values().stream().mapToInt(Integer::intValue).sum();
        need(total > 0, "no vectors");
        System.out.println("vectors: " + total + " checked " + counts.toString().replace('{', '(').replace('}', ')').replace('=', ' '));
    }

    // --- One record ---

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
        need(e.type() == number(v, "type") && same(e.iv(), v, "iv"), "fields");
        byte[] ctx = bytes(v, "ctx");
        if (e.type() == 1) {
            need(e.bound() == bound && e.keyId().equals(text(v, "key_id")), "fields");
            need(same(e.encReqKey(), v, "enc_req_key") && same(e.encRespKey(), v, "enc_resp_key"), "fields");
            need(same(sha256(exchange(e.keyId(), e.encReqKey(), e.encRespKey())), v, "ctx"), "ctx");
            Key key = keys.get(number(v, "bits"));
            byte[] request = unwrap(key, e.encReqKey()), response = unwrap(key, e.encRespKey());
            need(!MessageDigest.isEqual(request, response), "the two keys are equal");
            need(same(request, v, "request_key") && same(response, v, "response_key"), "keys");
            ctx = new byte[0]; // its parts are in the head already
        }
        byte[] data = associatedData(bound, e.head(), ctx, text(v, "session_id"), bytes(v, "request_iv"), text(v, "message"));
        need(same(data, v, "associated_data"), "associated data");
        return open(bytes(v, e.type() == 129 ? "response_key" : "request_key"), e.sealed(), data);
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
}
