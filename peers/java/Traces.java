// Replays one trace of sc-core/vectors/traces.json, as the client and as the server of the conversation.
// SPDX-License-Identifier: MIT OR Apache-2.0
package scv2;

import java.math.BigInteger;
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

    final Key privateKey;
    final Map<?, ?> trace;
    final List<?> steps;
    final boolean bound, text;
    final byte[] requestKey, responseKey, encReqKey, encRespKey, exchange, ctx;

    /** The client's part of the set-up. */
    Traces(Key privateKey, Map<?, ?> trace) throws Exception {
        this.privateKey = privateKey;
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
        var rsa = (RSAPrivateCrtKey) privateKey;
        BigInteger modulus = rsa.getModulus();
        PublicKey publicKey = KeyFactory.getInstance("RSA").generatePublic(new RSAPublicKeySpec(modulus, rsa.getPublicExponent()));
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
        need(Arrays.equals(unwrap(privateKey, request), requestKey) && Arrays.equals(unwrap(privateKey, response), responseKey), "unwrapped keys");
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

    /** The body that this step's client (or attacker) sends, made again from the trace's randomness. */
    byte[] requestBody(Map<?, ?> step) throws Exception {
        return switch (text(step, "kind")) {
            case "repeat" -> bytes(other(step), "body");
            case "tampered" -> seal(map(other(step), "sealed"), NONE, 1);
            case "message", "late" -> seal(map(map(step, "request"), "sealed"), NONE, 0);
            case "set-up" -> setUpBody();
            default -> NONE;
        };
    }

    void step(Map<?, ?> step) throws Exception {
        byte[] body = requestBody(step), answer = bytes(map(step, "response"), "body");
        need(same(body, map(step, "request"), "body"), "request");
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
            case "tampered" -> need(refused(() -> open(body, map(other(step), "sealed"), NONE)).equals("does not open"), "a tampered request opens");
            default -> { }
        }
        Map<?, ?> doc = (Map<?, ?>) Json.parse(Json.utf8(answer));
        String code = text(map(step, "response"), "code");
        need(code.equals(doc.get("code")) && doc.get("success").equals(code.equals("2000")), "code");
        if (text(step, "kind").equals("set-up")) need(text(map(doc, "data"), "sessionId").equals(text(trace, "session_id")), "session id");
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
