// A Secure Channel v2 client over HTTP (PROTOCOL 4 to 6): the whole flow of forgot password.
// SPDX-License-Identifier: MIT OR Apache-2.0
package scv2;

import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.interfaces.RSAPublicKey;
import java.security.spec.X509EncodedKeySpec;
import java.time.Duration;
import java.util.*;
import javax.crypto.Cipher;

import static scv2.Channel.*;

final class Client {
    static final String MESSAGE = "password.forgot";
    static final String PATH = "/web/v1/system/auth/password/forgot";

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
        var spki = new X509EncodedKeySpec(unbase64(Json.string(doc, "publicKey")));
        var key = (RSAPublicKey) KeyFactory.getInstance("RSA").generatePublic(spki);
        int bits = key.getModulus().bitLength();
        need(bits >= 2048 && bits <= 4096 && new Json.Number("" + bits).equals(doc.get("keySize")), "key size");
        need(Json.string(doc, "algorithm").equals("RSA-OAEP-" + bits), "algorithm");
        keyId = Json.string(doc, "keyId");
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
        String profile = data.containsKey("profile") ? Json.string(data, "profile") : "plain";
        need(profile.equals(bound ? "bound" : "plain"), "profile of the session");
        need(data.get("expiresAt") instanceof Json.Number, "expiresAt");
        takeSession(Json.string(data, "sessionId"));
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
        need(envelope.type() == 129, "answer of type " + envelope.type());
        if (sessionId == null) {
            takeSession(answer.headers().firstValue("X-SC-Session-Id").orElse(""));
            need(answer.headers().firstValue("X-SC-Expires-At").orElse("").matches("[0-9]+"), "X-SC-Expires-At");
        }
        byte[] data = associatedData(bound, envelope.head(), ctx, sessionId, iv, message);
        byte[] opened = open(responseKey, envelope.sealed(), data);
        System.out.println(Json.utf8(opened));
        Map<?, ?> doc = success("sealed answer", answer.statusCode(), opened);
        need(doc.get("data") instanceof Map<?, ?> d && Boolean.TRUE.equals(d.get("success")), "data.success");
    }

    void close() throws Exception { plain("POST", "/web/v1/secure-channel/session/close", null, sessionId); }

    /** After close: plain JSON, 404, SESSION_NOT_FOUND. */
    void requestIsRefused(String path, String message, byte[] plaintext) throws Exception {
        var answer = http("POST", path, seal(random(12), message, plaintext), sessionId);
        need(answer.body().length > 0 && answer.body()[0] == '{', "after close: not plain JSON, HTTP " + answer.statusCode());
        String text = Json.utf8(answer.body());
        need(answer.statusCode() == 404 && Json.parse(text) instanceof Map<?, ?> doc
                && Boolean.FALSE.equals(doc.get("success"))
                && "SECURE_CHANNEL.SESSION_NOT_FOUND".equals(doc.get("code")), "after close: HTTP " + answer.statusCode() + " " + text);
    }

    /** Checks the JSON form that every successful answer has, sealed or plain. */
    static Map<?, ?> success(String what, int status, byte[] raw) throws Exception {
        String shown = what + ": HTTP " + status + " " + Json.utf8(raw);
        if (Json.parse(Json.utf8(raw)) instanceof Map<?, ?> doc && status == 200 && Boolean.TRUE.equals(doc.get("success"))
                && "2000".equals(doc.get("code")) && "2.0.0".equals(doc.get("version")) && doc.get("timestamp") instanceof Json.Number) {
            return doc;
        }
        throw new Refused(shown);
    }
}
