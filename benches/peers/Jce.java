// Java as a peer of message protection: the JDK's own AES/GCM/NoPadding. Built together with peers/java/{Channel,Json}.java.
// SPDX-License-Identifier: MIT OR Apache-2.0
package scv2;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.security.GeneralSecurityException;
import java.util.Arrays;
import java.util.Locale;
import javax.crypto.Cipher;
import javax.crypto.spec.GCMParameterSpec;
import javax.crypto.spec.SecretKeySpec;

/** For each line of input measures one batch and prints one JSON object: nanoseconds per message. */
final class Jce {
    private static final int[] SIZES = {28, 256, 1_024, 4_096, 16_384, 65_536, 1_048_576};
    /** Long enough for the second compiler and its GCM intrinsics, with `-XX:CompileThresholdScaling=0.02`. */
    private static final long WARM_UP_NS = 3_000_000_000L;
    private static final long BATCH_NS = 20_000_000L;
    private static final int BATCHES = 15;

    private static final BufferedReader TURNS = new BufferedReader(new InputStreamReader(System.in));
    private static final byte[] HEADER = Channel.header(2, 2);

    private interface Work { void run() throws Exception; }

    private static long batch(Work work, long calls) throws Exception {
        long start = System.nanoTime();
        for (long i = 0; i < calls; i++) work.run();
        return System.nanoTime() - start;
    }

    /** After a warm-up that also finds a batch's length: for each line of input the nanoseconds of one call. */
    private static void measure(String name, int size, Work work) throws Exception {
        long start = System.nanoTime(), calls = 1, took = 0;
        while (System.nanoTime() - start < WARM_UP_NS || took < BATCH_NS) {
            took = batch(work, calls);
            if (took < BATCH_NS) calls *= 2;
        }
        for (int i = 0; i < BATCHES; i++) {
            TURNS.readLine();
            System.out.printf(Locale.ROOT, "{\"name\":\"%s\",\"case\":\"Java JCE\",\"parameter\":\"%d\",\"value\":%.1f,\"unit\":\"ns\"}%n",
                    name, size, (double) batch(work, calls) / calls);
        }
    }

    private final byte[] raw = Channel.random(32);
    /** One key and one cipher for all messages: `init` with the same key does not expand it again. */
    private final SecretKeySpec key = new SecretKeySpec(raw, "AES");
    private final Cipher cipher = Cipher.getInstance("AES/GCM/NoPadding");

    private Jce() throws GeneralSecurityException {}

    private void seal(byte[] plaintext, byte[] frame, byte[] iv) throws GeneralSecurityException {
        Channel.RANDOM.nextBytes(iv);
        System.arraycopy(iv, 0, frame, 4, 12);
        cipher.init(Cipher.ENCRYPT_MODE, key, new GCMParameterSpec(128, iv));
        cipher.doFinal(plaintext, 0, plaintext.length, frame, 16);
    }

    private void open(byte[] envelope, byte[] opened) throws Exception {
        // Not `Channel.parse`, which copies.
        Channel.need(envelope.length >= 32 && Arrays.equals(envelope, 0, 4, HEADER, 0, 4), "not an envelope of type 2");
        cipher.init(Cipher.DECRYPT_MODE, key, new GCMParameterSpec(128, envelope, 4, 12));
        cipher.doFinal(envelope, 16, envelope.length - 16, opened, 0);
    }

    private void measure(int size) throws Exception {
        byte[] plaintext = Channel.random(size), frame = Channel.concat(HEADER, new byte[size + 28]);
        byte[] iv = new byte[12], opened = new byte[size];
        seal(plaintext, frame, iv);
        byte[] envelope = frame.clone();
        open(envelope, opened);
        // Opened by the protocol's peer too: a peer that skips work must not count.
        byte[] checked = Channel.open(raw, Channel.parse(envelope).sealed(), new byte[0]);
        Channel.need(Arrays.equals(plaintext, opened) && Arrays.equals(plaintext, checked), "the envelope does not open");
        measure("seal", size, () -> seal(plaintext, frame, iv));
        measure("open", size, () -> open(envelope, opened));
    }

    public static void main(String[] args) throws Exception {
        Jce jce = new Jce();
        for (int size : SIZES) jce.measure(size);
    }
}
