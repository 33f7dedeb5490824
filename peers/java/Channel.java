// Secure Channel v2 in Java (JDK only): envelopes and cryptography, from PROTOCOL.md alone. The file to copy from.
// SPDX-License-Identifier: MIT OR Apache-2.0
package scv2;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.Key;
import java.security.MessageDigest;
import java.security.SecureRandom;
import java.security.interfaces.RSAKey;
import java.security.spec.MGF1ParameterSpec;
import java.util.Arrays;
import java.util.Base64;
import java.util.HexFormat;
import java.util.Map;
import java.util.Set;
import javax.crypto.Cipher;
import javax.crypto.spec.GCMParameterSpec;
import javax.crypto.spec.OAEPParameterSpec;
import javax.crypto.spec.PSource;
import javax.crypto.spec.SecretKeySpec;

final class Channel {
    private Channel() {}

    static final int MAX_ENVELOPE = 1_048_576 + 1_316;
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
        byte[] sealed = unbase64(Json.string(doc, "p"));
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
}
