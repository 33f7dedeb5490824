// Replays one trace of sc-core/vectors/traces.json, as the client and as the server of the conversation.
// SPDX-License-Identifier: MIT OR Apache-2.0
package scv2;

import java.security.Key;
import java.security.KeyFactory;
import java.security.PublicKey;
import java.security.SecureRandom;
import java.security.interfaces.RSAPrivateCrtKey;
import java.security.spec.RSAPublicKeySpec;
import java.util.*;
import javax.crypto.Cipher;

import static scv2.Channel.*;
import static scv2.Vectors.*;

final class Traces {
    static final byte[] NONE = {};
    static final Map<String, String> PATHS = Map.of("key", "/web/v1/secure-channel/public-key",
            "set-up", "/web/v1/secure-channel/session", "close", "/web/v1/secure-channel/session/close");

    final Key privateKey;
    final PublicKey publicKey;
    final Map<?, ?> trace;
    final List<?> steps;
    final boolean bound, text;
    final byte[] requestKey, responseKey, encReqKey, encRespKey, exchange, ctx;

    /** The client's part of the set-up. */
    Traces(Key privateKey, Map<?, ?> trace) throws Exception {
        this.privateKey = privateKey;
        var rsa = (RSAPrivateCrtKey) privateKey;
        publicKey = KeyFactory.getInstance("RSA").generatePublic(new RSAPublicKeySpec(rsa.getModulus(), rsa.getPublicExponent()));
        this.trace = trace;
        steps = (List<?>) trace.get("steps");
        bound = text(trace, "profile").equals("bound");
        text = text(trace, "way").equals("text");
        requestKey = bytes(trace, "request_key");
        responseKey = bytes(trace, "response_key");
        encReqKey = wrap(requestKey, bytes(trace, "request_oaep_seed"));
        encRespKey = wrap(responseKey, bytes(trace, "response_oaep_seed"));
        need(same(encReqKey, trace, "enc_req_key") && same(encRespKey, trace, "enc_resp_key"), "wrapped keys");
        exchange = exchange(text(trace, "key_id"), encReqKey, encRespKey);
        ctx = sha256(exchange);
        need(same(ctx, trace, "ctx"), "ctx");
    }

    /** The JDK draws the seed of an OAEP wrap from the generator that it is given. */
    byte[] wrap(byte[] key, byte[] seed) throws Exception {
        var random = new SecureRandom() {
            @Override public void nextBytes(byte[] out) { System.arraycopy(seed, 0, out, 0, out.length); }
        };
        Cipher cipher = Cipher.getInstance("RSA/ECB/OAEPPadding");
        cipher.init(Cipher.ENCRYPT_MODE, publicKey, OAEP, random);
        return cipher.doFinal(key);
    }

    byte[] data(byte[] head, int type, String message, byte[] requestIv) {
        return type == 1 ? associatedData(bound, head, NONE, "", NONE, message)
                : associatedData(bound, head, ctx, text(trace, "session_id"), requestIv, message);
    }

    /** The bytes on the wire for the record `s`; `flip` changes the last byte of the tag. */
    byte[] seal(Map<?, ?> s, byte[] requestIv, int flip) throws Exception {
        int type = number(s, "type");
        byte[] iv = bytes(s, "iv"), head = header(bound && type == 1 ? 0x82 : 2, type);
        if (type == 1) head = concat(head, exchange);
        byte[] data = data(head, type, text(s, "message"), requestIv);
        need(same(data, s, "associated_data"), "associated data");
        byte[] key = type == 129 ? responseKey : requestKey;
        byte[] sealed = concat(iv, gcm(Cipher.ENCRYPT_MODE, key, iv, data, bytes(s, "plaintext"), 0));
        sealed[sealed.length - 1] ^= (byte) flip;
        return text ? utf8("{\"v\":2,\"p\":\"" + Base64.getEncoder().encodeToString(sealed) + "\"}") : concat(head, sealed);
    }

    /** What the receiver of `body` reads; of a type 1 envelope it takes the keys too. */
    byte[] open(byte[] body, Map<?, ?> s, byte[] requestIv) throws Exception {
        int type = number(s, "type");
        byte[] head = header(2, type), sealed;
        if (text) {
            sealed = parseText(Json.utf8(body));
        } else {
            Envelope e = parse(body);
            need(e.type() == type && (type != 1 || e.bound() == bound && e.keyId().equals(text(trace, "key_id"))), "envelope");
            if (type == 1) unwrapBoth(e.encReqKey(), e.encRespKey());
            head = e.head();
            sealed = e.sealed();
        }
        return Channel.open(type == 129 ? responseKey : requestKey, sealed, data(head, type, text(s, "message"), requestIv));
    }

