// Makes test vectors from fresh randomness, for the other peers to check: writes envelopes.json and text.json.
// SPDX-License-Identifier: MIT OR Apache-2.0
package scv2;

import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.spec.X509EncodedKeySpec;
import java.util.*;
import javax.crypto.Cipher;

import static scv2.Channel.*;
import static scv2.Vectors.*;

final class Make {
    private Make() {}

    /** One envelope, in the fields of sc-core/vectors/README.md; `rsa` is a record of keys.json, for type 1. */
    static Map<String, Object> record(int type, String profile, int size, Map<?, ?> rsa) throws Exception {
        Map<String, Object> v = new LinkedHashMap<>();
        byte[] requestKey = random(32), responseKey = random(32), iv = random(12), plaintext = random(size);
        boolean bound = profile.equals("bound");
        byte[] head = header(bound && type == 1 ? 0x82 : 2, type), ctx = {}, requestIv = {};
        String sessionId = "";
        v.put("name", "java-type" + type + "-" + profile + "-" + size + (type == 1 ? "-" + number(rsa, "bits") : ""));
        v.put("type", type);
        v.put("profile", profile);
        put(v, "request_key", requestKey);
        put(v, "response_key", responseKey);
        put(v, "iv", iv);
        put(v, "plaintext", plaintext);
        if (type == 1) {
            var rsaKey = KeyFactory.getInstance("RSA").generatePublic(new X509EncodedKeySpec(bytes(rsa, "spki_der")));
            byte[] request = oaep(Cipher.ENCRYPT_MODE, rsaKey, requestKey);
            byte[] response = oaep(Cipher.ENCRYPT_MODE, rsaKey, responseKey);
            byte[] exchange = exchange(text(rsa, "key_id"), request, response);
            head = concat(head, exchange);
            v.put("bits", number(rsa, "bits"));
            v.put("key_id", text(rsa, "key_id"));
            put(v, "enc_req_key", request);
            put(v, "enc_resp_key", response);
            put(v, "ctx", sha256(exchange));
        } else if (bound) {
            ctx = random(32);
            sessionId = "sess_" + Base64.getUrlEncoder().encodeToString(random(24));
            put(v, "ctx", ctx);
            v.put("session_id", sessionId);
            if (type == 129) put(v, "request_iv", requestIv = random(12));
        }
        if (type == 1 || bound) v.put("message", Client.MESSAGE);
        byte[] data = associatedData(bound, head, ctx, sessionId, requestIv, Client.MESSAGE);
        put(v, "associated_data", data);
        byte[] key = type == 129 ? responseKey : requestKey;
        put(v, "envelope", concat(head, iv, gcm(Cipher.ENCRYPT_MODE, key, iv, data, plaintext, 0)));
        return v;
    }

    static void put(Map<String, Object> v, String field, byte[] value) { v.put(field, HEX.formatHex(value)); }

    /** One text envelope: the binary one of type 2 or 129, without its header, in Base64. */
    static Map<String, Object> textRecord(int type, String profile, int size) throws Exception {
        Map<String, Object> v = record(type, profile, size, Map.of());
        byte[] envelope = bytes(v, "envelope");
        String p = Base64.getEncoder().encodeToString(Arrays.copyOfRange(envelope, 4, envelope.length));
        v.put("name", text(v, "name").replace("-type", "-text"));
        v.put("key", v.get(type == 2 ? "request_key" : "response_key"));
        v.put("direction", type == 2 ? "request" : "response");
        v.put("text", "{\"v\":2,\"p\":\"" + p + "\"}");
        v.keySet().removeAll(Set.of("envelope", "type", "request_key", "response_key"));
        return v;
    }

    static void vectors(String folder) throws Exception {
        List<?> keys = list(Path.of(folder), "keys", "keys");
        need(keys != null, "no keys.json");
        List<Object> envelopes = new ArrayList<>(), texts = new ArrayList<>();
        for (String profile : List.of("plain", "bound")) {
            for (Object rsa : keys) envelopes.add(record(1, profile, 28, (Map<?, ?>) rsa));
            for (int type : new int[] {2, 129}) {
                for (int size : new int[] {0, 1, 28, 1000}) envelopes.add(record(type, profile, size, Map.of()));
                texts.add(textRecord(type, profile, 28));
            }
        }
        Files.writeString(Path.of(folder, "envelopes.json"), Json.write(Map.of("positive", envelopes)));
        Files.writeString(Path.of(folder, "text.json"), Json.write(Map.of("positive", texts)));
        System.out.println("made: " + envelopes.size() + " envelopes, " + texts.size() + " text envelopes");
    }
}
