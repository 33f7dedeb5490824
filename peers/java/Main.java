// A Secure Channel v2 peer in Java (JDK only), from PROTOCOL.md alone: the program.
// SPDX-License-Identifier: MIT OR Apache-2.0
//
//   javac -d out *.java
//   java -cp out scv2.Main --base-url URL [--email E] [--inline] [--bound]
//   java -cp out scv2.Main --vectors DIR
//   java -cp out scv2.Main --make-vectors DIR
//
// Channel.java is the part to copy from; Client.java is the flow; Vectors, Traces and Make are for the test vectors.
package scv2;

import java.util.List;
import java.util.Map;

import static scv2.Channel.*;

final class Main {
    static final String USAGE = "usage: --base-url URL [--email E] [--inline] [--bound] | --vectors DIR | --make-vectors DIR";

    public static void main(String[] args) {
        String mode = null, target = null, email = "peer-" + HEX.formatHex(random(6)) + "@example.com";
        boolean inline = false, bound = false;
        try {
            for (var rest = List.of(args).iterator(); rest.hasNext();) {
                String option = rest.next();
                switch (option) {
                    case "--base-url", "--vectors", "--make-vectors" -> {
                        need(mode == null && rest.hasNext(), USAGE);
                        mode = option;
                        target = rest.next();
                    }
                    case "--email" -> email = rest.next();
                    case "--inline" -> inline = true;
                    case "--bound" -> bound = true;
                    default -> throw new Refused(USAGE);
                }
            }
            need(mode != null, USAGE);
            switch (mode) {
                case "--vectors" -> new Vectors(target).check();
                case "--make-vectors" -> Make.vectors(target);
                default -> run(new Client(target, bound), email, inline);
            }
        } catch (Exception error) {
            System.err.println("scv2.Main: " + error);
            System.exit(1);
        }
    }

    static void run(Client client, String email, boolean inline) throws Exception {
        byte[] payload = utf8(Json.write(Map.of("email", email)));
        client.fetchKey();
        if (!inline) client.createSession();
        client.request(Client.PATH, Client.MESSAGE, payload); // with inline the first is type 1
        client.request(Client.PATH, Client.MESSAGE, payload); // the second is always type 2
        client.close();
        client.close();
        client.requestIsRefused(Client.PATH, Client.MESSAGE, payload);
    }
}