    void unwrapBoth(byte[] request, byte[] response) throws Refused {
        need(Arrays.equals(unwrap(privateKey, request), requestKey), "unwrapped request key");
        need(Arrays.equals(unwrap(privateKey, response), responseKey), "unwrapped response key");
    }

    byte[] setUpBody() {
        Map<String, Object> doc = new LinkedHashMap<>();
        doc.put("keyId", text(trace, "key_id"));
        doc.put("encReqKey", Base64.getEncoder().encodeToString(encReqKey));
        doc.put("encRespKey", Base64.getEncoder().encodeToString(encRespKey));
        if (bound) doc.put("profile", "bound");
        return utf8(Json.write(doc));
    }

    static Map<?, ?> map(Map<?, ?> v, String field) { return v.get(field) instanceof Map<?, ?> map ? map : Map.of(); }

    /** The request of the step that this one repeats or tampers with. */
    Map<?, ?> other(Map<?, ?> step) { return map((Map<?, ?>) steps.get(number(step, "of")), "request"); }

    /** What this step's client (or attacker) sends, made again from the trace's randomness: line, headers and body. */
    Map<String, Object> request(Map<?, ?> step) throws Exception {
        String kind = text(step, "kind");
        Map<?, ?> like = step.containsKey("of") ? other(step) : map(step, "request"), sealed = map(like, "sealed");
        byte[] body = switch (kind) {
            case "repeat" -> bytes(like, "body");
            case "message", "late" -> seal(sealed, NONE, 0);
            case "tampered" -> seal(sealed, NONE, 1);
            case "set-up" -> setUpBody();
            default -> NONE;
        };
        if (kind.equals("repeat")) return parts(text(like, "method"), text(like, "path"), map(like, "headers"), body);
        Map<String, String> headers = new HashMap<>(Map.of("X-Client-Hash", text(trace, "client_hash"), "X-SC-Version", "2"));
        if (body.length > 0) headers.put("Content-Type", "application/json;charset=UTF-8");
        boolean inSession = kind.equals("close") || sealed.containsKey("type") && number(sealed, "type") == 2;
        if (inSession) headers.put("X-SC-Session-Id", text(trace, "session_id"));
        return parts(kind.equals("key") ? "GET" : "POST", PATHS.getOrDefault(kind, Client.PATH), headers, body);
    }

    static Map<String, Object> parts(String method, String path, Map<?, ?> headers, byte[] body) {
        return Map.of("method", method, "path", path, "headers", headers, "body", HEX.formatHex(body));
    }

    void step(Map<?, ?> step) throws Exception {
        byte[] body = bytes(map(step, "request"), "body"), answer = bytes(map(step, "response"), "body");
        Map<?, ?> sent = map(step, "request");
        need(request(step).equals(parts(text(sent, "method"), text(sent, "path"), map(sent, "headers"), body)), "request");
        switch (text(step, "kind")) {
            case "set-up" -> {
                Map<?, ?> doc = (Map<?, ?>) Json.parse(Json.utf8(body));
                unwrapBoth(unbase64(Json.string(doc, "encReqKey")), unbase64(Json.string(doc, "encRespKey")));
            }
            case "message" -> { // the server's part, then the client's
                Map<?, ?> request = map(map(step, "request"), "sealed"), response = map(map(step, "response"), "sealed");
                byte[] requestIv = bytes(request, "iv");
                need(same(open(body, request, NONE), request, "plaintext"), "request's plaintext");
                need(Arrays.equals(seal(response, requestIv, 0), answer), "answer");
                answer = open(answer, response, requestIv);
                need(same(answer, response, "plaintext"), "answer's plaintext");
            }
            case "tampered" -> {
                String why = refused(() -> open(body, map(other(step), "sealed"), NONE));
                need(why.equals("does not open"), "a tampered request: " + why);
            }
            default -> { }
        }
        Map<?, ?> doc = (Map<?, ?>) Json.parse(Json.utf8(answer));
        String code = text(map(step, "response"), "code");
        need(code.equals(doc.get("code")) && doc.get("success").equals(code.equals("2000")), "code");
        if (text(step, "kind").equals("key")) {
            need(Arrays.equals(unbase64(text(map(doc, "data"), "publicKey")), publicKey.getEncoded()), "public key");
        }
        String given = text(step, "kind").equals("set-up") ? text(map(doc, "data"), "sessionId")
                : text(map(map(step, "response"), "headers"), "X-SC-Session-Id");
        need(given.isEmpty() || given.equals(text(trace, "session_id")), "session id");
    }

    boolean replay() throws Exception {
        for (Object one : steps) {
            try {
                step((Map<?, ?>) one);
            } catch (Exception error) {
                throw new Refused(text((Map<?, ?>) one, "name") + ": " + error);
            }
        }
        return !steps.isEmpty();
    }
}
